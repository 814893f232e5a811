package app_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/racetest"
)

// Two administrators who invite the same people at once, in different orders,
// make one invitation and one mail for each.
func TestTwoAdministratorsInvitingTheSamePeopleRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grantAdministrator("Mia")
	ada, mia := w.as("ada"), w.as("mia")
	for n := range racetest.Trials {
		people := []string{fmt.Sprintf("a%d@new.example", n), fmt.Sprintf("b%d@new.example", n), fmt.Sprintf("c%d@new.example", n)}
		reversed := slices.Clone(people)
		slices.Reverse(reversed)
		var first, second answer
		racetest.Together(
			func() { first = ada.invite("Group 1", "VIEWER", people) },
			func() { second = mia.invite("Group 1", "VIEWER", reversed) })
		for i := range people {
			outcomes := []string{
				fmt.Sprint(first.OK().At("inviteUsers", "results", i, "outcome")),
				fmt.Sprint(second.OK().At("inviteUsers", "results", 2-i, "outcome"))}
			slices.Sort(outcomes)
			if !slices.Equal(outcomes, []string{"ALREADY_INVITED", "INVITED"}) {
				t.Fatalf("trial %d: %v", n, outcomes)
			}
			if a, b := first.At("inviteUsers", "results", i, "invitation", "id"), second.At("inviteUsers", "results", 2-i, "invitation", "id"); a != b {
				t.Fatalf("trial %d: two invitations %v %v", n, a, b)
			}
		}
	}
	if n := w.Number(`select count(*) from invitation`); n != 3*racetest.Trials {
		t.Errorf("%d invitations of %d", n, 3*racetest.Trials)
	}
	w.AwaitMails(3 * racetest.Trials)
}

// Nobody is invited to an instance after the answer to its deletion.
func TestInvitingRacesWithDeleting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, ed := w.as("ada"), w.as("ed")
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		var invitation, deletion answer
		r.Run(
			func() { invitation = ada.invite("Group 1", "VIEWER", []string{email}) },
			func() { deletion = ed.delete("Group 1") })
		deletion.OK()
		r.Record(len(invitation.Errors) == 0)
		if len(invitation.Errors) > 0 {
			invitation.Refused("INSTANCE_DELETED")
		}
		late := w.Number(`
			select count(*) from invitation v join instance i on i.id = v.instance_id
			where v.email = $1 and v.created_at > i.deleted_at`, email)
		if late != 0 {
			t.Fatalf("trial %d: somebody was invited after the deletion", n)
		}
		ed.restore("Group 1").OK()
	}
	if n := w.Number(`select count(*) from invitation`); n != r.First {
		t.Errorf("%d invitations, %d answers say so", n, r.First)
	}
	w.AwaitMails(r.First)
	r.End(t)
}

// Twenty copies of a request at once run once, and all get the same answer.
func TestRacingInvitationsWithOneKeyRunOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	const copies, rounds = 20, racetest.Trials / 20
	for n := range rounds {
		answers := make([]answer, copies)
		var sends []func()
		for i := range copies {
			sends = append(sends, func() {
				answers[i] = ada.invite("Group 1", "VIEWER", []string{fmt.Sprintf("p%d@new.example", n)}, "idempotencyKey", fmt.Sprint("key ", n))
			})
		}
		racetest.Together(sends...)
		for _, a := range answers {
			if got := a.OK().At("inviteUsers", "results", 0, "outcome"); got != "INVITED" {
				t.Fatalf("round %d: %v", n, got)
			}
			if a.At("inviteUsers", "results", 0, "invitation", "id") != answers[0].At("inviteUsers", "results", 0, "invitation", "id") {
				t.Fatalf("round %d: two invitations", n)
			}
		}
	}
	if n := w.Number(`select count(*) from audit_log`); n != rounds {
		t.Errorf("carried out %d times, want %d", n, rounds)
	}
	w.AwaitMails(rounds)
}

