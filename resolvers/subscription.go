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
	watching, err := s.Invitations.Watch(ctx, a, instanceID)
	if err != nil {
		return nil, err
	}
	return follow(ctx, s.Root, watching), nil
}

func (s subscription) RequestChanged(ctx context.Context) (<-chan *request.Event, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	watching, err := s.Requests.Watch(ctx, a)
	if err != nil {
		return nil, err
	}
	return follow(ctx, s.Root, watching), nil
}

// watching tells of changes.
type watching[E any] interface {
	Next(context.Context) ([]E, error)
	Ended() <-chan struct{} // closed where Next is to say why
	Close()
}

// follow tells what somebody watches, until it or the context ends.
func follow[E any](ctx context.Context, root *Root, w watching[E]) <-chan E {
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
			if !tell(ctx, events, changes, w.Ended()) {
				return
			}
		}
	}()
	return events
}

// tell tells changes one by one, until the watching has ended. It reports
// whether there is more to say.
func tell[E any](ctx context.Context, events chan<- E, changes []E, ended <-chan struct{}) bool {
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

// Ending is why a subscription ended, where that was not the end of its
// context.
type Ending struct{ err atomic.Pointer[error] }

type endingKey struct{}

// WithEnding gives a context in which a subscription can say why it ended. That
// can be read when nothing more comes of it.
func WithEnding(ctx context.Context) (context.Context, *Ending) {
	e := &Ending{}
	return context.WithValue(ctx, endingKey{}, e), e
}

// Err is why the subscription ended; nil where its watcher need not be told.
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
