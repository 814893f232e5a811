package app_test

import (
	"fmt"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// statements returns the number of SQL statements of an answer's request.
func (w *world) statements(a answer) (n int) {
	w.t.Helper()
	id := a.Header.Get("X-Request-Id")
	w.Await("the request's log line", func() bool {
		for _, line := range w.Log.Lines("request") {
			if line["requestId"] == id {
				n = int(line["statements"].(float64))
				return true
			}
		}
		return false
	})
	return n
}

func TestInviteStatementsDoNotGrowWithAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	ada.Ask(`{ viewer { id } }`, nil).OK() // so that the account is cached
	addresses := func(n int, format string) []string {
		emails := make([]string, n)
		for i := range emails {
			emails[i] = fmt.Sprintf(format, n, i)
		}
		return emails
	}
	// Everything in one statement is tried first, which a transaction limits behind a pooler.
	transaction := 0
	if testworld.Pooled {
		transaction = 2
	}
	cases := []struct {
		what string
		most int
		send func(n int) answer
	}{
		{"new people, without a key", 2 + transaction, func(n int) answer {
			return ada.invite("Group 1", "VIEWER", addresses(n, "new%d.%d@new.example")).OK()
		}},
		{"new people, with a key", 2 + transaction, func(n int) answer {
			return ada.invite("Group 1", "VIEWER", addresses(n, "key%d.%d@new.example"), "idempotencyKey", fmt.Sprint("k", n)).OK()
		}},
		{"a retry", 8 + transaction, func(n int) answer {
			return ada.invite("Group 1", "VIEWER", addresses(n, "key%d.%d@new.example"), "idempotencyKey", fmt.Sprint("k", n)).OK()
		}},
		{"people invited before", 10 + transaction, func(n int) answer {
			return ada.invite("Group 1", "VIEWER", addresses(n, "new%d.%d@new.example")).OK()
		}},
		{"people invited before, as something else", 11 + transaction, func(n int) answer {
			return ada.invite("Group 1", "EDITOR", addresses(n, "new%d.%d@new.example")).OK()
		}},
		{"addresses that are not valid", 1, func(n int) answer {
			return ada.invite("Group 1", "EDITOR", addresses(n, "new%d.%d@new"))
		}},
		{"addresses that are not valid, with a key", 1, func(n int) answer {
			return ada.invite("Group 1", "EDITOR", addresses(n, "new%d.%d@new"), "idempotencyKey", fmt.Sprint("invalid", n))
		}},
		{"addresses that are not valid, as administrators", 1, func(n int) answer {
			return ada.inviteAdministrators(addresses(n, "new%d.%d@new"))
		}},
	}
	for _, c := range cases {
		one, thousand := w.statements(c.send(1)), w.statements(c.send(1000))
		t.Logf("%s: %d statements", c.what, one)
		if one != thousand || one > c.most {
			t.Errorf("%s: %d statements for one address, %d for 1,000; at most %d", c.what, one, thousand, c.most)
		}
	}
}

func TestNestedQueryStatementsDoNotGrowWithRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	const query = `{ viewer { spaces(first: 12) { totalCount nodes { name organization { name } viewerRoles administrators { name } instances(first: 10, state: null) {
		totalCount nodes { name viewerRoles deletedBy { name }
			inviting { allowed obstacles { code contacts { name } } } restoring { allowed obstacles { code contacts { name } } } space { name administrators { name } }
			members(first: 50) { totalCount nodes { role user { name } } }
			invitations(first: 10) { totalCount nodes { email invitedBy { name } space { name } instance { name
				members(first: 10) { nodes { user { email } } } } } } } } } } } }`
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	few := w.statements(ada.Ask(query, nil).OK())

	w.Exec(`
		insert into account (id, subject, email, email_key, name)
		select gen_random_uuid(), 'x' || n, 'x' || n || '@new.example', 'x' || n || '@new.example', 'X' || n from generate_series(1, 50) n`)
	for i := range 10 {
		space := w.Text(`
			with s as (insert into space (id, organization_id, name)
			           select gen_random_uuid(), id, $1 from organization where name = 'University of Example' returning id),
			     i as (insert into instance (id, space_id, name, kind)
			           select gen_random_uuid(), s.id, k, case k when 'Master' then 'MASTER' when 'Distributed' then 'DISTRIBUTED' else 'WORKING' end
			           from s, unnest(array['Master', 'Distributed', 'A', 'B', 'C', 'D']) k returning id),
			     m as (insert into instance_member (instance_id, account_id, role)
			           select i.id, a.id, 'VIEWER' from i, account a where a.Subject like 'x%')
			insert into space_administrator (space_id, account_id) select s.id, a.id from s, account a where a.name = 'Ada' returning space_id`,
			fmt.Sprint("Space ", i))
		w.Exec(`
			insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
			select gen_random_uuid(), i.id, n || '@y.example', n || '@y.example', 'VIEWER', sha256((i.id::text || n)::bytea), a.id, clock_timestamp() + interval '1 day'
			from instance i, account a, generate_series(1, 20) n where i.space_id = $1 and a.name = 'Ada'`, space)
	}
	a := ada.Ask(query, nil).OK()
	if got := a.At("viewer", "spaces", "totalCount"); got != 11.0 {
		t.Errorf("%v spaces", got)
	}
	many := w.statements(a)
	t.Logf("%d statements", many)
	if few != many || many > 12 {
		t.Errorf("%d statements for few rows, %d for many", few, many)
	}
	// The statements of refusals do not grow, either.
	const forbidden = `query($s: ID!) { space(id: $s) { instances(first: 100, state: null) { nodes { name members { totalCount } invitations { totalCount } } } } }`
	one := w.statements(w.as("mia").Ask(forbidden, map[string]any{"s": w.space("Private Research")}))
	mia := w.as("mia").Ask(forbidden, map[string]any{"s": w.space("Space 3")})
	if len(mia.Errors) != 12 {
		t.Errorf("%d refusals", len(mia.Errors))
	}
	if got := w.statements(mia); got > one+3 {
		t.Errorf("%d statements for 12 refusals", got)
	}
}