// Twenty copies of a deletion at once delete once, and all get that answer.
func TestRacingDeletionsWithOneKeyRunOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ed := w.as("ed")
	for n := range racetest.Trials / 20 {
		answers := make([]answer, 20)
		var sends []func()
		for i := range answers {
			sends = append(sends, func() { answers[i] = ed.delete("Group 1", "idempotencyKey", fmt.Sprint("key ", n)) })
		}
		racetest.Together(sends...)
		for _, a := range answers {
			if a.OK().At("deleteInstance", "deleted") != true {
				t.Fatalf("round %d: %s", n, a.Body)
			}
		}
		ed.restore("Group 1").OK()
	}
}

// An instance can be restored until its 24 hours are over, and not after.
func TestRestoringRacesWithTheEndOf24Hours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	var edge racetest.Edge
	for n := range racetest.Trials {
		// The deadline passes during the request.
		w.Exec(`update instance set deleted_at = t.until - interval '24 hours', restorable_until = t.until, deleted_by = (select id from account where name = 'Ada')
			from (select clock_timestamp() + $1 * interval '1 microsecond' as until) t where name = 'Group 1'`, edge.Before().Microseconds())
		until := w.Text(`select restorable_until::text from instance where name = 'Group 1'`)
		a := ada.restore("Group 1")
		after := w.Text(`select clock_timestamp() >= $1::timestamptz`, until)
		edge.Record(len(a.Errors) == 0)
		switch codes := a.Codes(); {
		case len(codes) == 0:
			at := w.Text(`select (max(at) < $1::timestamptz + interval '10 seconds') from audit_log where action = 'INSTANCE_RESTORED'`, until)
			if a.At("restoreInstance", "restored") != true || at != "true" {
				t.Fatalf("trial %d: %s", n, a.Body)
			}
		case slices.Equal(codes, []string{"RESTORE_WINDOW_EXPIRED"}):
			if after != "true" {
				t.Fatalf("trial %d: refused before the deadline", n)
			}
		default:
			t.Fatalf("trial %d: %s", n, a.Body)
		}
	}
	edge.End(t)
}

// A restoration that waits for a lock until after the deadline is refused.
func TestRestoringChecksTheDeadlineAfterWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Until then the request has read that it may be restored, on a busy machine too.
	w.Exec(`update instance set restorable_until = clock_timestamp() + interval '10 seconds' where name = 'Group 2'`)
	release := w.holdLocks(`select from instance where name = 'Group 2' for update`)
	answered := make(chan answer)
	go func() { answered <- w.as("ada").restore("Group 2") }()
	w.Eventually("a restoration that waits", func() bool { return w.lockWaiters("instance") == 1 })
	w.Exec(`select pg_sleep_until(restorable_until + interval '1 millisecond') from instance where name = 'Group 2'`)
	release()
	(<-answered).Refused("RESTORE_WINDOW_EXPIRED")
}

// lockWaiters returns the number of database sessions that wait for a lock with a
// statement that contains a text. Housekeeping may wait beside them.
func (w *world) lockWaiters(text string) int {
	w.t.Helper()
	return w.Number(`select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() and position($1 in query) > 0`, text)
}

// The revocation of a role waits for requests that use it. Later requests are
// refused.
func TestRoleInUseCannotBeRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	w.grantAdministrator("Rita")
	// An invitation of the same person that is perhaps going to be there.
	release := w.holdLocks(`
		insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
		select gen_random_uuid(), i.id, 'zoe@new.example', 'zoe@new.example', 'VIEWER', sha256('x'), a.id, clock_timestamp() + interval '1 day'
		from instance i, account a where i.name = 'Group 1' and a.name = 'Mia'`)
	invited, revoked := make(chan answer, 1), make(chan error, 1)
	go func() { invited <- ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}) }()
	w.Eventually("an invitation that is about to be written", func() bool { return w.lockWaiters("invite_new") == 1 })
	go func() {
		_, err := w.Admin.Exec(`delete from space_administrator where account_id = (select id from account where name = 'Ada')`)
		revoked <- err
	}()
	w.Eventually("a revocation that waits for it", func() bool {
		if len(revoked) > 0 {
			t.Fatal("the role was revoked while it was in use")
		}
		return w.lockWaiters("delete from space_administrator") == 1
	})
	release()
	(<-invited).OK()
	if err := <-revoked; err != nil {
		t.Fatal(err)
	}
	ada.invite("Group 1", "VIEWER", []string{"bob@new.example"}).Refused("NOT_FOUND")
	w.AwaitMails(1)
}

