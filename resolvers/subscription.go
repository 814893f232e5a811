package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/event"
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
	return stream(ctx, watch), nil
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
	return stream(ctx, watch), nil
}

// watch is a source of changes.
type watch[E any] interface {
	// Next waits for updates. It fails when the watch has ended.
	Next(context.Context) ([]*event.Update, error)
	// Read returns the change of an update of the latest Next; nil where there is none for
	// this person.
	Read(context.Context, *event.Update) (*E, error)
	// Ended is closed when Next is about to fail.
	Ended() <-chan struct{}
	Close()
}

// batchSize is the number of octets from which on a subscription's responses are sent
// before the next change is looked at.
const batchSize = 64 << 10

// Changes are the changes that a subscription responds to. gqlgen has no way for a
// subscription to return an error, nor to respond without executing its document.
type Changes struct{ source source }

type source interface {
	next(ctx context.Context, execute func() (response []byte, failed bool)) ([][]byte, error)
	ended() <-chan struct{}
	close()
}

type changesKey struct{}

// WithChanges returns a context for a subscription, and its changes.
func WithChanges(ctx context.Context) (context.Context, *Changes) {
	c := &Changes{}
	return context.WithValue(ctx, changesKey{}, c), c
}

// Started reports whether the subscription has started, once it was dispatched.
func (c *Changes) Started() bool { return c.source != nil }

// Next waits for changes, and returns the response to each. execute executes the
// document for the next change that gqlgen gets; what it returns is shared with the
// subscriptions that respond alike, unless it failed. Next fails when the subscription
// has ended.
func (c *Changes) Next(ctx context.Context, execute func() (response []byte, failed bool)) ([][]byte, error) {
	return c.source.next(ctx, execute)
}

// Ended is closed when nothing may be sent any more: Next is about to fail.
func (c *Changes) Ended() <-chan struct{} { return c.source.ended() }

// Close ends the subscription.
func (c *Changes) Close() { c.source.close() }

// changes gives gqlgen the changes of a watch, one by one.
type changes[E any] struct {
	watch[E]
	events chan *E   // has room for the change that is executed next
	key    *alikeKey // of the subscriptions that respond alike; nil: the responses depend on the person
	left   []*event.Update
}

// stream starts to give gqlgen the changes of a watch.
func stream[E any](ctx context.Context, w watch[E]) <-chan *E {
	c := &changes[E]{watch: w, events: make(chan *E, 1), key: alike(ctx)}
	if holder, ok := ctx.Value(changesKey{}).(*Changes); ok {
		holder.source = c
	}
	return c.events
}

func (c *changes[E]) ended() <-chan struct{} { return c.Ended() }

func (c *changes[E]) close() {
	c.Close()
	close(c.events)
}

func (c *changes[E]) next(ctx context.Context, execute func() ([]byte, bool)) (responses [][]byte, err error) {
	if len(c.left) == 0 {
		if c.left, err = c.Next(ctx); err != nil {
			return nil, err
		}
	}
	for size := 0; len(c.left) > 0 && size < batchSize; c.left = c.left[1:] {
		select {
		case <-c.Ended(): // nothing is sent after the person lost the role
			c.left = nil
			return nil, nil
		case <-ctx.Done(): // gqlgen takes no more changes
			return nil, ctx.Err()
		default:
		}
		response, err := c.respond(ctx, c.left[0], execute)
		if err != nil {
			return nil, err
		}
		if response != nil {
			responses = append(responses, response)
			size += len(response)
		}
	}
	return responses, nil
}

// respond returns the response to an update; nil where there is none for this person.
func (c *changes[E]) respond(ctx context.Context, u *event.Update, execute func() ([]byte, bool)) (response []byte, err error) {
	var readErr error
	encode := func() ([]byte, bool) {
		change, err := c.Read(ctx, u)
		if err != nil || change == nil {
			readErr = err
			return nil, err == nil
		}
		c.events <- change
		response, failed := execute()
		return response, !failed
	}
	if c.key == nil {
		response, _ = encode()
	} else {
		response, err = u.Encoded(ctx, *c.key, encode)
	}
	if readErr != nil {
		return nil, readErr
	}
	return response, err
}
