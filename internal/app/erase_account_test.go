package app

import (
	"encoding/json"
	"strings"
	"testing"
)

// accountsDatabase makes a database with the demo world.
func accountsDatabase(t *testing.T) (dsn string) {
	t.Helper()
	dsn, db := newEmptyDatabase(t)
	environment(t, "DATABASE_URL="+dsn, "DATAHUB_DEVELOPMENT=true")
	command(t, "migrate").succeeded(t)
	command(t, "seed").succeeded(t)
	execute(t, db, `insert into audit_log (action, actor_id, actor_name, space_id, space_name) select 'SPACE_CREATED', a.id, a.name, s.id, s.name from account a, space s where a.name = 'Vic' and s.deleted_at is null`)
	return dsn
}

func TestExportAccountCommand(t *testing.T) {
	accountsDatabase(t)
	for _, who := range []string{"vic@uni.example", "Vic <VIC@uni.example>"} {
		var export struct {
			ExportedAt, AccountID, Address string
			Account                        []struct{ Email, Name string }
			InstanceRoles                  []struct{ Name, Role string }
			AuditRecords                   []struct{ Action string }
			InvitationsReceived            []any
		}
		out := command(t, "export-account", who).succeeded(t).out
		if err := json.Unmarshal([]byte(out), &export); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if export.Address != "vic@uni.example" || export.ExportedAt == "" || len(export.Account) != 1 || export.Account[0].Name != "Vic" ||
			len(export.InstanceRoles) != 2 || len(export.AuditRecords) != 2 || export.InvitationsReceived == nil {
			t.Errorf("%s: %s", who, out)
		}
		if byID := command(t, "export-account", export.AccountID).succeeded(t).out; !strings.Contains(byID, `"vic@uni.example"`) {
			t.Errorf("by the id: %s", byID)
		}
	}
	// Of somebody unknown nothing is kept.
	if out := command(t, "export-account", "nobody@nowhere.example").succeeded(t).out; !strings.Contains(out, `"account": []`) {
		t.Error(out)
	}
	command(t, "export-account", "user_00000000000000000000000000000000").failed(t, 1, "no account")
	command(t, "export-account", "vic").failed(t, 1, "neither", "address")
	command(t, "export-account").failed(t, 2, "email-or-id")
}

func TestEraseAccountCommand(t *testing.T) {
	dsn := accountsDatabase(t)
	db := connect(t, dsn)
	vics := func() int {
		t.Helper()
		return number(t, db, `select count(*) from account where name = 'Vic'`) + number(t, db, `select count(*) from audit_log where actor_name = 'Vic'`)
	}
	dry := command(t, "erase-account", "--dry-run", "vic@uni.example").succeeded(t)
	if !strings.Contains(dry.out, "2  roles in instances: ended") || !strings.Contains(dry.out, "Nothing was changed.") || vics() != 3 {
		t.Errorf("%s, %d", dry.out, vics())
	}
	done := command(t, "erase-account", "vic@uni.example").succeeded(t)
	if !strings.Contains(done.out, "2  roles in instances: ended") || !strings.Contains(done.out, "Erased person ") || vics() != 0 {
		t.Errorf("%s, %d", done.out, vics())
	}
	if n := number(t, db, `select count(*) from audit_log where actor_name like 'Erased person %'`); n != 2 {
		t.Errorf("%d records of the pseudonym", n)
	}
	if again := command(t, "erase-account", "vic@uni.example").succeeded(t); !strings.Contains(again.out, "Nothing was changed.") {
		t.Error(again.out)
	}
	command(t, "erase-account", "mia@uni.example").failed(t, 1, "nothing was erased", "the last manager of University of Example", "--force")
	command(t, "erase-account", "ada@uni.example").failed(t, 1, "nothing was erased", "the last administrator of the space Econometrics 2026", "create-space", "--force")
	command(t, "erase-account", "--force", "ada@uni.example").succeeded(t)

	execute(t, db, `create role erasing_gateway login`)
	t.Cleanup(func() { execute(t, db, `drop owned by erasing_gateway`); execute(t, db, `drop role erasing_gateway`) })
	t.Setenv("DATAHUB_DATABASE_ROLE", "erasing_gateway")
	command(t, "migrate").succeeded(t)
	t.Setenv("DATABASE_URL", dsn+" user=erasing_gateway")
	command(t, "erase-account", "ed@uni.example").failed(t, 1, "DATABASE_URL", "owner of the tables")
	command(t, "export-account", "ed@uni.example").succeeded(t)
}