// Of fifty parallel acceptances one succeeds, and there is one membership.
func TestRacingAcceptancesMakeOneMembership(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	for n := range 6 {
		email := fmt.Sprintf("p%d@new.example", n)
		p := w.as(email)
		ada.invite("Group 1", "VIEWER", []string{email}).OK()
		token := w.AwaitToken(email)
		answers := make([]answer, 50)
		var accepts []func()
		for i := range answers {
			accepts = append(accepts, func() { answers[i] = p.accept("token", token) })
		}
		racetest.Together(accepts...)
		accepted := 0
		for _, a := range answers {
			if len(a.Errors) == 0 {
				accepted++
			} else if e := a.Refused("INVITATION_NOT_USABLE"); e.Reason() != "ACCEPTED" {
				t.Fatalf("%s", a.Body)
			}
		}
		members := w.Number(`select count(*) from instance_member m join account a on a.id = m.account_id where a.email = $1`, email)
		if accepted != 1 || members != 1 {
			t.Fatalf("accepted %d times, %d memberships", accepted, members)
		}
	}
}

// An invitation is accepted or revoked, never both.
func TestAcceptingRacesWithRevoking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		p := w.as(email)
		ada.invite("Group 1", "VIEWER", []string{email}).OK()
		id := w.invitationOf(email)
		p.Ask(`{ viewer { id } }`, nil).OK()
		var accepted, revoked answer
		r.Run(func() { accepted = p.accept("invitationId", id) }, func() { revoked = ada.revoke([]string{id}) })
		outcome := revoked.OK().At("revokeInvitations", "results", 0, "outcome")
		member := w.Number(`select count(*) from instance_member m join account a on a.id = m.account_id where a.email = $1`, email) == 1
		status := w.Text(`select status from invitation where email = $1`, email)
		r.Record(len(accepted.Errors) == 0)
		switch len(accepted.Errors) {
		case 0:
			if outcome != "ALREADY_ENDED" || !member || status != "ACCEPTED" {
				t.Fatalf("trial %d: accepted, and %v, member %t, status %s", n, outcome, member, status)
			}
		default:
			if e := accepted.Refused("INVITATION_NOT_USABLE"); e.Reason() != "REVOKED" || outcome != "REVOKED" || member || status != "REVOKED" {
				t.Fatalf("trial %d: not accepted, and %v, member %t, status %s", n, outcome, member, status)
			}
		}
	}
	r.End(t)
}

// Nobody becomes a member of an instance after the answer to its deletion.
func TestAcceptingRacesWithDeleting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, ed := w.as("ada"), w.as("ed")
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		p := w.as(email)
		ada.invite("Group 1", "VIEWER", []string{email}).OK()
		id := w.invitationOf(email)
		p.Ask(`{ viewer { id } }`, nil).OK()
		var accepted, deleted answer
		r.Run(func() { accepted = p.accept("invitationId", id) }, func() { deleted = ed.delete("Group 1") })
		deleted.OK()
		late := w.Number(`select count(*) from instance_member m join account a on a.id = m.account_id join instance i on i.id = m.instance_id where a.email = $1 and m.since > i.deleted_at`, email)
		member := w.Number(`select count(*) from instance_member m join account a on a.id = m.account_id where a.email = $1`, email) == 1
		r.Record(len(accepted.Errors) == 0)
		if len(accepted.Errors) > 0 {
			if e := accepted.Refused("INVITATION_NOT_USABLE"); e.Reason() != "INSTANCE_DELETED" {
				t.Fatalf("trial %d: %s", n, accepted.Body)
			}
		}
		if late != 0 || member != (len(accepted.Errors) == 0) {
			t.Fatalf("trial %d: member %t, %d after the deletion; %s", n, member, late, accepted.Body)
		}
		ed.restore("Group 1").OK()
		if !member {
			// The invitation can still be accepted.
			p.accept("invitationId", id).OK()
		}
	}
	r.End(t)
}

