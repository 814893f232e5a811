// Package transport carries GraphQL between clients and the executor: over
// HTTP, with server-sent events, and over WebSocket.
package transport

import (
	"context"
	"errors"
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
	Present graphql.ErrorPresenterFunc
	Recover graphql.RecoverFunc
	// Admits reports whether the asking person may begin an operation.
	Admits func(context.Context, *ast.OperationDefinition) bool
	// Unauthenticated is the refusal of somebody who is not signed in.
	Unauthenticated func() *fault.Fault
	// Begun is told of every operation that is carried out.
	Begun func(context.Context, *graphql.OperationContext)
	// Ending gives a context for a subscription, and what tells afterwards why
	// it ended; nil where the client need not be told.
	Ending func(context.Context) (context.Context, func() error)
	// Until is when the token expires by which the person is signed in.
	Until func(context.Context) time.Time
	// Closing is closed when the gateway is about to stop: streams end then.
	Closing <-chan struct{}
}

// begin reads an operation. It gives what is wrong with it, first of all that
// whoever asks is not signed in.
func (o *Operations) begin(ctx context.Context, exec graphql.GraphExecutor, params *graphql.RawParams) (*graphql.OperationContext, gqlerror.List) {
	operation, errs := exec.CreateOperationContext(ctx, params)
	if errs != nil && operation.Operation != nil && !o.Admits(ctx, operation.Operation) {
		errs = gqlerror.List{{Err: o.Unauthenticated()}}
	}
	return operation, errs[:min(len(errs), maxErrors)]
}

// stream carries out an operation. Its responses, in JSON, end with the channel,
// at the latest when the context does; then why tells of what the client is to
// know.
func (o *Operations) stream(ctx context.Context, exec graphql.GraphExecutor, operation *graphql.OperationContext) (responses <-chan []byte, why func() error) {
	o.Begun(ctx, operation)
	ctx, why = o.Ending(ctx)
	out := make(chan []byte)
	emit := func(response *graphql.Response) bool {
		// At once: gqlgen writes the next response over this one.
		select {
		case out <- encode(response):
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		defer close(out)
		defer func() {
			if p := recover(); p != nil {
				emit(&graphql.Response{Errors: gqlerror.List{o.Present(graphql.WithOperationContext(ctx, operation), o.Recover(ctx, p))}})
			}
		}()
		next, ctx := exec.DispatchOperation(ctx, operation)
		for response := next(ctx); response != nil && emit(response); {
			response = next(ctx)
		}
	}()
	return out, why
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
