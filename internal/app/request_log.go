package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry"
	"alphacruncher.com/datahub-gateway/internal/telemetry/requestid"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// statusAbandoned is the recorded status of a request that its client has cancelled, as
// nginx records it. Nobody gets it.
const statusAbandoned = 499

var errAbandoned = errors.New("the client has cancelled the request")

// record gives every request an id, logs it, counts it, and traces it.
func (a *api) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := withClient(a.instruments.traces.Continue(r.Context(), r.Header), a.proxies.clientOf(r))
		route := ""
		if r.URL.Path == graphqlRoute && !(graphqlserver.WebSocket{}).Supports(r) {
			route = graphqlRoute // the operations of a WebSocket have records of their own
		}
		ctx, rec, done := a.begin(ctx, methodOf(r), route)
		r = r.WithContext(ctx)
		defer func() {
			rec.noteRoute(r.Pattern)
			done()
		}()
		w.Header().Set("X-Request-Id", requestid.Of(ctx))
		next.ServeHTTP(&recordingWriter{w, rec}, r)
	})
}

// recordOperation does the same for an operation that came over a WebSocket.
func (a *api) recordOperation(ctx context.Context) (_ context.Context, done func()) {
	ctx, _, done = a.begin(ctx, "WEBSOCKET", graphqlRoute)
	if actor, ok := access.ActorOf(ctx); ok {
		noteActor(ctx, actor)
	}
	return ctx, done
}

// requestRecord is what the log, the metrics and the traces say about a request.
type requestRecord struct {
	method string
	route  string
	actor  string // the id of the person's account
	cause  error  // why a token was refused, or the request was not answered
	status int    // 0 until the answer begins

	statements *atomic.Int64 // of the database

	mu        sync.Mutex // resolvers run at the same time
	abandoned bool       // the client has cancelled the request
	operation string
	kind      string // query, mutation or subscription
	codes     map[fault.Code]bool
}

// begin begins the record of a request, which done counts and logs.
func (a *api) begin(ctx context.Context, method, route string) (_ context.Context, rec *requestRecord, done func()) {
	began := time.Now()
	ctx, statements := postgres.WithStatementCount(requestid.With(ctx, requestid.New()))
	rec = &requestRecord{method: method, route: route, statements: statements}
	ctx = context.WithValue(ctx, recordKey{}, rec)
	traced := func(int) {}
	if route == graphqlRoute {
		ctx, traced = a.instruments.traces.Request(ctx, requestid.Of(ctx), method, route)
	}
	return ctx, rec, func() {
		took := time.Since(began)
		switch {
		case rec.isAbandoned():
			rec.status = statusAbandoned // whatever was written has not been read
			rec.cause = errAbandoned
		case !rec.answered():
			rec.status = http.StatusOK // as net/http answers
		}
		traced(rec.status)
		// Without an operation and an error the client has asked for nothing.
		if outcome := rec.outcome(); rec.route == graphqlRoute && (rec.kind != "" || outcome != telemetry.OK) {
			a.instruments.metrics.Request(rec.kind, outcome, took)
		}
		a.logRequest(ctx, rec, took) // last: who reads the line finds the request counted
	}
}

func (a *api) logRequest(ctx context.Context, rec *requestRecord, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("requestId", requestid.Of(ctx)),
		slog.String("method", rec.method),
		slog.String("route", rec.route),
		slog.Int("status", rec.status),
		slog.Float64("milliseconds", float64(took.Microseconds())/1000),
		slog.Int64("statements", rec.statements.Load()),
	}
	if client := clientIn(ctx); client.IsValid() {
		attrs = append(attrs, slog.String("client", client.String()))
	}
	if trace := a.instruments.traces.ID(ctx); trace != "" {
		attrs = append(attrs, slog.String("traceId", trace))
	}
	if rec.actor != "" {
		attrs = append(attrs, slog.String("actor", rec.actor))
	}
	if rec.kind != "" {
		attrs = append(attrs, slog.String("kind", rec.kind), slog.String("operation", rec.operation))
	}
	if codes := rec.errorCodes(); codes != nil {
		attrs = append(attrs, slog.Any("codes", codes))
	}
	if rec.cause != nil {
		attrs = append(attrs, slog.String("cause", postgres.LogSafe(rec.cause)))
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}