// The statements of mutations of many invitations, and of reading a space, do
// not grow.
func TestAdministrationStatementsDoNotGrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	ada.Ask(`{ viewer { id } }`, nil).OK()
	const most = 500
	var emails []string
	for i := range 2*most + 2 {
		emails = append(emails, fmt.Sprintf("p%d@new.example", i))
	}
	ada.invite("Group 1", "VIEWER", emails[:most+1]).OK()
	ada.invite("Master", "VIEWER", emails[most+1:]).OK()
	var ids []string
	if err := w.Admin.Select(&ids, `select 'invitation_' || replace(id::text, '-', '') from invitation order by id`); err != nil {
		t.Fatal(err)
	}
	space := map[string]any{"s": w.space("Econometrics 2026")}
	for _, c := range []struct {
		what     string
		most     int
		one, all answer
	}{
		{"sending again", 11, ada.resend(ids[:1]).OK(), ada.resend(ids[2 : most+2]).OK()},
		{"not so soon again", 8, ada.resend(ids[:1]), ada.resend(ids[2 : most+2])},
		{"revoking", 8, ada.revoke(ids[:1]).OK(), ada.revoke(ids[2 : most+2]).OK()},
	} {
		one, all := w.statements(c.one), w.statements(c.all)
		t.Logf("%s: %d statements", c.what, one)
		if one != all || one > c.most {
			t.Errorf("%s: %d statements for one, %d for many, at most %d", c.what, one, all, c.most)
		}
	}
	const query = `query($s: ID!) { space(id: $s) { members(first: 100) { totalCount nodes { roles user { name } } } invitations(first: 100) { totalCount nodes { email delivery { status } } }
		auditLog(first: 100) { totalCount nodes { summary } } instances(first: 100, state: null) { nodes { invitations(first: 100) { nodes { email accepting { allowed } delivery { status explanation } } } } } } }`
	few := w.statements(ada.Ask(query, space).OK())
	ada.inviteAdministrators(emails[:200]).OK()
	many := w.statements(ada.Ask(query, space).OK())
	t.Logf("reading a space: %d statements", many)
	if few != many || many > 10 {
		t.Errorf("reading a space: %d statements for few rows, %d for many", few, many)
	}
	newest := emails[2*most+1]
	// The gateway looks an account up for each new token.
	sam, mia, invited := w.as("sam"), w.as("mia"), w.as(newest)
	for _, p := range []person{sam, mia, invited, ada} {
		p.Ask(`{ viewer { id } }`, nil).OK()
	}
	token := w.AwaitToken(newest)
	for what, c := range map[string]struct {
		most int
		a    answer
	}{
		"looking":            {3, sam.review(token).OK()},
		"accepting":          {13, invited.accept("token", token).OK()},
		"changing a role":    {8, ada.changeRole("Group 1", w.user("Vic"), "EDITOR").OK()},
		"removing":           {11, ada.remove("Group 1", w.user("Vic")).OK()},
		"making a space":     {12, mia.createSpace(w.organization("University of Example"), "Statistics").OK()},
		"making an instance": {8, ada.createInstance("Group 4").OK()},
	} {
		if n := w.statements(c.a); n > c.most {
			t.Errorf("%s: %d statements, at most %d", what, n, c.most)
		} else {
			t.Logf("%s: %d statements", what, n)
		}
	}
}
