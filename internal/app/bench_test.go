package app_test

import (
	"fmt"
	"sync/atomic"
	"testing"
)

// The benchmarks measure whole requests, over HTTP and with their database.

func BenchmarkPointRead(b *testing.B) {
	w := newWorld(b)
	ada, id := w.as("ada"), w.instance("Group 1")
	for b.Loop() {
		ada.Ask(`query($id: ID!) { instance(id: $id) { id name kind viewerRoles space { id name } } }`, map[string]any{"id": id}).OK()
	}
}

func BenchmarkNestedLists(b *testing.B) {
	w := newWorld(b)
	w.Exec(`insert into account (id, email, email_key, name) select gen_random_uuid(), n || '@x.example', n || '@x.example', 'N' || n from generate_series(1, 10) n`)
	w.Exec(`insert into instance (id, space_id, name, kind) select gen_random_uuid(), id, 'Group ' || n, 'WORKING' from space, generate_series(4, 20) n where name = 'Econometrics 2026'`)
	w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i, account a where a.email like '%@x.example'`)
	w.Exec(`insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
		select gen_random_uuid(), i.id, n || '@y.example', n || '@y.example', 'VIEWER', sha256((i.id::text || n)::bytea), a.id, clock_timestamp() + interval '1 day'
		from instance i, account a, generate_series(1, 10) n where a.name = 'Ada'`)
	ada, id := w.as("ada"), w.space("Econometrics 2026")
	for b.Loop() {
		ada.Ask(`query($id: ID!) { space(id: $id) { id name instances(first: 20, state: null) { nodes { id name kind
			members(first: 10) { nodes { role user { id name email } } }
			invitations(first: 10) { nodes { id email role status expiresAt } } } } } }`, map[string]any{"id": id}).OK()
	}
}

func BenchmarkInvite(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b, unlimitedInvitations)
			ada, id := w.as("ada"), w.instance("Group 1")
			var round atomic.Int64
			emails := make([]string, n)
			for b.Loop() {
				r := round.Add(1)
				for i := range emails {
					emails[i] = fmt.Sprintf("p%d.%d@new.example", r, i)
				}
				ada.invite(id, "VIEWER", emails).OK()
			}
		})
	}
}

func BenchmarkInviteBad(b *testing.B) {
	w := newWorld(b)
	ada, id := w.as("ada"), w.instance("Group 1")
	emails := make([]string, 100)
	for i := range emails {
		emails[i] = fmt.Sprintf("p%d@new.example", i)
		if i%10 < 3 {
			emails[i] = fmt.Sprintf("p%d@.new.example", i)
		}
	}
	for b.Loop() {
		if a := ada.invite(id, "VIEWER", emails); len(a.Errors) != 30 {
			b.Fatal(a.Body)
		}
	}
}

// The benchmark checks a thousand addresses against a thousand domains, all of
// which are cached.
func BenchmarkCheckEmails(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			w.Exec(`insert into account (id, email, email_key, name) select gen_random_uuid(), e, e, 'N' from generate_series(1, 1000) n, lateral (select 'a@institute-' || n || '.uni.example' as e) e`)
			w.Exec(`insert into organization_member (organization_id, account_id, role) select o.id, a.id, 'MEMBER' from organization o, account a where o.name = 'University of Example' and a.email like 'a@%'`)
			ada := w.as("ada")
			emails := make([]string, n)
			for i := range emails {
				emails[i] = fmt.Sprintf("zoe@institute-%d.uni.exmaple", i+1)
			}
			ada.check(emails...)
			for b.Loop() {
				ada.Ask(`query($emails: [String!]!) { checkEmails(emails: $emails) { index valid suggestion warning } }`, map[string]any{"emails": emails}).OK()
			}
		})
	}
}
