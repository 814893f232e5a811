package request

import (
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Change is what has changed about a request: it was made, or it ended with a
// status.
type Change string

// Created is the change of a new request. All others are named by a status.
const Created Change = "CREATED"

// Changes are all changes.
var Changes = []Change{Created, Change(Approved), Change(Declined), Change(Withdrawn), Change(Expired)}

// Event is a change of a request.
type Event struct {
	Request *Request // as it is now
	Change  Change
	At      time.Time
}

// topic is what the triggers of the table request write into event.topic.
const topic = "REQUEST"

// Subscription receives the changes of the requests that a person made or can
// answer.
type Subscription struct {
	service *Service
	watch   *event.Watch
	actor   access.Actor
}

// Watch starts to receive every change of a request that the actor made or can
// answer. It fails with RATE_LIMITED.
func (s *Service) Watch(ctx context.Context, actor access.Actor) (*Subscription, error) {
	w, err := s.Events.WatchOwn(ctx, actor, topic)
	if err != nil {
		return nil, err
	}
	return &Subscription{s, w, actor}, nil
}

// Close ends the subscription.
func (s *Subscription) Close() { s.watch.Close() }

// Ended is never closed: people may always watch their own requests.
func (s *Subscription) Ended() <-chan struct{} { return s.watch.Ended() }

// Next waits for updates of requests. It fails when the context ends, and with
// UNAVAILABLE where the actor has fallen behind.
func (s *Subscription) Next(ctx context.Context) ([]*event.Update, error) { return s.watch.Next(ctx) }

// Read returns an update of the latest Next with the request as it is now; nil where the
// actor may not know of it any more. All watches of the updates are this person's.
func (s *Subscription) Read(ctx context.Context, u *event.Update) (*Event, error) {
	r, found, err := event.Read(ctx, u, globalid.Request, func(ctx context.Context, ids []globalid.ID) (map[globalid.ID]*Request, error) {
		return s.service.findVisible(ctx, s.actor, ids)
	})
	if !found || err != nil {
		return nil, err
	}
	return &Event{r, Change(u.Change), u.At}, nil
}

// findVisible reads those of some requests that the actor made or can answer now.
func (s *Service) findVisible(ctx context.Context, actor access.Actor, ids []globalid.ID) (map[globalid.ID]*Request, error) {
	var rows []row
	if err := s.DB.Select(ctx, &rows, `
		select `+columns+` from request r `+tables+`
		where r.id = any ($2::uuid[]) and (r.requested_by = $1 or `+canAnswer(`$1`)+`)`, actor.ID.UUID, postgres.IDs(ids)); err != nil {
		return nil, err
	}
	byID := make(map[globalid.ID]*Request, len(rows))
	for _, r := range requestsOf(rows) {
		byID[r.ID] = r
	}
	return byID, nil
}
