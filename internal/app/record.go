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
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry"
	"alphacruncher.com/datahub-gateway/internal/telemetry/requestid"
)

// record is what the log says of a request.
type record struct {
	method string
	route  string
	actor  string
	cause  error
	status int

	statements *atomic.Int64

	mu        sync.Mutex // fields are answered at once
	operation string
	kind      string
	codes     map[fault.Code]bool
}

// longestName is how much of an operation's name is told, in octets.
const longestName = 100

type recordKey struct{}

func recordOf(ctx context.Context) (*record, bool) {
	r, ok := ctx.Value(recordKey{}).(*record)
	return r, ok
}

func noteActor(ctx context.Context, actor access.Actor) {
	if r, ok := recordOf(ctx); ok {
		r.actor = actor.ID.String()
	}
}

func noteOperation(ctx context.Context, operation *graphql.OperationContext) {
	if r, ok := recordOf(ctx); ok && operation != nil && operation.Operation != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.operation, r.kind = operation.Operation.Name, string(operation.Operation.Operation)
		r.operation = r.operation[:min(len(r.operation), longestName)]
	}
}

func noteCause(ctx context.Context, err error) {
	if r, ok := recordOf(ctx); ok {
		r.cause = err
	}
}

// present makes an error one that a client may see, and notes its code, and the
// operation that may have been refused for it.
func (a *api) present(ctx context.Context, err error) *gqlerror.Error {
	presented := a.root.Present(ctx, err)
	code, _ := presented.Extensions["code"].(fault.Code)
	if r, ok := recordOf(ctx); ok {
		if graphql.HasOperationContext(ctx) {
			noteOperation(ctx, graphql.GetOperationContext(ctx))
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.codes == nil {
			r.codes = map[fault.Code]bool{}
		}
		r.codes[code] = true
	}
	a.seen.metrics.Error(string(code))
	if code == fault.RateLimited {
		limit, _ := presented.Extensions["reason"].(string)
		a.seen.metrics.Limited(limit)
	}
	return presented
}

// noted are the codes of the errors, each once, in their order.
func (r *record) noted() (codes []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for code := range r.codes {
		codes = append(codes, string(code))
	}
	slices.Sort(codes)
	return codes
}

// methods are those that the log names: any other is the client's own text.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

func methodOf(r *http.Request) string {
	if slices.Contains(methods, r.Method) {
		return r.Method
	}
	return "OTHER"
}

// noteRoute notes where a request went. Its path is not logged: it may be
// anything, a token too.
func (r *record) noteRoute(pattern string) {
	_, route, found := strings.Cut(pattern, " ")
	if !found {
		route = pattern
	}
	r.route = strings.TrimSuffix(route, "{$}")
}

// outcome is what the metrics say that the request came to.
func (r *record) outcome(ctx context.Context) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.codes) == 0:
		return telemetry.OK
	case r.codes[fault.InternalServerError]:
		return telemetry.Failed
	case !r.codes[fault.Unavailable]:
		return telemetry.Refused
	case errors.Is(ctx.Err(), context.Canceled):
		return telemetry.Abandoned
	}
	return telemetry.Failed
}

// recorded begins the record of a request, which done logs and counts.
func (a *api) recorded(ctx context.Context, method, route string) (_ context.Context, rec *record, done func()) {
	began := time.Now()
	ctx, statements := postgres.WithStatementCount(requestid.With(ctx, requestid.New()))
	rec = &record{method: method, route: route, status: http.StatusOK, statements: statements}
	ctx = context.WithValue(ctx, recordKey{}, rec)
	answered := func(int) {}
	if route == graphqlRoute {
		ctx, answered = a.seen.traces.Request(ctx, requestid.Of(ctx), method, route)
	}
	return ctx, rec, func() {
		took := time.Since(began)
		answered(rec.status)
		a.logRequest(ctx, rec, took)
		if outcome := rec.outcome(ctx); rec.route == graphqlRoute && (rec.kind != "" || outcome != telemetry.OK) { // others ask for nothing
			a.seen.metrics.Request(rec.kind, outcome, took)
		}
	}
}

func (a *api) logRequest(ctx context.Context, rec *record, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("requestId", requestid.Of(ctx)),
		slog.String("method", rec.method),
		slog.String("route", rec.route),
		slog.Int("status", rec.status),
		slog.Float64("milliseconds", float64(took.Microseconds())/1000),
		slog.Int64("statements", rec.statements.Load()),
	}
	if trace := a.seen.traces.ID(ctx); trace != "" {
		attrs = append(attrs, slog.String("traceId", trace))
	}
	if rec.actor != "" {
		attrs = append(attrs, slog.String("actor", rec.actor))
	}
	if rec.kind != "" {
		attrs = append(attrs, slog.String("kind", rec.kind), slog.String("operation", rec.operation))
	}
	if codes := rec.noted(); codes != nil {
		attrs = append(attrs, slog.Any("codes", codes))
	}
	if rec.cause != nil {
		attrs = append(attrs, slog.String("cause", postgres.LogSafe(rec.cause)))
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}