type recordKey struct{}

func recordOf(ctx context.Context) (*requestRecord, bool) {
	r, ok := ctx.Value(recordKey{}).(*requestRecord)
	return r, ok
}

func noteActor(ctx context.Context, actor access.Actor) {
	if r, ok := recordOf(ctx); ok {
		r.actor = actor.ID.String()
	}
}

func noteCause(ctx context.Context, err error) {
	if r, ok := recordOf(ctx); ok {
		r.cause = err
	}
}

// longestName bounds the recorded name of an operation, in octets: clients choose
// it.
const longestName = 100

func noteOperation(ctx context.Context, operation *graphql.OperationContext) {
	if r, ok := recordOf(ctx); ok && operation != nil && operation.Operation != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.kind = string(operation.Operation.Operation)
		r.operation = operation.Operation.Name[:min(len(operation.Operation.Name), longestName)]
	}
}

// present returns an error as clients may see it. It records the error's code, and
// the operation, if it was refused for this error. Where the client has cancelled the
// request, it records that instead: nobody is shown the error.
func (a *api) present(ctx context.Context, err error) *gqlerror.Error {
	presented := a.root.Present(ctx, err)
	code, _ := presented.Extensions["code"].(fault.Code)
	r, recorded := recordOf(ctx)
	if resolvers.Cancelled(ctx, err) {
		if recorded {
			r.abandon()
		}
		return presented
	}
	if recorded {
		if graphql.HasOperationContext(ctx) {
			noteOperation(ctx, graphql.GetOperationContext(ctx))
		}
		r.noteCode(code)
	}
	a.instruments.metrics.Error(string(code))
	if code == fault.RateLimited {
		limit, _ := presented.Extensions["reason"].(string)
		a.instruments.metrics.Limited(limit)
	}
	return presented
}

// abandon records that the client has cancelled the request.
func (r *requestRecord) abandon() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.abandoned = true
}

func (r *requestRecord) isAbandoned() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.abandoned
}

func (r *requestRecord) noteCode(code fault.Code) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.codes == nil {
		r.codes = map[fault.Code]bool{}
	}
	r.codes[code] = true
}

// noteRoute records the pattern that a request matched. Its path is not recorded:
// it may contain anything, such as a token.
func (r *requestRecord) noteRoute(pattern string) {
	_, route, found := strings.Cut(pattern, " ") // after the method
	if !found {
		route = pattern
	}
	r.route = strings.TrimSuffix(route, "{$}")
}

// answered reports whether the answer has begun.
func (r *requestRecord) answered() bool { return r.status != 0 }

// errorCodes returns the codes of the errors, each once, sorted.
func (r *requestRecord) errorCodes() (codes []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for code := range r.codes {
		codes = append(codes, string(code))
	}
	slices.Sort(codes)
	return codes
}

// outcome returns the request's outcome in the metrics.
func (r *requestRecord) outcome() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.codes[fault.InternalServerError]:
		return telemetry.Failed
	case r.abandoned:
		return telemetry.Abandoned
	case len(r.codes) == 0:
		return telemetry.OK
	case !r.codes[fault.Unavailable]:
		return telemetry.Refused
	}
	return telemetry.Failed
}

// methods are the methods that are recorded: any other is a text of the client's.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

func methodOf(r *http.Request) string {
	if slices.Contains(methods, r.Method) {
		return r.Method
	}
	return "OTHER"
}

// recordingWriter records the status of an answer.
type recordingWriter struct {
	http.ResponseWriter
	record *requestRecord
}

func (w *recordingWriter) WriteHeader(status int) {
	w.record.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *recordingWriter) Write(b []byte) (int, error) {
	if !w.record.answered() {
		w.record.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap implements the method that http.ResponseController looks for.
func (w *recordingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
