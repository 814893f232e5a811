// Package graphqlserver serves GraphQL over HTTP, with server-sent events for
// subscriptions, and over WebSocket. The specifications are
//
//   - GraphQL over HTTP, the draft of the GraphQL Foundation
//   - the graphql-sse protocol in "distinct connections mode"
//     (github.com/enisdenjo/graphql-sse, PROTOCOL.md)
//   - the graphql-transport-ws protocol (github.com/enisdenjo/graphql-ws,
//     PROTOCOL.md)
//
// It replaces gqlgen's transports. Those for HTTP echo request bodies, ignore
// what follows the JSON in a body, and answer with wrong status codes. The one
// for WebSocket loses operations whose id is used twice, limits neither their
// number nor the time to write to a client, and leaks goroutines.
package graphqlserver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

const (
	// maxErrors is the limit of the errors of an invalid document.
	maxErrors = 20
	// keepAlive is the time after which an idle stream sends a sign of life, so
	// that proxies do not close it.
	keepAlive = 15 * time.Second
	// writeTimeout is the time that a client has to receive one message of a
	// stream.
	writeTimeout = 10 * time.Second
)

// Operations prepares and executes operations. All transports share it.
type Operations struct {
	Schema    *ast.Schema   // of the operations
	Timeout   time.Duration // of a query or a mutation
	MaxValues int           // in the JSON of a request
	Present   graphql.ErrorPresenterFunc
	Recover   graphql.RecoverFunc
	// Admits reports whether the person of the context may start an operation.
	Admits func(context.Context, *ast.OperationDefinition) bool
	// Unauthenticated returns the error for a person who is not signed in.
	Unauthenticated func() *fault.Fault
	// Enter waits until the gateway works on a request that has arrived over HTTP, and
	// returns its context and what ends the work. It fails with RATE_LIMITED.
	Enter func(context.Context) (_ context.Context, leave func(), err error)
	// Acquire takes one of the slots for concurrent operations, and returns what
	// frees it. It fails with RATE_LIMITED.
	Acquire func(context.Context, *graphql.OperationContext) (release func(), err error)
	// OnStart is called before each operation is executed.
	OnStart func(context.Context, *graphql.OperationContext)
	// WithChanges returns the context for a subscription, and the changes that it
	// responds to once it is dispatched.
	WithChanges func(context.Context) (context.Context, Changes)
	// TokenExpiry returns when the person's token expires; zero: never.
	TokenExpiry func(context.Context) time.Time
	// Stopping is closed when the gateway is about to stop. Subscriptions end then.
	Stopping <-chan struct{}
}

// Changes are the changes that a subscription responds to.
type Changes interface {
	// Started reports whether the subscription has started. The other methods may be
	// called only then.
	Started() bool
	// Next waits for changes, and returns the response to each, for which it calls execute
	// or not. It fails when the subscription has ended.
	Next(ctx context.Context, execute func() (response []byte, failed bool)) ([][]byte, error)
	// Ended is closed when nothing may be sent any more: Next is about to fail.
	Ended() <-chan struct{}
	// Close ends the subscription. execute then returns no response.
	Close()
}

// prepare parses and checks an operation, and takes a slot for it, which release
// frees. Where it fails, UNAUTHENTICATED comes before all other errors.
func (o *Operations) prepare(ctx context.Context, exec graphql.GraphExecutor, params *graphql.RawParams) (operation *graphql.OperationContext, release func(), errs gqlerror.List) {
	operation, errs = exec.CreateOperationContext(ctx, params)
	if errs != nil {
		explainVariables(o.Schema, operation.Operation, params.Variables, errs)
		if operation.Operation != nil && !o.Admits(ctx, operation.Operation) {
			errs = gqlerror.List{{Err: o.Unauthenticated()}}
		}
		return operation, func() {}, errs[:min(len(errs), maxErrors)]
	}
	release, err := o.Acquire(ctx, operation)
	if err != nil {
		return operation, func() {}, gqlerror.List{{Err: err}}
	}
	return operation, release, nil
}

// checkValues limits the number of values in the JSON of a request: a value of
// two octets takes many times as much memory once it is decoded. It fails with
// BAD_USER_INPUT.
func (o *Operations) checkValues(text []byte) *fault.Fault {
	if countValues(text) <= o.MaxValues {
		return nil
	}
	return fault.New(fault.BadUserInput, fmt.Sprintf("The request has more than %d values.", o.MaxValues))
}

