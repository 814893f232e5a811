package invitation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

const (
	day       = 24 * time.Hour
	retention = 180 * day
)

func (w *world) deleteEnded() int64 {
	w.t.Helper()
	n, err := invitation.DeleteEnded(w.t.Context(), w.DB, retention)
	w.must(err)
	return n
}

func TestEndedInvitationsAreDeletedAfterTheRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	byEmail := map[string]globalid.ID{}
	for _, r := range w.invite("Group 1", tenant.Viewer, "accepted@new.example", "declined@new.example", "revoked@new.example", "expired@new.example") {
		byEmail[r.Email] = r.InvitationID
	}
	w.inviteAdministrators("administrator@new.example")
	w.Advance(10 * day) // it counts from the end, not from the beginning
	if _, err := w.accept("accepted@new.example", byEmail["accepted@new.example"]); err != nil {
		t.Fatal(err)
	}
	declined := byEmail["declined@new.example"]
	if _, err := w.Invitations.Decline(t.Context(), w.User("declined@new.example"), invitation.AnswerInput{InvitationID: &declined}); err != nil {
		t.Fatal(err)
	}
	w.revoke(byEmail["revoked@new.example"])
	trail := w.Trail()

	left := func(want ...string) {
		t.Helper()
		wantEqual(t, "left", want, w.Lines(`select split_part(email, '@', 1) from invitation order by 1`))
		wantEqual(t, "mails left", want, w.Lines(`select split_part(v.email, '@', 1) from outbox o left join invitation v on v.id = o.subject_id order by 1`))
	}
	w.Advance(retention - time.Minute)
	if n := w.deleteEnded(); n != 0 {
		t.Errorf("%d deleted before their time", n)
	}
	w.Advance(time.Minute)
	if n := w.deleteEnded(); n != 3 {
		t.Errorf("%d deleted, want those that were answered or revoked", n)
	}
	left("administrator", "expired")
	w.Advance(20 * day) // they expired 30 days after the invitation
	if n := w.deleteEnded(); n != 2 {
		t.Errorf("%d deleted, want those that expired", n)
	}
	left([]string(nil)...)
	if n := w.deleteEnded(); n != 0 {
		t.Errorf("%d deleted again", n)
	}

	// What they led to stays, and so does the trail.
	if role := w.RoleOf(w.User("accepted@new.example"), w.Instance("Group 1")); role != "INSTANCE_VIEWER" {
		t.Errorf("the member's role is %q", role)
	}
	wantEqual(t, "trail", trail, w.Trail())
	// The addresses can be invited again.
	wantEqual(t, "outcomes", repeated(invitation.Invited, 2), outcomes(w.invite("Group 1", tenant.Viewer, "declined@new.example", "expired@new.example")))
}

// Pages go on after their last row although it was deleted meanwhile, and counts
// count what is there.
func TestListsGoOnAfterDeletedInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []globalid.ID
	for i := range 6 { // in requests of their own, so that the order is known
		ids = append(ids, w.invite("Group 1", tenant.Viewer, fmt.Sprintf("p%d@new.example", i))[0].InvitationID)
	}
	w.revoke(ids[3], ids[4])
	w.Advance(retention)
	w.Exec(`update invitation set expires_at = clock_timestamp() + interval '1 day' where status = 'PENDING'`)

	place := w.Instance("Group 1")
	page := func(after globalid.ID) (emails []string, total int) {
		t.Helper()
		lists, err := w.Invitations.List(t.Context(), []globalid.ID{place}, invitation.Filter{}, relay.Page{First: 2, After: after.UUID, Total: true})
		w.must(err)
		for _, v := range lists[place].Nodes {
			emails = append(emails, strings.TrimSuffix(v.Email, "@new.example"))
		}
		return emails, lists[place].Total
	}
	if emails, total := page(globalid.ID{}); strings.Join(emails, " ") != "p5 p4" || total != 6 {
		t.Errorf("%q of %d", emails, total)
	}
	if n := w.deleteEnded(); n != 2 {
		t.Fatalf("%d deleted", n)
	}
	if emails, total := page(ids[4]); strings.Join(emails, " ") != "p2 p1" || total != 4 {
		t.Errorf("after a deleted row: %q of %d", emails, total)
	}
}