// Two administrators who resend the same invitations at once send one mail for
// each.
func TestTwoAdministratorsResendingRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, unlimitedInvitations)
	w.grantAdministrator("Mia")
	ada, mia := w.as("ada"), w.as("mia")
	emails := []string{"a@new.example", "b@new.example", "c@new.example"}
	ada.invite("Group 1", "VIEWER", emails).OK()
	ada.invite("Master", "VIEWER", emails).OK()
	var ids []string
	if err := w.Admin.Select(&ids, `select 'invitation_' || replace(id::text, '-', '') from invitation`); err != nil {
		t.Fatal(err)
	}
	reversed := slices.Clone(ids)
	slices.Reverse(reversed)
	mails := len(ids)
	for n := range racetest.Trials / 10 {
		w.Exec(`delete from invitation_resend`)
		var first, second answer
		racetest.Together(func() { first = ada.resend(ids) }, func() { second = mia.resend(reversed) })
		sent := 0
		for _, a := range []answer{first, second} {
			if len(a.Errors) == 0 {
				sent++
			} else if len(a.Errors) != len(ids) || a.Codes()[0] != "RATE_LIMITED" {
				t.Fatalf("trial %d: %s", n, a.Body)
			}
		}
		if sent != 1 {
			t.Fatalf("trial %d: sent %d times", n, sent)
		}
		mails += len(ids)
	}
	w.AwaitOutbox()
	if n := w.Number(`select count(*) from outbox`); n != mails {
		t.Errorf("%d sendings, want %d", n, mails)
	}
}

// Inviting an address while its invitation ends either changes the role of the
// pending one or makes a new one.
func TestInvitingRacesWithTheEndOfAnInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grantAdministrator("Mia")
	ada, mia := w.as("ada"), w.as("mia")
	var r racetest.Race
	for n := range racetest.Trials {
		email := fmt.Sprintf("p%d@new.example", n)
		ada.invite("Group 1", "VIEWER", []string{email}).OK()
		p, id := w.as(email), w.invitationOf(email)
		p.Ask(`{ viewer { id } }`, nil).OK()
		var ended, invited answer
		end := func() { ended = mia.revoke([]string{id}) }
		if n%2 == 1 {
			end = func() { ended = p.decline("invitationId", id) }
		}
		r.Run(end, func() { invited = ada.invite("Group 1", "EDITOR", []string{email}) })
		ended.OK()
		outcome := invited.OK().At("inviteUsers", "results", 0, "outcome")
		r.Record(outcome == "INVITED")
		pending := w.Number(`select count(*) from invitation where email = $1 and status = 'PENDING'`, email)
		all := w.Number(`select count(*) from invitation where email = $1`, email)
		switch {
		case outcome == "ROLE_CHANGED" && pending == 0 && all == 1:
		case outcome == "INVITED" && pending == 1 && all == 2:
		default:
			t.Fatalf("trial %d: %v, %d of %d invitations are pending", n, outcome, pending, all)
		}
	}
	r.End(t)
}

