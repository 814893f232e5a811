package app

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

const (
	measureTime = 5 * time.Second // between two looks at what waits
	lookTime    = 2 * time.Second // of one
	flushTime   = time.Second     // of the traces that are left at a stop
)

// instruments are what operators see beside the log. Each part of it is nil where
// it is off.
type instruments struct {
	metrics *telemetry.Metrics
	traces  *telemetry.Tracer
}

func newInstruments(ctx context.Context, s *Settings, log *slog.Logger) (t instruments, err error) {
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

// statement is told of the database's statements; nil where nobody asks.
func (t instruments) statement() func(context.Context, string) func(error) {
	if t == (instruments{}) {
		return nil
	}
	return func(ctx context.Context, statement string) func(error) {
		began, ended := time.Now(), t.traces.Statement(ctx, statement)
		return func(err error) {
			failed := err != nil && !errors.Is(err, sql.ErrNoRows)
			t.metrics.Statement(time.Since(began), failed)
			ended(failed)
		}
	}
}

// watchPool has it told how the database's connections are used.
func (t instruments) watchPool(db *postgres.DB) {
	t.metrics.Watch("database_connections_max", "Connections to the database that may be taken at once.", false, func() float64 { return float64(db.Pool().Most) })
	t.metrics.Watch("database_connections_taken", "Connections to the database that are taken.", false, func() float64 { return float64(db.Pool().Taken) })
	t.metrics.Watch("database_pool_refusals_total", "Calls that found no connection in time.", true, func() float64 { return float64(db.Pool().Refused) })
	t.metrics.Watch("database_pool_wait_seconds_total", "The time for which calls have waited for a connection.", true, func() float64 { return db.Pool().Waited.Seconds() })
}

// jobs is told of the outbox's jobs; nil where nobody asks.
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

// traceOperation traces what is asked of the executor: of a subscription, its
// beginning.
func (t instruments) traceOperation(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx).Operation
	ctx, ended := t.traces.Operation(ctx, string(operation.Operation), operation.Name[:min(len(operation.Name), longestName)])
	respond := next(ctx)
	end := func() {
		if r, ok := recordOf(ctx); ok {
			ended(r.noted())
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

// counting counts the panics that are logged.
type counting struct {
	slog.Handler
	metrics *telemetry.Metrics
}

// Handle implements slog.Handler.
func (c counting) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == recovery.Message {
		c.metrics.Panic()
	}
	return c.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (c counting) WithAttrs(attrs []slog.Attr) slog.Handler {
	return counting{c.Handler.WithAttrs(attrs), c.metrics}
}

// WithGroup implements slog.Handler.
func (c counting) WithGroup(name string) slog.Handler {
	return counting{c.Handler.WithGroup(name), c.metrics}
}

// measuring looks at what waits and whether the gateway is ready, so that a
// scrape need not ask the database.
type measuring struct{ *api }

// Run implements worker.
func (m measuring) Run(ctx context.Context) {
	defer m.seen.metrics.Ready(false)
	for {
		m.look(ctx)
		select {
		case <-time.After(measureTime):
		case <-ctx.Done():
			return
		}
	}
}

func (m measuring) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	m.seen.metrics.Ready(m.readiness(ctx) == nil)
	waiting, err := outbox.ReadBacklog(ctx, m.db)
	if err != nil {
		m.seen.metrics.Outbox(nil)
		return
	}
	backlog := make([]telemetry.Backlog, len(waiting))
	for i, w := range waiting {
		backlog[i] = telemetry.Backlog(w)
	}
	m.seen.metrics.Outbox(backlog)
}

// exposition serves the metrics, for as long as there is a gateway.
type exposition struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
}

func expose(addr string, m *telemetry.Metrics, log *slog.Logger) (*exposition, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, setting("DATAHUB_METRICS_ADDR", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler(log))
	e := &exposition{listener: listener, server: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	e.serving.Go(func() {
		recovery.Do(context.Background(), log, "metrics", func() { _ = e.server.Serve(listener) })
	})
	return e, nil
}

func (e *exposition) stop() {
	if e == nil {
		return
	}
	_ = e.server.Close() // a scrape can be made again
	e.serving.Wait()
}
