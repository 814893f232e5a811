package resolvers

import (
	"context"
	"errors"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/event"
)

// endless is a watch with two updates at once, each of which is a change.
type endless struct{}

func (endless) Next(context.Context) ([]*event.Update, error) { return make([]*event.Update, 2), nil }
func (endless) Read(context.Context, *event.Update) (*string, error) {
	return new("change"), nil
}
func (endless) Ended() <-chan struct{} { return nil }
func (endless) Close()                 {}

// gqlgen does not take the change whose client has gone: the subscription ends, and does
// not wait to hand on the next one.
func TestSubscriptionEndsAmidItsChanges(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := &changes[string]{watch: endless{}, events: make(chan *string, 1)}
	executed := 0
	responses, err := c.next(ctx, func() ([]byte, bool) {
		executed++
		cancel()
		return nil, true
	})
	if executed != 1 || responses != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("executed %d times, %d responses, %v", executed, len(responses), err)
	}
}
