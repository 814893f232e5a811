package invitation_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// reportTime is how long something that is certain to happen may take, on a busy
// machine.
const reportTime = 2 * time.Minute

// watch starts the feed, and subscribes Ada to Group 1.
func (w *world) watch() *invitation.Subscription {
	w.t.Helper()
	w.runEvents()
	subscription, err := w.Invitations.Watch(w.t.Context(), w.User("ada"), w.Instance("Group 1"))
	w.must(err)
	w.t.Cleanup(subscription.Close)
	return subscription
}

// runEvents runs the feed until the end of the test.
func (w *world) runEvents() {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { w.Events.Run(ctx) })
	w.t.Cleanup(func() { stop(); running.Wait() })
}

// next returns the next n changes.
func (w *world) next(s *invitation.Subscription, n int) (events []*invitation.Event) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), reportTime)
	defer cancel()
	for len(events) < n {
		updates, err := s.Next(ctx)
		w.must(err)
		for _, u := range updates {
			e, err := s.Read(ctx, u)
			w.must(err)
			if e != nil {
				events = append(events, e)
			}
		}
	}
	return events
}

func TestWatchReportsEveryChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription := w.watch()
	id := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	w.invite("Master", tenant.Viewer, "elsewhere@new.example")
	want := func(change invitation.Change, status invitation.Status) {
		t.Helper()
		e := w.next(subscription, 1)[0]
		if e.Change != change || e.Invitation.ID != id || e.Invitation.Status != status || e.At.IsZero() {
			t.Fatalf("%s of %+v; want %s", e.Change, e.Invitation, change)
		}
		if place, err := e.Invitation.Place(t.Context(), w.DB, w.User("ada")); place == nil || err != nil {
			t.Errorf("the invitation is without its place: %v", err)
		}
	}
	want(invitation.ChangeCreated, invitation.Pending)
	w.invite("Group 1", tenant.Editor, "zoe@new.example")
	want(invitation.ChangeRoleChanged, invitation.Pending)
	w.Mails()
	want(invitation.ChangeSent, invitation.Pending)
	w.resend(id)
	want(invitation.ChangeRenewed, invitation.Pending)
	_, err := w.accept("zoe@new.example", id)
	w.must(err)
	want(invitation.ChangeAccepted, invitation.Accepted)

	id = w.invite("Group 1", tenant.Viewer, "bob@new.example")[0].InvitationID
	want(invitation.ChangeCreated, invitation.Pending)
	_, err = w.Invitations.Decline(t.Context(), w.User("bob@new.example"), invitation.AnswerInput{InvitationID: &id})
	w.must(err)
	want(invitation.ChangeDeclined, invitation.Declined)

	id = w.invite("Group 1", tenant.Viewer, "kim@new.example")[0].InvitationID
	want(invitation.ChangeCreated, invitation.Pending)
	w.revoke(id)
	want(invitation.ChangeRevoked, invitation.Revoked)
}

// A change of an invitation that was deleted since is left out.
func TestWatchLeavesOutDeletedInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription := w.watch()
	deleted := w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID
	w.Exec(`delete from invitation where id = $1`, deleted.UUID)
	id := w.invite("Group 1", tenant.Viewer, "bob@new.example")[0].InvitationID
	if e := w.next(subscription, 1)[0]; e.Invitation.ID != id {
		t.Errorf("%+v", e.Invitation)
	}
}

func TestWatchIsForAdministrators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for who, code := range map[string]fault.Code{"ed": fault.Forbidden, "mia": fault.Forbidden, "sam": fault.NotFound} {
		_, err := w.Invitations.Watch(t.Context(), w.User(who), w.Instance("Group 1"))
		wantRefused(t, err, code, "")
	}
	_, err := w.Invitations.Watch(t.Context(), w.User("ada"), globalid.New(globalid.Instance))
	wantRefused(t, err, fault.NotFound, "")
}

func TestWatchEndsWithTheRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription := w.watch()
	space := w.Space(testworld.Econometrics)
	w.Grant(w.User("mia"), tenant.SpaceAdministrator, space)
	w.Revoke(w.User("ada"), space)
	ctx, cancel := context.WithTimeout(t.Context(), reportTime)
	defer cancel()
	select {
	case <-subscription.Ended():
	case <-ctx.Done():
		t.Fatal("the subscription has not ended")
	}
	_, err := subscription.Next(ctx)
	wantRefused(t, err, fault.NotFound, "")
	// With the role back, the person does not know what they have missed.
	w.Grant(w.User("ada"), tenant.SpaceAdministrator, space)
	_, err = subscription.Next(ctx)
	wantRefused(t, err, fault.Unavailable, "")
}

func TestWatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subscription := w.watch()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := subscription.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestExpiredEventsAreOfOnePeriod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, master := w.Instance("Group 1"), w.Instance("Master")
	invited := w.invite("Group 1", tenant.Viewer, "first@new.example", "second@new.example", "later@new.example", "revoked@new.example")
	w.invite("Master", tenant.Viewer, "elsewhere@new.example")
	w.revoke(invited[3].InvitationID)
	after := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for i, at := range []time.Duration{time.Second, time.Minute, time.Minute + time.Microsecond, time.Second} {
		w.Exec(`update invitation set expires_at = $2 where id = $1`, invited[i].InvitationID.UUID, after.Add(at))
	}
	events, err := invitation.ExpiredEvents(t.Context(), w.DB, []globalid.ID{group1, master}, after, after.Add(time.Minute))
	w.must(err)
	if len(events) != 2 {
		t.Fatalf("%+v", events)
	}
	for i, e := range events {
		if e.Place != group1.UUID || e.Change != "EXPIRED" || e.Subjects[0] != invited[i].InvitationID.UUID || !e.At.Equal(after.Add([]time.Duration{time.Second, time.Minute}[i])) {
			t.Errorf("%+v", e)
		}
	}
	events, err = invitation.ExpiredEvents(t.Context(), w.DB, []globalid.ID{group1}, after.Add(time.Minute), after.Add(time.Minute))
	if len(events) > 0 || err != nil {
		t.Errorf("an empty period: %v, %v", events, err)
	}
}
