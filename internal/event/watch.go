package event

import (
	"context"
	"sync"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
)

const (
	backlog = 20_000 // subjects that wait for one watch at most
	portion = 100    // subjects that Next returns at most
)

// Watch is one person's subscription to a place.
type Watch struct {
	feed  *Feed
	actor access.Actor
	place globalid.ID
	rule  access.Rule
	topic string

	mu      sync.Mutex
	waiting []Event
	size    int           // of waiting, in subjects
	dropped bool          // the actor may no longer watch
	lagged  bool          // it missed events
	ready   chan struct{} // wakes Next
	ended   chan struct{} // closed when dropped
}

// Close ends the subscription.
func (w *Watch) Close() {
	w.feed.mu.Lock()
	defer w.feed.mu.Unlock()
	delete(w.feed.watches, w)
}

// Ended is closed where the actor may not watch any more.
func (w *Watch) Ended() <-chan struct{} { return w.ended }

// Next waits for events and returns them, at most 100 subjects at once. It returns
// none where the actor may not watch any more. It fails when the context ends, or
// with UNAVAILABLE where the caller does not keep up.
func (w *Watch) Next(ctx context.Context) ([]Event, error) {
	for {
		w.mu.Lock()
		events, dropped, lagged := w.dequeue(), w.dropped, w.lagged
		w.mu.Unlock()
		switch {
		case lagged:
			return nil, &fault.Fault{
				Code:    fault.Unavailable,
				Message: "There were more changes than could be delivered. You may have missed some.",
				Remedy:  "Subscribe again, and then query the current state.",
			}
		case dropped || len(events) > 0:
			return events, nil
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dequeue removes and returns a portion of the waiting events.
func (w *Watch) dequeue() (events []Event) {
	for room := portion; room > 0 && len(w.waiting) > 0; {
		e := w.waiting[0]
		if len(e.Subjects) > room {
			w.waiting[0].Subjects, e.Subjects = e.Subjects[room:], e.Subjects[:room]
		} else {
			w.waiting = w.waiting[1:]
		}
		w.size -= len(e.Subjects)
		room -= max(1, len(e.Subjects))
		events = append(events, e)
	}
	return events
}

// enqueue adds those of some events that the watch is about. It marks the watch as
// lagged where too many wait.
func (w *Watch) enqueue(events []Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		if e.Topic == w.topic && e.Place == w.place.UUID {
			w.waiting = append(w.waiting, e)
			w.size += len(e.Subjects)
		}
	}
	if w.size > backlog {
		w.waiting, w.size, w.lagged = nil, 0, true
	}
	w.wake()
}

// markLagged records that the watch has missed events.
func (w *Watch) markLagged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.size, w.lagged = nil, 0, true
	w.wake()
}

// drop ends the watch, because its actor may no longer watch.
func (w *Watch) drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.size, w.dropped = nil, 0, true
	close(w.ended)
	w.wake()
}

// wake wakes Next where it has something to return.
func (w *Watch) wake() {
	if len(w.waiting) == 0 && !w.dropped && !w.lagged {
		return
	}
	select {
	case w.ready <- struct{}{}:
	default:
	}
}
