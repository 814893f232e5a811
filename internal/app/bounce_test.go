package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBounceCommand(t *testing.T) {
	dsn := accountsDatabase(t)
	db := connect(t, dsn)
	const invitation, mail = "0198f3c2-7a10-7c11-9b1e-000000000001", "0198f3c2-7a10-7c11-9b1e-2f6b1c0a9d55"
	execute(t, db, `
		insert into invitation (id, space_id, email, email_key, token_hash, invited_by, expires_at)
		select '`+invitation+`', s.id, 'zoe@new.example', 'zoe@new.example', sha256('x'), a.id, clock_timestamp() + interval '1 day'
		from space s, account a where s.name = 'Econometrics 2026' and a.name = 'Ada'`)
	execute(t, db, `insert into outbox (id, kind, subject_id, state, attempts) values ('`+mail+`', 'INVITATION', '`+invitation+`', 'SENT', 1)`)
	run := func(file string) outcome {
		t.Helper()
		return command(t, "bounce", filepath.Join("../mail/bounce/testdata", file)).succeeded(t)
	}
	for _, c := range []struct{ file, says string }{
		{"out-of-office.eml", "ignored: it is no delivery status notification"},
		{"postfix-delayed.eml", "ignored: it reports no failure"},
		{"international.eml", "ignored: it is about another recipient"},
		{"gmail.eml", "bounced: the address does not exist"},
		{"gmail.eml", "ignored: it was reported before"},
	} {
		if result := run(c.file); !strings.HasPrefix(result.out, c.says) || strings.Count(result.out, "\n") != 1 || strings.Contains(result.out, "zoe") {
			t.Errorf("%s: %q", c.file, result.out)
		}
	}
	if n := number(t, db, `select count(*) from outbox where bounced_at is not null and bounce_reply like '550 5.1.1 The email account%'`); n != 1 {
		t.Errorf("%d mails came back", n)
	}
	// Exim takes any output of a command for a failure, and sends it to the person who wrote.
	for _, file := range []string{"postfix-unknown-user.eml", "out-of-office.eml"} {
		execute(t, db, `update outbox set bounced_at = null`)
		if out := pipedBounce(t, file); out != "" {
			t.Errorf("%s from standard input: printed %q", file, out)
		}
	}
	execute(t, db, `delete from outbox`)
	if result := run("gmail.eml"); !strings.Contains(result.out, "ignored: it is about no mail of an invitation that DataHub has sent") {
		t.Error(result.out)
	}

	// A mail server tries again after this exit code.
	t.Setenv("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none?sslmode=disable")
	command(t, "bounce", "../mail/bounce/testdata/gmail.eml").failed(t, 75, "DATABASE_URL")
	t.Setenv("DATAHUB_MAIL_FROM", "nobody at all")
	command(t, "bounce", "../mail/bounce/testdata/gmail.eml").failed(t, 75, "DATAHUB_MAIL_FROM")
	command(t, "seed").failed(t, 2, "DATAHUB_MAIL_FROM")
	t.Setenv("DATAHUB_MAIL_FROM", "no-reply@datahub.example")
	large := filepath.Join(t.TempDir(), "large.eml")
	if err := os.WriteFile(large, []byte("Subject: x\n\n"+strings.Repeat("x\n", 2<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "bounce", large).succeeded(t)
}

// pipedBounce gives the command a report as a mail server does, and returns what it prints.
func pipedBounce(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(filepath.Join("../mail/bounce/testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	stdin := os.Stdin
	os.Stdin = f
	defer func() { os.Stdin = stdin }()
	return command(t, "bounce").succeeded(t).out
}
