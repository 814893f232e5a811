package graphqlserver

import (
	"context"
	"errors"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// HTTP is the transport for GraphQL over HTTP (section numbers in this file are
// those of its specification): operations by POST, queries also by GET, and
// subscriptions with server-sent events.
type HTTP struct {
	Operations
	MaxBody int64 // octets
}

var _ graphql.Transport = HTTP{}

// Supports implements graphql.Transport.
func (HTTP) Supports(*http.Request) bool { return true }

// Do implements graphql.Transport.
func (t HTTP) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	accepted := negotiate(r.Header.Values("Accept"))
	setHeaders(w, accepted)
	if !accepted.any {
		t.refuse(ctx, w, refusal(http.StatusNotAcceptable, "The response can be "+responseJSON+", "+legacyJSON+" or "+eventStream+"."))
		return
	}
	body, invalid := t.receive(w, r)
	if invalid != nil {
		t.refuse(ctx, w, invalid)
		return
	}
	ctx, leave, err := t.Enter(ctx)
	if err != nil {
		t.limit(ctx, w, err)
		return
	}
	defer leave()
	params, invalid := t.read(r, body)
	if invalid != nil {
		t.refuse(ctx, w, invalid)
		return
	}
	operation, release, errs := t.prepare(ctx, exec, params)
	defer release()
	switch {
	case errs != nil:
		t.fail(graphql.WithOperationContext(ctx, operation), w, exec, accepted, errs)
	case r.Method == http.MethodGet && operation.Operation.Operation != ast.Query: // section 5.3
		w.Header().Set("Allow", http.MethodPost)
		t.refuse(ctx, w, refusal(http.StatusMethodNotAllowed, "Only queries can be sent by GET. Send the operation by POST."))
	case isSubscription(operation) && !accepted.events:
		t.refuse(ctx, w, refusal(http.StatusNotAcceptable, "Subscriptions need server-sent events (Accept: "+eventStream+") or a WebSocket."))
	case isSubscription(operation) || accepted.onlyEvents:
		t.stream(ctx, w, exec, operation)
	default:
		ctx, cancel := context.WithTimeout(ctx, t.Timeout)
		defer cancel()
		t.OnStart(ctx, operation)
		next, ctx := exec.DispatchOperation(ctx, operation)
		response, status := t.first(ctx, operation, next), http.StatusOK
		if response.Data == nil && ctx.Err() != nil { // it was not executed
			status = http.StatusServiceUnavailable
		}
		leave() // the client may take its time to receive the response
		write(w, status, response)
	}
}

// fail responds to an operation that cannot be executed. A client that accepts
// only events gets the errors in an event, except UNAUTHENTICATED.
func (t HTTP) fail(ctx context.Context, w http.ResponseWriter, exec graphql.GraphExecutor, accepted accepted, errs gqlerror.List) {
	status := statusOf(accepted.json, errs)
	response := &graphql.Response{Errors: exec.DispatchError(ctx, errs).Errors}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	} else if accepted.onlyEvents {
		s := startEvents(w)
		_ = s.next(encode(response))
		s.complete()
		return
	}
	write(w, status, response)
}

// statusOf returns the status for an operation that cannot be executed. With the
// legacy media type it is 200 for every well-formed request (section 6.4.1),
// except for UNAUTHENTICATED, and for OPERATIONS_BY_CLIENT, which most clients meet
// before their request is read.
func statusOf(mediaType string, errs gqlerror.List) int {
	var f *fault.Fault
	errors.As(errs, &f)
	switch {
	case f != nil && f.Code == fault.Unauthenticated:
		return http.StatusUnauthorized
	case f != nil && f.Reason == fault.OperationsByClient:
		return http.StatusTooManyRequests
	case mediaType == legacyJSON:
		return http.StatusOK
	case f != nil && f.Code == fault.RateLimited:
		return http.StatusTooManyRequests
	}
	return http.StatusBadRequest
}

// httpError is the error for a request that is not a GraphQL request.
type httpError struct {
	status int
	*fault.Fault
}

func refusal(status int, message string) *httpError {
	return &httpError{status, fault.New(fault.BadRequest, message)}
}

func badRequest(message string) *httpError { return refusal(http.StatusBadRequest, message) }

// limit responds to a request that Enter refused.
func (t HTTP) limit(ctx context.Context, w http.ResponseWriter, err error) {
	status := http.StatusTooManyRequests
	if ctx.Err() != nil {
		status = http.StatusServiceUnavailable
	}
	write(w, status, &graphql.Response{Errors: gqlerror.List{t.Present(ctx, err)}})
}

func (t HTTP) refuse(ctx context.Context, w http.ResponseWriter, err *httpError) {
	write(w, err.status, &graphql.Response{Errors: gqlerror.List{t.Present(ctx, err.Fault)}})
}
