package resolvers

import (
	"context"
	"errors"
	"sync/atomic"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/request"
)

type subscription struct{ *Root }

var _ graph.SubscriptionResolver = subscription{}

func (s subscription) InvitationChanged(ctx context.Context, instanceID globalid.ID) (<-chan *invitation.Event, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	watch, err := s.Invitations.Watch(ctx, a, instanceID)
	if err != nil {
		return nil, err
	}
	return stream(ctx, s.Root, watch), nil
}

func (s subscription) RequestChanged(ctx context.Context) (<-chan *request.Event, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	watch, err := s.Requests.Watch(ctx, a)
	if err != nil {
		return nil, err
	}
	return stream(ctx, s.Root, watch), nil
}

// watch is a source of changes.
type watch[E any] interface {
	// Next waits for changes. It fails when the watch has ended.
	Next(context.Context) ([]E, error)
	// Ended is closed when Next is about to fail.
	Ended() <-chan struct{}
	Close()
}

// stream sends the changes of a watch, until that or the context ends.
func stream[E any](ctx context.Context, root *Root, w watch[E]) <-chan E {
	events := make(chan E)
	go func() {
		defer close(events)
		defer w.Close()
		defer func() {
			if p := recover(); p != nil {
				end(ctx, root.Recover(ctx, p))
			}
		}()
		for {
			changes, err := w.Next(ctx)
			if err != nil {
				end(ctx, err)
				return
			}
			if !send(ctx, events, changes, w.Ended()) {
				return
			}
		}
	}()
	return events
}

// send sends changes one by one, until the watch has ended: nothing is sent after
// the person lost the role. It reports whether the stream goes on, to the next
// changes or to the error of the watch.
func send[E any](ctx context.Context, events chan<- E, changes []E, ended <-chan struct{}) bool {
	for _, change := range changes {
		select {
		case <-ended:
			return true
		default:
		}
		select {
		case events <- change:
		case <-ended:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// Ending holds the error that ended a subscription. gqlgen has no way for a
// subscription to return one.
type Ending struct{ err atomic.Pointer[error] }

type endingKey struct{}

// WithEnding returns a context for a subscription, and its ending.
func WithEnding(ctx context.Context) (context.Context, *Ending) {
	e := &Ending{}
	return context.WithValue(ctx, endingKey{}, e), e
}

// Err returns the error that ended the subscription; nil where its context ended.
// Call it after the last response.
func (e *Ending) Err() error {
	if err := e.err.Load(); err != nil {
		return *err
	}
	return nil
}

func end(ctx context.Context, err error) {
	if e, ok := ctx.Value(endingKey{}).(*Ending); ok && !errors.Is(err, context.Canceled) {
		e.err.Store(&err)
	}
}