// Two administrators who change each other's roles at once do not deadlock, and
// of two requests to leave one succeeds.
func TestMembershipChangesRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grantAdministrator("Mia")
	ada, mia, vic := w.as("ada"), w.as("mia"), w.as("vic")
	adaID, miaID := w.user("Ada"), w.user("Mia")
	for n := range racetest.Trials {
		w.addViewers("Group 1", "Ada", "Mia", "Vic")
		role := []string{"EDITOR", "VIEWER"}[n%2]
		racetest.Together(
			func() { ada.changeRole("Group 1", miaID, role).OK() },
			func() { mia.changeRole("Group 1", adaID, role).OK() })
		left := make([]answer, 2)
		racetest.Together(func() { left[0] = vic.leave("Group 1") }, func() { left[1] = vic.leave("Group 1") })
		slices.SortFunc(left, func(a, b answer) int { return len(a.Errors) - len(b.Errors) })
		if left[0].OK().At("leaveInstance", "left") != true {
			t.Fatalf("trial %d: %s", n, left[0].Body)
		}
		left[1].Refused("NOT_FOUND")
	}
}

// addViewers makes people viewers of an instance, unless they have a role there.
func (w *world) addViewers(instance string, people ...string) {
	w.t.Helper()
	w.Exec(`
		insert into instance_member (instance_id, account_id, role)
		select i.id, a.id, 'VIEWER' from instance i join space s on s.id = i.space_id, account a
		where s.name = 'Econometrics 2026' and i.name = $1 and a.name = any (string_to_array($2, ','))
		on conflict do nothing`, instance, strings.Join(people, ","))
}

