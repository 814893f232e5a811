package graphqlserver

import (
	"context"
	"errors"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// running is an operation of a connection.
type running struct {
	id           string
	cancel       context.CancelFunc
	subscription bool
}

// subscribe starts the operation of a message. It returns a channel that is
// closed when the operation has started. Operations start one after the other:
// a client that subscribes and then queries the current state misses no change.
func (c *connection) subscribe(person context.Context, m message, previous chan struct{}) (chan struct{}, error) {
	if f := c.checkValues(m.Payload); f != nil {
		return previous, c.sendErrors(person, m.ID, gqlerror.List{c.Present(person, f)})
	}
	var r request
	if m.ID == "" || len(m.ID) > maxIDLength || decode(m.Payload, &r) != nil || !r.complete() {
		return previous, errInvalidMessage
	}
	if f := checkKeys(m.Payload, requestKeys...); f != nil {
		return previous, c.sendErrors(person, m.ID, gqlerror.List{c.Present(person, f)})
	}
	ctx, cancel := context.WithCancel(person)
	run := &running{id: m.ID, cancel: cancel}
	if err := c.add(ctx, run); err != nil {
		cancel()
		if f := (*fault.Fault)(nil); errors.As(err, &f) {
			err = c.sendErrors(ctx, m.ID, gqlerror.List{c.Present(ctx, f)})
		}
		return previous, err
	}
	started := make(chan struct{})
	c.goroutines.Go(func() {
		defer func() { <-c.slots }()
		defer cancel()
		defer c.recoverPanic(ctx, run)
		<-previous
		c.run(ctx, run, r.params(c.header), sync.OnceFunc(func() { close(started) }))
	})
	return started, nil
}

// run executes an operation, and sends its responses. It calls started when the
// operation has started or failed. An error of sending is ignored: the goroutine
// that receives meets it too.
func (c *connection) run(ctx context.Context, run *running, params *graphql.RawParams, started func()) {
	defer started()
	ctx, done := c.Observe(graphql.StartOperationTrace(ctx))
	defer done()
	operation, release, errs := c.prepare(ctx, c.exec, params)
	defer release()
	if errs != nil {
		errs = c.exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs).Errors
		if c.remove(run) {
			_ = c.sendErrors(ctx, run.id, errs)
		}
		return
	}
	if !c.confirm(run, operation) {
		return
	}
	x := c.execute(ctx, c.exec, operation)
	if run.subscription {
		<-x.started
	}
	started()
	for responses := range x.responses {
		for _, response := range responses {
			if ctx.Err() == nil { // the client still listens
				_ = c.send(ctx, message{ID: run.id, Type: "next", Payload: response})
			}
		}
	}
	if !c.remove(run) {
		return
	}
	if err := x.ending(); err != nil {
		_ = c.sendErrors(ctx, run.id, gqlerror.List{c.Present(graphql.WithOperationContext(ctx, operation), err)})
		return
	}
	_ = c.send(ctx, message{ID: run.id, Type: "complete"})
}

// recoverPanic ends an operation that panicked outside of its execution.
func (c *connection) recoverPanic(ctx context.Context, run *running) {
	if p := recover(); p != nil {
		err := c.Recover(ctx, p)
		if c.remove(run) {
			_ = c.sendErrors(ctx, run.id, gqlerror.List{c.Present(ctx, err)})
		}
	}
}

// add registers an operation, and waits for a slot. It fails with RATE_LIMITED
// where the client listens to as many operations as allowed, and with a
// *closeError where the id is in use.
func (c *connection) add(ctx context.Context, run *running) error {
	if err := c.register(run); err != nil {
		return err
	}
	select { // operations that the client completed may take a moment to end
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *connection) register(run *running) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.listeners[run.id] != nil:
		return &closeError{closeIDInUse, "Subscriber for " + run.id + " already exists"}
	case len(c.listeners) >= c.MaxOperations:
		return &fault.Fault{
			Code:    fault.RateLimited,
			Reason:  fault.OperationsByConnection,
			Message: "This connection has too many operations at once.",
			Remedy:  "Complete some of them, or open another connection.",
		}
	}
	c.listeners[run.id] = run
	return nil
}

// confirm records the kind of an operation, and reports whether to execute it.
func (c *connection) confirm(run *running, operation *graphql.OperationContext) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	run.subscription = isSubscription(operation)
	if c.draining {
		c.drop(run)
	}
	return c.listeners[run.id] == run
}

// complete ends the operation that the client completes.
func (c *connection) complete(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if run := c.listeners[id]; run != nil {
		c.drop(run)
	}
}

// drop ends an operation, of which the client gets no further message. It
// requires c.mu.
func (c *connection) drop(run *running) {
	run.cancel()
	delete(c.listeners, run.id)
}

// remove removes an operation that has ended, and reports whether the client
// waits for its end.
func (c *connection) remove(run *running) (listening bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listeners[run.id] != run {
		return false
	}
	delete(c.listeners, run.id)
	return true
}
