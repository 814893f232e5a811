package invitation

import (
	"context"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Change says what happened to an invitation. The database's triggers use the same
// names. ChangeExpired is none of theirs: see ExpiredEvents.
type Change string

// The changes.
const (
	ChangeCreated     Change = "CREATED"
	ChangeRoleChanged Change = "ROLE_CHANGED"
	ChangeRenewed     Change = "RENEWED"
	ChangeSent        Change = "SENT"
	ChangeDelayed     Change = "DELAYED"
	ChangeFailed      Change = "FAILED"
	ChangeUncertain   Change = "UNCERTAIN"
	ChangeAccepted    Change = "ACCEPTED"
	ChangeDeclined    Change = "DECLINED"
	ChangeRevoked     Change = "REVOKED"
	ChangeExpired     Change = "EXPIRED"
)

// Changes are all changes.
var Changes = []Change{ChangeCreated, ChangeRoleChanged, ChangeRenewed, ChangeSent, ChangeDelayed, ChangeFailed, ChangeUncertain,
	ChangeAccepted, ChangeDeclined, ChangeRevoked, ChangeExpired}

// Event is a change of an invitation.
type Event struct {
	Invitation *Invitation // as it is now
	Change     Change
	At         time.Time
}

// topic is the name of changes of invitations in the table event.
const topic = "INVITATION"

// Subscription reports the changes of the invitations to an instance. One goroutine uses
// it.
type Subscription struct {
	service  *Service
	watch    *event.Watch
	actor    access.Actor
	instance globalid.ID
	seen     *tenant.Instance // as the actor saw it with the latest updates; nil before Read
}

// Watch subscribes to the changes of the invitations to an instance. It fails with
// NOT_FOUND or FORBIDDEN.
func (s *Service) Watch(ctx context.Context, actor access.Actor, instance globalid.ID) (*Subscription, error) {
	w := &Subscription{service: s, actor: actor, instance: instance}
	if _, err := w.checkRole(ctx); err != nil {
		return nil, err
	}
	var err error
	w.watch, err = s.Events.Watch(ctx, actor, instance, access.InvitationChanged, topic)
	return w, err
}

// Close ends the subscription.
func (w *Subscription) Close() { w.watch.Close() }

// Ended returns a channel that is closed when the actor may not watch any more. Next
// then returns the reason.
func (w *Subscription) Ended() <-chan struct{} { return w.watch.Ended() }

// checkRole checks that the actor may watch, and reads the instance.
func (w *Subscription) checkRole(ctx context.Context) (*tenant.Instance, error) {
	i, err := tenant.FindInstance(ctx, w.service.DB, w.actor, w.instance)
	if err != nil {
		return nil, err
	}
	return i, access.CheckRole(ctx, w.service.DB, i, access.InvitationChanged)
}

// Next waits for updates of invitations. It fails with NOT_FOUND or FORBIDDEN where the
// actor may not watch any more, with UNAVAILABLE where they may have missed changes, and
// when the context ends.
func (w *Subscription) Next(ctx context.Context) ([]*event.Update, error) {
	updates, err := w.watch.Next(ctx)
	if len(updates) > 0 || err != nil {
		w.seen = nil
		return updates, err
	}
	if _, err := w.checkRole(ctx); err != nil {
		return nil, err
	}
	return nil, &fault.Fault{
		Code:    fault.Unavailable,
		Message: "You did not have the role for a moment, and may have missed changes.",
		Remedy:  "Subscribe again.",
	}
}

// Read returns an update of the latest Next with the invitation as it is now; nil where
// it was deleted since. It fails with NOT_FOUND or FORBIDDEN where the actor may not watch
// any more.
func (w *Subscription) Read(ctx context.Context, u *event.Update) (*Event, error) {
	if w.seen == nil {
		var err error
		if w.seen, err = w.checkRole(ctx); err != nil {
			return nil, err
		}
	}
	v, found, err := event.Read(ctx, u, globalid.Invitation, func(ctx context.Context, ids []globalid.ID) (map[globalid.ID]*Invitation, error) {
		return findInvitations(ctx, w.service.DB, ids)
	})
	if !found || err != nil {
		return nil, err
	}
	return &Event{v.WithPlace(w.seen), Change(u.Change), u.At}, nil
}

// ExpiredEvents returns an event for each invitation to some instances that expired
// after one time, and at another one at the latest. No trigger does: the database
// does not change when an invitation expires.
func ExpiredEvents(ctx context.Context, q postgres.Querier, instances []globalid.ID, after, upTo time.Time) (events []event.Event, err error) {
	var rows []struct {
		ID         uuid.UUID `db:"id"`
		InstanceID uuid.UUID `db:"instance_id"`
		ExpiresAt  time.Time `db:"expires_at"`
	}
	err = q.Select(ctx, &rows, `
		select id, instance_id, expires_at from invitation
		where status = 'PENDING' and expired in (false, true) and expires_at > $2 and expires_at <= $3 and instance_id = any ($1::uuid[])
		order by expires_at, id`, postgres.IDs(instances), after, upTo)
	for _, r := range rows {
		events = append(events, event.Event{
			Topic: topic, Place: r.InstanceID, Change: string(ChangeExpired), Subjects: []uuid.UUID{r.ID}, At: r.ExpiresAt})
	}
	return events, err
}