// countValues returns the number of values in JSON, which need not be valid.
func countValues(text []byte) (n int) {
	quoted, escaped := false, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ',' || c == '[' || c == '{'):
			n++
		}
	}
	return n
}

// execution is an operation that is being executed.
type execution struct {
	// responses are the responses in JSON, several where they came at the same time. It is
	// closed after the last one.
	responses <-chan [][]byte
	// started is closed when the operation has started. A subscription reports
	// all changes from then on.
	started <-chan struct{}
	// ending returns the error that ended a subscription, after the last response;
	// nil where the client need not know.
	ending func() error
}

// execute executes an operation until the client's context ends; a query or a
// mutation until the timeout at most.
func (o *Operations) execute(client context.Context, exec graphql.GraphExecutor, operation *graphql.OperationContext) execution {
	o.OnStart(client, operation)
	ctx, cancel, changes := o.withLimits(client, operation)
	responses, started := make(chan [][]byte), make(chan struct{})
	var ending error
	send := func(response *graphql.Response) bool {
		// Encode it at once: gqlgen reuses its memory for the next response.
		select {
		case responses <- [][]byte{encode(response)}:
			return true
		case <-client.Done():
			return false
		}
	}
	go func() {
		defer cancel()
		defer close(responses)
		defer func() {
			if p := recover(); p != nil {
				send(&graphql.Response{Errors: gqlerror.List{o.Present(graphql.WithOperationContext(ctx, operation), o.Recover(ctx, p))}})
			}
		}()
		next, ctx := dispatch(ctx, exec, operation, started)
		if changes != nil && changes.Started() {
			ending = o.respond(ctx, changes, next, responses)
			return
		}
		for response := o.first(ctx, operation, next); response != nil && send(response); {
			response = next(ctx)
		}
	}()
	return execution{responses, started, func() error { return ending }}
}

// respond sends the responses to changes until the subscription or the context ends. It
// returns the error that the client should know.
func (o *Operations) respond(ctx context.Context, changes Changes, next graphql.ResponseHandler, responses chan<- [][]byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = o.Recover(ctx, p)
		}
	}()
	defer changes.Close()
	execute := func() ([]byte, bool) {
		response := next(ctx)
		if response == nil {
			return nil, true
		}
		return encode(response), len(response.Errors) > 0
	}
	for {
		some, err := changes.Next(ctx, execute)
		switch {
		case errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		case len(some) == 0:
			continue
		}
		select {
		case responses <- some:
		case <-changes.Ended():
		case <-ctx.Done():
			return nil
		}
	}
}

func dispatch(ctx context.Context, exec graphql.GraphExecutor, operation *graphql.OperationContext, started chan<- struct{}) (graphql.ResponseHandler, context.Context) {
	defer close(started)
	return exec.DispatchOperation(ctx, operation)
}

// first returns the first response of an operation. gqlgen returns none where the
// context has ended before the execution; a query or a mutation gets an error
// then.
func (o *Operations) first(ctx context.Context, operation *graphql.OperationContext, next graphql.ResponseHandler) *graphql.Response {
	response := next(ctx)
	if response == nil && !isSubscription(operation) {
		response = &graphql.Response{Errors: gqlerror.List{o.Present(ctx, ctx.Err())}}
	}
	return response
}

// withLimits returns the context in which an operation is executed, and the changes
// that a subscription responds to.
func (o *Operations) withLimits(client context.Context, operation *graphql.OperationContext) (context.Context, context.CancelFunc, Changes) {
	if isSubscription(operation) {
		ctx, changes := o.WithChanges(client)
		return ctx, func() {}, changes
	}
	ctx, cancel := context.WithTimeout(client, o.Timeout)
	return ctx, cancel, nil
}

func isSubscription(operation *graphql.OperationContext) bool {
	return operation.Operation.Operation == ast.Subscription
}

// errTokenExpired is the cause of a context that ended with the person's token.
var errTokenExpired = errors.New("graphqlserver: the token has expired")

// withTokenExpiry returns a context that ends when the person's token expires.
func (o *Operations) withTokenExpiry(ctx context.Context) (context.Context, context.CancelFunc) {
	expiry := o.TokenExpiry(ctx)
	if expiry.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, expiry, errTokenExpired)
}

// tokenExpired returns the error for a subscription whose token has expired.
func tokenExpired() *fault.Fault {
	return &fault.Fault{
		Code:    fault.Unauthenticated,
		Message: "The token has expired.",
		Remedy:  "Sign in again, and subscribe again with the new token.",
	}
}
