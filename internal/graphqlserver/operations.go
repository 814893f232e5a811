// Package graphqlserver carries GraphQL between clients and the executor: over
// HTTP, with server-sent events, and over WebSocket.
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
	// maxErrors is how many errors are reported of a document that is not valid.
	maxErrors = 20
	// keepAlive is how often a stream with nothing to tell shows that it lives.
	keepAlive = 15 * time.Second
	// writeTime is how long a client may take to accept what a stream tells.
	writeTime = 10 * time.Second
)

// Operations is what the transports share: how operations are decided about,
// and carried out.
type Operations struct {
	Timeout time.Duration // of a query or a mutation
	Values  int           // in the JSON of a request
	Present graphql.ErrorPresenterFunc
	Recover graphql.RecoverFunc
	// Admits reports whether the asking person may begin an operation.
	Admits func(context.Context, *ast.OperationDefinition) bool
	// Unauthenticated is the refusal of somebody who is not signed in.
	Unauthenticated func() *fault.Fault
	// Enter takes a place for an operation, until leave is called; or says why there
	// is none.
	Enter func(context.Context, *graphql.OperationContext) (leave func(), err error)
	// Begun is told of every operation that is carried out.
	Begun func(context.Context, *graphql.OperationContext)
	// Ending gives a context for a subscription, and what tells afterwards why
	// it ended; nil where the client need not be told.
	Ending func(context.Context) (context.Context, func() error)
	// Until is when the token expires by which the person is signed in.
	Until func(context.Context) time.Time
	// Closing is closed when the gateway is about to stop: subscriptions end then.
	Closing <-chan struct{}
}

// begin reads an operation, which has a place until end is called. It gives what
// is wrong with it, first of all that whoever asks is not signed in.
func (o *Operations) begin(ctx context.Context, exec graphql.GraphExecutor, params *graphql.RawParams) (operation *graphql.OperationContext, end func(), errs gqlerror.List) {
	operation, errs = exec.CreateOperationContext(ctx, params)
	if errs != nil {
		if operation.Operation != nil && !o.Admits(ctx, operation.Operation) {
			errs = gqlerror.List{{Err: o.Unauthenticated()}}
		}
		return operation, func() {}, errs[:min(len(errs), maxErrors)]
	}
	end, err := o.Enter(ctx, operation)
	if err != nil {
		return operation, func() {}, gqlerror.List{{Err: err}}
	}
	return operation, end, nil
}

// measure decides about the size of a request's JSON, since values that take two
// octets there take many where they are read. It fails with BAD_USER_INPUT.
func (o *Operations) measure(text []byte) *fault.Fault {
	if values(text) <= o.Values {
		return nil
	}
	return fault.New(fault.BadUserInput, fmt.Sprintf("The request has more than %d values.", o.Values))
}

// values is how many values there are in JSON, whether it is valid or not.
func values(text []byte) (n int) {
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

// underway is an operation that is carried out.
type underway struct {
	// responses come in JSON, and end with the channel.
	responses <-chan []byte
	// begun is closed when it has begun: from then on a subscription misses
	// nothing.
	begun <-chan struct{}
	// why tells what the client is to know of a subscription's end, if anything.
	why func() error
}

// carryOut carries out an operation for as long as a client listens, and a query
// or a mutation for no longer than the timeout.
func (o *Operations) execute(listening context.Context, exec graphql.GraphExecutor, operation *graphql.OperationContext) underway {
	o.Begun(listening, operation)
	ctx, cancel, why := o.bound(listening, operation)
	out, begun := make(chan []byte), make(chan struct{})
	emit := func(response *graphql.Response) bool {
		// At once: gqlgen writes the next response over this one.
		select {
		case out <- encode(response):
			return true
		case <-listening.Done():
			return false
		}
	}
	go func() {
		defer cancel()
		defer close(out)
		defer func() {
			if p := recover(); p != nil {
				emit(&graphql.Response{Errors: gqlerror.List{o.Present(graphql.WithOperationContext(ctx, operation), o.Recover(ctx, p))}})
			}
		}()
		next, ctx := dispatch(ctx, exec, operation, begun)
		for response := next(ctx); response != nil && emit(response); {
			response = next(ctx)
		}
	}()
	return underway{out, begun, why}
}

func dispatch(ctx context.Context, exec graphql.GraphExecutor, operation *graphql.OperationContext, begun chan<- struct{}) (graphql.ResponseHandler, context.Context) {
	defer close(begun)
	return exec.DispatchOperation(ctx, operation)
}

// bound gives the context of an operation.
func (o *Operations) bound(listening context.Context, operation *graphql.OperationContext) (context.Context, context.CancelFunc, func() error) {
	if subscribes(operation) {
		ctx, why := o.Ending(listening)
		return ctx, func() {}, why
	}
	ctx, cancel := context.WithTimeout(listening, o.Timeout)
	return ctx, cancel, func() error { return nil }
}

func subscribes(operation *graphql.OperationContext) bool {
	return operation.Operation.Operation == ast.Subscription
}

// errExpired is why a context ends when the person's token expires.
var errExpired = errors.New("transport: the token has expired")

// untilExpiry gives a context that ends when the person's token expires.
func (o *Operations) untilExpiry(ctx context.Context) (context.Context, context.CancelFunc) {
	until := o.Until(ctx)
	if until.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, until, errExpired)
}

// expired is the refusal of somebody whose token has expired meanwhile.
func expired() *fault.Fault {
	return &fault.Fault{
		Code:    fault.Unauthenticated,
		Message: "The token has expired.",
		Remedy:  "Sign in again, and subscribe again with the new token.",
	}
}
