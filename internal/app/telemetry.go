package app

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

const (
	sampleInterval = 5 * time.Second
	sampleTimeout  = 2 * time.Second
	flushTimeout   = time.Second // of the traces that are left at a stop
)

// instruments are the metrics and the traces. Each is nil where it is off: its
// methods then do nothing.
type instruments struct {
	metrics *telemetry.Metrics
	traces  *telemetry.Tracer
}

// newInstruments returns what the settings switch on.
func newInstruments(ctx context.Context, s *TelemetrySettings, log *slog.Logger) (t instruments, err error) {
	if s.MetricsAddr != "" {
		var codes []string
		for _, code := range graph.NewExecutableSchema(graph.Config{}).Schema().Types["ErrorCode"].EnumValues {
			codes = append(codes, code.Name)
		}
		t.metrics = telemetry.NewMetrics(codes)
	}
	endpoint := s.TracesEndpoint
	if endpoint == "" && s.TelemetryEndpoint != "" {
		endpoint = strings.TrimSuffix(s.TelemetryEndpoint, "/") + "/v1/traces"
	}
	if endpoint != "" {
		t.traces, err = telemetry.NewTracer(ctx, telemetry.TraceSettings{Endpoint: endpoint, Sampler: s.TracesSampler, Argument: s.TracesSamplerArg}, log)
	}
	return t, err
}

// flush sends the traces that are left, and stops tracing.
func (t instruments) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	t.traces.Stop(ctx)
}

// statement returns the observer of the database's statements, or nil where
// metrics and traces are off.
func (t instruments) statement() func(context.Context, string) func(error) {
	if t == (instruments{}) {
		return nil
	}
	return func(ctx context.Context, statement string) func(error) {
		began, ended := time.Now(), t.traces.Statement(ctx, statement)
		return func(err error) {
			failed := err != nil && !errors.Is(err, sql.ErrNoRows) && !postgres.IsCancelled(ctx, err)
			t.metrics.Statement(time.Since(began), failed)
			ended(failed)
		}
	}
}

// watch reads the state of the pool, the feed and the way to the mail server at every scrape.
func (t instruments) watch(db *postgres.DB, feed *event.Feed, sender *mail.Sender) {
	t.metrics.Watch("database_connections_max", "Connections to the database that may be taken at once.", false, func() float64 { return float64(db.Pool().Most) })
	t.metrics.Watch("database_connections_taken", "Connections to the database that are taken.", false, func() float64 { return float64(db.Pool().Taken) })
	t.metrics.Watch("database_pool_refusals_total", "Calls that found no connection in time.", true, func() float64 { return float64(db.Pool().Refused) })
	t.metrics.Watch("database_pool_wait_seconds_total", "The time for which calls have waited for a connection.", true, func() float64 { return db.Pool().Waited.Seconds() })
	t.metrics.Watch("mail_server_reachable", "1 where the gateway could connect to the mail server last time, else 0.", false, func() float64 {
		if sender.Reachable() {
			return 1
		}
		return 0
	})
	t.metrics.Watch("subscriptions", "Subscriptions that are open.", false, func() float64 { return float64(feed.Watching()) })
}

// jobs returns the observer of the outbox's jobs, or nil where metrics and traces
// are off.
func (t instruments) jobs() outbox.Observer {
	if t == (instruments{}) {
		return nil
	}
	return t
}

// Batch implements outbox.Observer.
func (t instruments) Batch(ctx context.Context, kind string, jobs int) (context.Context, func()) {
	return t.traces.Batch(ctx, kind, jobs)
}

// Job implements outbox.Observer.
func (t instruments) Job(ctx context.Context, kind string, job uuid.UUID, outcome string, took time.Duration) {
	t.metrics.Job(kind, outcome)
	t.traces.Job(ctx, job.String(), outcome, took)
}

// traceOperation traces an operation; of a subscription, its beginning.
func (t instruments) traceOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx).Operation
	ctx, ended := t.traces.Operation(ctx, string(operation.Operation), operation.Name[:min(len(operation.Name), longestName)])
	respond := next(ctx)
	end := func() {
		if r, ok := recordOf(ctx); ok {
			ended(r.errorCodes())
		}
	}
	if operation.Operation == ast.Subscription {
		end()
		return respond
	}
	return func(ctx context.Context) *graphql.Response {
		defer end()
		return respond(ctx)
	}
}

// panicCounter counts the panics that are logged.
type panicCounter struct {
	slog.Handler
	metrics *telemetry.Metrics
}

// Handle implements slog.Handler.
func (c panicCounter) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == recovery.Message {
		c.metrics.Panic()
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (c panicCounter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return panicCounter{c.Handler.WithAttrs(attrs), c.metrics}
}

// WithGroup implements slog.Handler.
func (c panicCounter) WithGroup(name string) slog.Handler {
	return panicCounter{c.Handler.WithGroup(name), c.metrics}
}

// sampler measures the outbox and the readiness at intervals, so that a scrape
// does not wait for the database.
type sampler struct{ *api }

func (s sampler) run(ctx context.Context) {
	defer s.instruments.metrics.Ready(false)
	for {
		s.sample(ctx)
		select {
		case <-time.After(sampleInterval):
		case <-ctx.Done():
			return
		}
	}
}

func (s sampler) sample(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	s.instruments.metrics.Ready(s.sharedReadiness(ctx) == nil)
	waiting, err := outbox.ReadBacklog(ctx, s.db)
	if err != nil {
		s.instruments.metrics.Outbox(nil) // unknown
		return
	}
	backlog := make([]telemetry.Backlog, len(waiting))
	for i, w := range waiting {
		backlog[i] = telemetry.Backlog(w)
	}
	s.instruments.metrics.Outbox(backlog)
}
