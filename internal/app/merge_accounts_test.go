package app

import (
	"strings"
	"testing"
)

func TestMergeAccountsCommand(t *testing.T) {
	dsn := accountsDatabase(t)
	db := connect(t, dsn)
	const vic, moved, former = "00000000000070008000000000000001", "00000000000070008000000000000002", "00000000000070008000000000000003"
	execute(t, db, `update account set subject = 'vic-1' where name = 'Vic'`)
	execute(t, db, `insert into account (id, subject, email, email_key, name) values ('`+moved+`', 'vic-2', 'vic@new.example', 'vic@new.example', 'Victor')`)
	roles := func(where string) int {
		t.Helper()
		return number(t, db, `select count(*) from instance_member m join account a on a.id = m.account_id where `+where)
	}
	had := roles(`a.name = 'Vic'`)
	dry := command(t, "merge-accounts", "--from", "vic@uni.example", "--into", "vic@new.example", "--dry-run").succeeded(t)
	if !strings.Contains(dry.out, "2  roles in instances: moved") || !strings.Contains(dry.out, "Nothing was changed.") || roles(`a.name = 'Vic'`) != had {
		t.Errorf("%s", dry.out)
	}
	done := command(t, "merge-accounts", "--from", "Vic <vic@uni.example>", "--into", "user_"+moved).succeeded(t)
	if !strings.Contains(done.out, "2  roles in instances: moved") || !strings.Contains(done.out, "is merged into user_"+moved) || roles(`a.name = 'Victor'`) != had {
		t.Errorf("%s", done.out)
	}
	from := ""
	for _, line := range strings.Split(done.out, "\n") {
		if strings.Contains(line, "is merged into") {
			from = strings.Fields(line)[0]
		}
	}
	if again := command(t, "merge-accounts", "--from", from, "--into", "vic@new.example").succeeded(t); !strings.Contains(again.out, "Nothing was left to do.") {
		t.Error(again.out)
	}
	command(t, "merge-accounts", "--from", from, "--into", "ed@uni.example").failed(t, 1, "nothing was merged", from+" has been merged into user_"+moved)
	command(t, "erase-account", from).failed(t, 1, "has been merged into user_"+moved)
	command(t, "merge-accounts", "--from", "vic@new.example", "--into", "user_"+moved).failed(t, 1, "into itself")
	command(t, "merge-accounts", "--from", "nobody@new.example", "--into", "ed@uni.example").failed(t, 1, "--from", "no account with the address")
	command(t, "merge-accounts", "--from", "user_"+vic, "--into", "ed@uni.example").failed(t, 1, "no account with this id")

	command(t, "merge-accounts", "--from", "vic@new.example", "--into", "ed@uni.example").failed(t, 1, "nothing was merged", "nobody has signed in")

	// An address of several accounts names none of them.
	execute(t, db, `insert into account (id, subject, email, email_key, name) values ('`+former+`', 'ed-1', 'ed@uni.example', 'ed@uni.example', 'Ed')`)
	command(t, "merge-accounts", "--from", "ed@uni.example", "--into", "vic@new.example").failed(t, 1, "several accounts", "user_"+former+" holds the address", "by its id")

	execute(t, db, `create role merging_gateway login`)
	t.Cleanup(func() { execute(t, db, `drop owned by merging_gateway`); execute(t, db, `drop role merging_gateway`) })
	t.Setenv("DATAHUB_DATABASE_ROLE", "merging_gateway")
	command(t, "migrate").succeeded(t)
	t.Setenv("DATABASE_URL", dsn+" user=merging_gateway")
	command(t, "merge-accounts", "--from", "user_"+former, "--into", "vic@new.example").failed(t, 1, "DATABASE_URL", "owner of the tables")
}