// Ten clients send random requests, many of them not permitted. No request
// fails internally, and the database stays consistent.
func TestRandomRequestsInParallel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	people := []string{"Ada", "Mia", "Rita", "Ed", "Vic", "Sam"}
	instances := []string{"Master", "Group 1", "Group 2", "Group 3"}
	w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null`)
	for _, name := range []string{"Mia", "Rita"} {
		w.grantAdministrator(name)
	}
	for _, instance := range instances {
		w.addViewers(instance, people[:5]...)
	}
	ids := map[string]string{}
	for _, name := range people {
		ids[name] = w.user(name)
	}
	var known struct {
		sync.Mutex
		invitations []string
	}
	learn := func(a answer) answer {
		known.Lock()
		defer known.Unlock()
		for _, part := range strings.Split(a.Body, `"id":"invitation_`)[1:] {
			known.invitations = append(known.invitations, "invitation_"+part[:32])
		}
		return a
	}
	const each = 60 // requests of each client
	work := func(seed uint64) {
		r := rand.New(rand.NewPCG(1, seed))
		some := func(of []string) string { return of[r.IntN(len(of))] }
		for range each {
			me := some(people)
			p := w.as(strings.ToLower(me))
			instance, other := some(instances), ids[some(people)]
			var emails []string
			for range 1 + r.IntN(4) {
				emails = append(emails, strings.ToLower(some(people))+"@uni.example", fmt.Sprintf("x%d@new.example", r.IntN(30)))
			}
			known.Lock()
			selected := []string{"invitation_00000000000000000000000000000000"}
			for i := 0; i < r.IntN(6) && len(known.invitations) > 0; i++ {
				selected = append(selected, some(known.invitations))
			}
			known.Unlock()
			var a answer
			switch r.IntN(12) {
			case 0, 1:
				a = learn(p.invite(instance, some([]string{"EDITOR", "VIEWER"}), emails))
			case 2:
				a = learn(p.inviteAdministrators(emails))
			case 3, 4:
				mine := p.Ask(`{ viewer { invitations(first: 5) { nodes { id } } } }`, nil).OK().Every("id", "viewer", "invitations", "nodes")
				if len(mine) == 0 {
					continue
				}
				answer := p.accept
				if r.IntN(4) == 0 {
					answer = p.decline
				}
				a = answer("invitationId", some(mine))
			case 5:
				a = p.revoke(selected[min(1, len(selected)-1):])
			case 6:
				a = p.resend(selected[min(1, len(selected)-1):])
			case 7:
				a = p.delete(instance)
			case 8:
				a = p.restore(instance)
			case 9:
				a = p.changeRole(instance, other, some([]string{"EDITOR", "VIEWER"}))
			case 10:
				a = p.remove(some([]string{instance, instance, ""}), other)
			case 11:
				if a = p.leave(instance); r.IntN(2) == 0 {
					a = p.createInstance(fmt.Sprint("Group ", 4+r.IntN(1000)))
				}
			}
			for _, code := range a.Codes() {
				if code == "INTERNAL_SERVER_ERROR" || code == "UNAVAILABLE" || code == "" {
					t.Errorf("%s: %s", me, a.Body)
				}
			}
			if r.IntN(20) == 0 {
				w.Exec(`insert into space_administrator (space_id, account_id) select s.id, a.id from space s, account a where s.name = 'Econometrics 2026' and a.name in ('Ada', 'Mia', 'Rita') on conflict do nothing`)
				w.addViewers(some(instances), people[:5]...)
			}
		}
	}
	var clients []func()
	for seed := range uint64(10) {
		clients = append(clients, func() { work(seed) })
	}
	racetest.Together(clients...)
	for wrong, query := range map[string]string{
		"spaces without administrators":             `select count(*) from space s where not exists (select from space_administrator where space_id = s.id)`,
		"mails that wait though nothing is deleted": `select count(*) from outbox o join instance i on i.id = o.instance_id where o.state = 'HELD' and i.deleted_at is null`,
		"mails of deleted instances":                `select count(*) from outbox o join instance i on i.id = o.instance_id where o.state = 'QUEUED' and o.lease is null and i.deleted_at is not null`,
		"invitations without exactly one event":     `select count(*) from invitation v where (select count(*) from event where change = 'CREATED' and v.id = any (subjects)) <> 1`,
		"ends without exactly one event":            `select count(*) from invitation v where (select count(*) from event where change in ('ACCEPTED', 'DECLINED', 'REVOKED') and v.id = any (subjects)) <> (v.status <> 'PENDING')::int`,
		"acceptances not in the trail once":         `select count(*) from invitation v where v.status = 'ACCEPTED' and v.email not in (select details -> 'emails' ->> 0 from audit_log where action = 'INVITATION_ACCEPTED')`,
		"two pending invitations of one":            `select count(*) from (select from invitation where status = 'PENDING' group by email_key, coalesce(instance_id, space_id) having count(*) > 1) twice`,
	} {
		if n := w.Number(query); n != 0 {
			t.Errorf("%s: %d", wrong, n)
		}
	}
	t.Logf("%d invitations, %d entries in the trail", w.Number(`select count(*) from invitation`), w.Number(`select count(*) from audit_log`))
}

func TestDeletingHoldsThousandsOfMails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.as("ada")
	// The statements are planned while the tables are small.
	ada.invite("Group 1", "VIEWER", []string{"a@new.example"}).OK()
	w.AwaitMails(1)
	const n = 16_000
	w.Exec(`
		with v as (
			insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
			select gen_random_uuid(), i.id, 'q' || g || '@x.example', 'q' || g || '@x.example', 'VIEWER', sha256(g::text::bytea), a.id, now() + interval '1 day'
			from generate_series(1, $1::int) g, instance i, account a where i.name = 'Group 1' and a.name = 'Ada'
			returning id, instance_id)
		insert into outbox (id, kind, subject_id, instance_id, secret, attempts, last_error, next_attempt_at)
		select gen_random_uuid(), 'INVITATION', id, instance_id, 'x', 1, '450', now() + interval '1 hour' from v`, n)
	ada.delete("Group 1").OK()
	if held := w.Number(`select count(*) from outbox where state = 'HELD'`); held != n {
		t.Errorf("%d mails are held, want %d", held, n)
	}
	w.Exec(`update outbox set state = 'DROPPED', secret = null where state = 'HELD'`) // nobody takes them
}
