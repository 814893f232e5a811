package invitation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Each case changes something after the place was read and before the people are
// invited: what is true under the locks counts.
func TestInviteDecidesAgainUnderItsLocks(t *testing.T) {
	t.Parallel()
	const zoe, kim = "zoe@new.example", "kim@new.example"
	both := []invitation.InviteOutcome{invitation.Invited, invitation.Invited}
	for name, c := range map[string]struct {
		change   func(w *world)
		code     fault.Code // "": everybody gets an outcome
		outcomes []invitation.InviteOutcome
		mails    int
		trail    string // of the request, about Group 1
	}{
		"nothing":            {func(*world) {}, "", both, 2, "Ada INVITATION_SENT Group 1"},
		"the role has ended": {func(w *world) { w.Revoke(w.User("ada"), w.Space(testworld.Econometrics)) }, fault.NotFound, nil, 0, ""},
		"another role is left": {func(w *world) {
			w.Grant(w.User("ada"), tenant.InstanceEditor, w.Instance("Group 1"))
			w.Revoke(w.User("ada"), w.Space(testworld.Econometrics))
		}, fault.Forbidden, nil, 0, ""},
		"it is deleted":        {func(w *world) { w.DeleteInstance(w.Instance("Group 1"), w.User("ada")) }, fault.InstanceDeleted, nil, 0, ""},
		"it is renamed":        {func(w *world) { w.Exec(`update instance set name = 'New' where name = 'Group 1'`) }, "", both, 2, "Ada INVITATION_SENT New"},
		"the space is renamed": {func(w *world) { w.Exec(`update space set name = 'New' where name = $1`, testworld.Econometrics) }, "", both, 2, "Ada INVITATION_SENT Group 1"},
		"one is a member": {func(w *world) { w.Grant(w.User(zoe), tenant.InstanceViewer, w.Instance("Group 1")) },
			"", []invitation.InviteOutcome{invitation.AlreadyMember, invitation.Invited}, 1, "Ada INVITATION_SENT Group 1"},
		"one administrates": {func(w *world) { w.Grant(w.User(kim), tenant.SpaceAdministrator, w.Space(testworld.Econometrics)) },
			"", []invitation.InviteOutcome{invitation.Invited, invitation.AlreadyMember}, 1, "Ada INVITATION_SENT Group 1"},
		"one refuses invitations": {func(w *world) {
			v := w.invite("Master", tenant.Viewer, zoe)[0]
			_, err := w.Invitations.Refuse(w.t.Context(), nil, invitation.RefuseInvitationsInput{Token: w.secret(v.InvitationID)})
			w.must(err)
			w.Exec(`delete from outbox`)
		}, "", both, 1, "Ada INVITATION_SENT Group 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id, ada := w.Instance("Group 1"), w.User("ada")
			w.Grant(w.User("bea"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics)) // a space has an administrator
			before, err := tenant.FindPlaces(t.Context(), w.DB, ada, []globalid.ID{id})
			w.must(err)
			c.change(w)
			trail := len(w.Trail())
			payload, err := w.Invitations.Invite(access.WithPlaces(t.Context(), before), ada, invitation.InviteUsersInput{
				InstanceID: id, Role: tenant.Viewer, Emails: []string{zoe, kim}, IdempotencyKey: new("once")})
			if c.code != "" {
				wantRefused(t, err, c.code, "")
			} else {
				w.must(err)
				wantEqual(t, "outcomes", c.outcomes, outcomes(payload.Results))
			}
			written := w.Trail()[trail:]
			if want := slices.DeleteFunc([]string{c.trail}, func(s string) bool { return s == "" }); !slices.Equal(written, want) {
				t.Errorf("trail: %q; want %q", written, want)
			}
			if n := w.Number(`select count(*) from outbox`); n != c.mails {
				t.Errorf("%d mails; want %d", n, c.mails)
			}
			keys := 1
			if c.code != "" {
				keys = 0
			}
			if n := w.Number(`select count(*) from idempotency_key`); n != keys {
				t.Errorf("%d keys", n)
			}
		})
	}
}

// An address that is invited writes few records of the write-ahead log: the rows of the
// invitation, its mail and the counter of its mailbox, and their entries in indexes.
func TestInviteWritesFewRecords(t *testing.T) {
	t.Parallel()
	const most, addresses = 16, 200
	w := newWorld(t)
	in := invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer}
	for i := range addresses {
		in.Emails = append(in.Emails, fmt.Sprintf("p%d@new.example", i))
	}
	var account []byte
	w.must(w.DB.InTx(t.Context(), func(tx *postgres.Tx) (err error) {
		account, err = w.Invitations.ExplainInvite(t.Context(), tx, w.User("ada"), in)
		return err
	}))
	var explained []struct {
		Plan struct {
			Records int `json:"WAL Records"`
			Octets  int `json:"WAL Bytes"`
		}
	}
	w.must(json.Unmarshal(account, &explained))
	p := explained[0].Plan
	t.Logf("%.1f records, %d octets for an address", float64(p.Records)/addresses, p.Octets/addresses)
	if n := w.Number(`select count(*) from invitation`); n != addresses {
		t.Errorf("%d invitations", n)
	}
	if p.Records == 0 || p.Records > most*addresses {
		t.Errorf("%d records for %d addresses; at most %d each", p.Records, addresses, most)
	}
}

// A gateway that works on the outbox attempts the mails of its own requests without a
// claim: their rows are written as if they were claimed.
func TestMailsOfOwnRequestsAreNotClaimed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type attempt struct{ job, lease, subject uuid.UUID }
	attempts, able := make(chan attempt, 10), make(chan struct{}, 1)
	w.Invitations.Outbox.PollInterval = 10 * time.Millisecond
	w.Invitations.Outbox.Await = func(context.Context) {
		select {
		case able <- struct{}{}:
		default:
		}
	}
	w.Invitations.Outbox.Work = func(_ context.Context, jobs []outbox.Job, report func(int, error)) {
		for i, job := range jobs {
			if token := tokenOf(w, job.Subject); token != job.Secret {
				t.Errorf("the mail has the secret %q, and its row %q", job.Secret, token)
			}
			attempts <- attempt{job.ID, job.Lease, job.Subject}
			report(i, nil)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Invitations.Outbox.Run(ctx) })
	defer running.Wait()
	defer stop()
	for range 5 { // one more than workers: one of them has been able to work
		<-able
	}
	zoe := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	if a := <-attempts; a.subject != zoe.UUID || a.lease != a.job {
		t.Errorf("%+v", a)
	}
	// With a member among them, a transaction enqueues the mail, which is due.
	kim := w.invite("Group 1", tenant.Viewer, "kim@new.example", "ed@uni.example")[0].InvitationID
	if a := <-attempts; a.subject != kim.UUID || a.lease == a.job {
		t.Errorf("%+v", a)
	}
}

func tokenOf(w *world, invitation uuid.UUID) string {
	return w.Text(`select secret from outbox where subject_id = $1`, invitation)
}
