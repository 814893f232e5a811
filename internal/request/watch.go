package request

import (
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Change is what has changed about a request.
type Change string

// The changes: a request is made, or ends with a status.
const Created Change = "CREATED"

// Changes are all of them.
var Changes = []Change{Created, Change(Approved), Change(Declined), Change(Withdrawn), Change(Expired)}

// Event is a change of a request.
type Event struct {
	Request *Request // as it is now
	Change  Change
	At      time.Time
}

// topic is the table event's name for changes of requests.
const topic = "REQUEST"

// Subscription tells of the changes of the requests that somebody has made, or can
// answer.
type Subscription struct {
	service *Service
	watch   *event.Watch
	actor   access.Actor
}

// Watch begins to tell of every change of a request that the actor has made, or
// can answer. It fails with RATE_LIMITED.
func (s *Service) Watch(ctx context.Context, actor access.Actor) (*Subscription, error) {
	w, err := s.Events.WatchOwn(ctx, actor, topic)
	if err != nil {
		return nil, err
	}
	return &Subscription{s, w, actor}, nil
}

// Close ends the watching.
func (w *Subscription) Close() { w.watch.Close() }

// Ended is never closed: what concerns oneself can always be watched.
func (w *Subscription) Ended() <-chan struct{} { return w.watch.Ended() }

// Next waits for changes. It fails with UNAVAILABLE where the actor does not
// keep up, and when the context ends.
func (w *Subscription) Next(ctx context.Context) ([]*Event, error) {
	for {
		changes, err := w.watch.Next(ctx)
		if err != nil {
			return nil, err
		}
		seen := func(ids []globalid.ID) (map[globalid.ID]*Request, error) { return w.service.seen(ctx, w.actor, ids) }
		events, err := event.Publish(changes, globalid.Request, seen, func(r *Request, c event.Event) *Event {
			return &Event{r, Change(c.Change), c.At}
		})
		if len(events) > 0 || err != nil {
			return events, err
		}
	}
}

// seen reads those of some requests that the actor may see now.
func (s *Service) seen(ctx context.Context, actor access.Actor, ids []globalid.ID) (map[globalid.ID]*Request, error) {
	var rows []row
	if err := s.DB.Select(ctx, &rows, `
		select `+columns+` from request r `+tables+`
		where r.id = any ($2::uuid[]) and (r.requested_by = $1 or `+canAnswer(`$1`)+`)`, actor.ID.UUID, postgres.IDs(ids)); err != nil {
		return nil, err
	}
	found := make(map[globalid.ID]*Request, len(rows))
	for _, r := range together(rows) {
		found[r.ID] = r
	}
	return found, nil
}
