package event

import (
	"context"
	"sync"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
)

// backlog is the number of updates that wait for one watch at most.
const backlog = 20_000

// Watch is one person's subscription to a place.
type Watch struct {
	feed  *Feed
	actor access.Actor
	place globalid.ID
	rule  access.Rule
	topic string

	mu      sync.Mutex
	waiting [][]*Update
	size    int           // of waiting, in updates
	dropped bool          // the actor may no longer watch
	lagged  bool          // it missed events
	ready   chan struct{} // wakes Next
	ended   chan struct{} // closed when dropped
}

// Close ends the subscription.
func (w *Watch) Close() {
	w.feed.remove(w)
}

// Ended is closed where the actor may not watch any more.
func (w *Watch) Ended() <-chan struct{} { return w.ended }

// Next waits for updates and returns them, at most 100 at once. It returns none where
// the actor may not watch any more. It fails when the context ends, or with UNAVAILABLE
// where the caller does not keep up.
func (w *Watch) Next(ctx context.Context) ([]*Update, error) {
	for {
		w.mu.Lock()
		updates, dropped, lagged := w.dequeue(), w.dropped, w.lagged
		w.mu.Unlock()
		switch {
		case lagged:
			return nil, &fault.Fault{
				Code:    fault.Unavailable,
				Message: "There were more changes than could be delivered. You may have missed some.",
				Remedy:  "Subscribe again, and then query the current state.",
			}
		case dropped || len(updates) > 0:
			return updates, nil
		}
		select {
		case <-w.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dequeue removes and returns the first portion that waits.
func (w *Watch) dequeue() (updates []*Update) {
	if len(w.waiting) == 0 {
		return nil
	}
	updates, w.waiting = w.waiting[0], w.waiting[1:]
	w.size -= len(updates)
	return updates
}

// enqueue adds portions. It marks the watch as lagged where too many updates wait.
func (w *Watch) enqueue(portions [][]*Update) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, updates := range portions {
		w.waiting = append(w.waiting, updates)
		w.size += len(updates)
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
