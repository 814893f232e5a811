package link_test

import (
	"fmt"
	"sync"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Fifty people want the last use, and one gets it.
func TestTheLastUseRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Links.Limits.ByLink, w.Invitations.Limits.ByDomain = 1_000_000, 1_000_000
	for name, l := range map[string]*link.Link{"one instance": w.create("Group 1", 2), "own instances": w.createOwn("Work", 2)} {
		for n := range max(2, racetest.Trials/20) {
			_, err := w.Links.Refresh(t.Context(), w.User("ada"), link.RefreshInviteLinkInput{LinkID: l.ID})
			w.must(err)
			w.wantJoin(l, fmt.Sprintf("first%d@new.example", n), fmt.Sprintf("sent to first%d@new.example", n))
			var asking sync.WaitGroup
			results := make([]string, 50)
			for i := range results {
				asking.Go(func() { results[i] = w.join(l, fmt.Sprintf("p%d-%d@new.example", n, i)) })
			}
			asking.Wait()
			got := map[string]int{}
			for i, r := range results {
				if r == fmt.Sprintf("sent to p%d-%d@new.example", n, i) {
					r = "sent"
				}
				got[r]++
			}
			if got["sent"] != 1 || got["NOT_FOUND"] != 49 {
				t.Fatalf("%s, trial %d: %v", name, n, got)
			}
			w.wantState(l, link.UsedUp, 2)
			place := `instance_id = (select id from instance where name = 'Group 1')`
			if name == "own instances" {
				place = "not " + place
			}
			if invited := w.Number(`select count(*) from invitation where email like $1 and `+place, fmt.Sprintf("p%d-%%", n)); invited != 1 {
				t.Fatalf("%s, trial %d: %d are invited", name, n, invited)
			}
		}
	}
	if n := w.Number(`select count(*) from instance i where i.kind = 'WORKING' and i.name not like 'Group%' and not exists (select from invitation where instance_id = i.id)`); n != 0 {
		t.Errorf("%d own instances without an invitation", n)
	}
}

// A person is invited before the link is revoked, or not at all.
func TestJoiningRacesWithRevoking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByDomain = 1_000_000
	var r racetest.Race
	for n := range racetest.Trials {
		l, email := w.create("Group 1", 10), fmt.Sprintf("p%d@new.example", n)
		var joined, revoked string
		r.Run(
			func() { joined = w.join(l, email) },
			func() {
				_, err := w.Links.Revoke(t.Context(), w.User("ada"), link.RevokeInviteLinkInput{LinkID: l.ID})
				revoked = testworld.Refusal(err)
			})
		invited := w.Number(`select count(*) from invitation where email = $1`, email)
		switch got := fmt.Sprint(joined, revoked, invited, *w.now(l).Uses); got {
		case "sent to " + email + "1 1":
			r.Record(true)
		case "NOT_FOUND0 0":
			r.Record(false)
		default:
			t.Fatalf("trial %d: %s", n, got)
		}
	}
	r.End(t)
}

// A person is invited before the place is deleted, and then the mail waits with the
// invitation; or not at all.
func TestJoiningRacesWithDeleting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByDomain, w.Invitations.Limits.ByPerson, w.Links.Limits.ByLink = 1_000_000, 1_000_000, 1_000_000
	group1, ada := w.Instance("Group 1"), w.User("ada")
	l := w.create("Group 1", 10_000)
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		var joined, deleted string
		r.Run(
			func() { joined = w.join(l, email) },
			func() {
				_, err := w.Instances.Delete(t.Context(), ada, instance.InstanceInput{InstanceID: group1})
				deleted = testworld.Refusal(err)
			})
		mails := w.Lines(`select o.state from outbox o join invitation v on v.id = o.subject_id where v.email = $1`, email)
		switch got := fmt.Sprint(joined, deleted, mails); got {
		case "sent to " + email + "[HELD]":
			r.Record(true)
		case "NOT_FOUND[]":
			r.Record(false)
		default:
			t.Fatalf("trial %d: %s", n, got)
		}
		_, err := w.Instances.Restore(t.Context(), ada, instance.InstanceInput{InstanceID: group1})
		w.must(err)
	}
	r.End(t)
}

// A person is invited before the inviter loses the right to invite, or not at all.
func TestJoiningRacesWithTheEndOfTheInviter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByDomain, w.Links.Limits.ByLink = 1_000_000, 1_000_000
	ada, space := w.User("ada"), w.Space(testworld.Econometrics)
	w.Grant(w.User("berta"), tenant.SpaceAdministrator, space)
	for name, l := range map[string]*link.Link{"one instance": w.create("Group 1", 10_000), "own instances": w.createOwn("Work", 10_000)} {
		var r racetest.Race
		for n := range racetest.Trials {
			email := fmt.Sprintf("p%d-%d@new.example", n, len(name))
			var joined, removed string
			r.Run(
				func() { joined = w.join(l, email) },
				func() { removed = w.remove("berta", ada, space) })
			status := w.Lines(`select status from invitation where email = $1`, email)
			switch got := fmt.Sprint(joined, removed, status); got {
			case "sent to " + email + "[REVOKED]":
				r.Record(true)
			case "NOT_FOUND[]":
				r.Record(false)
			default:
				t.Fatalf("%s, trial %d: %s", name, n, got)
			}
			w.Grant(ada, tenant.SpaceAdministrator, space)
		}
		r.End(t)
	}
}