// An expired invitation that a request is about to renew is not deleted under it.
func TestExpiredInvitationsOfPlacesInUseAreLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.invite("Group 1", tenant.Viewer, "zoe@new.example")
	w.invite("Master", tenant.Viewer, "zoe@new.example")
	w.inviteAdministrators("zoe@new.example")
	w.Advance(month + retention)
	w.must(w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		if err := access.Lock(t.Context(), tx, w.User("ada"), access.Shared, w.Instance("Group 1")); err != nil {
			return err
		}
		if n := w.deleteEnded(); n != 2 {
			t.Errorf("%d deleted while Group 1 is in use, want the other two", n)
		}
		return nil
	}))
	if n := w.deleteEnded(); n != 1 {
		t.Errorf("%d deleted afterwards", n)
	}
}

func TestRenewingRacesWithDeletingExpiredInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var r racetest.Race
	for i := range 100 {
		email := fmt.Sprintf("p%d@new.example", i)
		id := w.invite("Group 1", tenant.Viewer, email)[0].InvitationID
		w.Exec(`update invitation set expires_at = clock_timestamp() - interval '181 days' where id = $1`, id.UUID)
		var results []*invitation.InviteResult
		var err error
		r.Run(
			func() { results, err = w.tryInvite("ada", "Group 1", tenant.Viewer, email) },
			func() {
				if _, err := invitation.DeleteEnded(t.Context(), w.DB, retention); err != nil {
					t.Error(err)
				}
			})
		if err != nil || results[0].Outcome != invitation.Invited {
			t.Fatalf("trial %d: %v, %v", i, results, err)
		}
		if n := w.Number(`select count(*) from invitation where email = $1`, email); n != 1 {
			t.Fatalf("trial %d: %d invitations", i, n)
		}
		r.Record(results[0].InvitationID == id) // renewed before it could be deleted
	}
	r.End(t)
}

// What is due is found by an index, and each run deletes a bounded number of rows.
func TestDeleteEndedIsBoundedAndUsesIndexes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(`
		insert into invitation (id, instance_id, email, email_key, role, status, token_hash, invited_by, expires_at, ended_at)
		select gen_random_uuid(), $1, n || '@new.example', n || '@new.example', 'VIEWER', case when n <= 700 then 'DECLINED' else 'PENDING' end,
		       sha256(n::text::bytea), $2, clock_timestamp() - interval '200 days', case when n <= 700 then clock_timestamp() - interval '190 days' end
		from generate_series(1, 1400) n`, w.Instance("Group 1").UUID, w.User("ada").ID.UUID)
	for _, want := range []int64{1000, 400, 0} {
		if n := w.deleteEnded(); n != want {
			t.Errorf("%d deleted, want %d", n, want)
		}
	}
	w.Exec(`
		insert into invitation (id, instance_id, email, email_key, role, status, token_hash, invited_by, expires_at)
		select gen_random_uuid(), $1, n || '@new.example', n || '@new.example', 'VIEWER', case when n <= 10000 then 'DECLINED' else 'PENDING' end,
		       sha256(n::text::bytea), $2, clock_timestamp() + interval '20 days' from generate_series(1, 20000) n`,
		w.Instance("Group 1").UUID, w.User("ada").ID.UUID)
	w.Exec(`analyze invitation`)
	for _, query := range []string{
		`select id from invitation where status <> 'PENDING' and coalesce(ended_at, expires_at) <= statement_timestamp() - interval '180 days'
		 order by coalesce(ended_at, expires_at) limit 500`,
		`select id from invitation where status = 'PENDING' and expires_at <= statement_timestamp() - interval '180 days' order by expires_at limit 500`,
	} {
		if plan := strings.Join(w.Lines(`explain `+query), "\n"); !strings.Contains(plan, "Index Scan") || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s:\n%s", query, plan)
		}
	}
}
