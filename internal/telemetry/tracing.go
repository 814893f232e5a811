// Package telemetry counts what the gateway does, for Prometheus, and sends
// traces to an OpenTelemetry receiver (OTLP over HTTP): the request, its
// operation, and the statements of the operation, in the caller's trace (W3C
// Trace Context). No metric label and no span attribute has a value that comes
// from a client; spans have the texts of statements, which are constants, and
// never their arguments.
package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// TraceSettings are the OpenTelemetry variables that decide which traces are sent,
// and where. The SDK reads the others.
type TraceSettings struct {
	Endpoint string // the URL that traces are sent to
	Sampler  string // of OTEL_TRACES_SAMPLER
	Argument string // of OTEL_TRACES_SAMPLER_ARG
}

// Tracer traces requests, statements and jobs. A nil *Tracer does nothing.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	cut      context.CancelFunc // cancels sending
}

// NewTracer returns a tracer that sends in the background. Nothing waits for it;
// it drops spans that it cannot send in time.
func NewTracer(ctx context.Context, s TraceSettings, log *slog.Logger) (*Tracer, error) {
	sampler, err := newSampler(s.Sampler, s.Argument)
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", "datahub-gateway")), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(s.Endpoint))
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	sending, cut := context.WithCancel(context.Background())
	provider := sdk.NewTracerProvider(sdk.WithResource(about), sdk.WithSampler(sampler),
		sdk.WithBatcher(&reporting{SpanExporter: exporter, sending: sending, log: log}))
	return &Tracer{provider, provider.Tracer("alphacruncher.com/datahub-gateway"), cut}, nil
}

// Stop sends the remaining spans until ctx ends.
func (t *Tracer) Stop(ctx context.Context) {
	if t == nil {
		return
	}
	defer t.cut()
	defer context.AfterFunc(ctx, t.cut)()
	_ = t.provider.Shutdown(context.WithoutCancel(ctx)) // reporting has logged the error
}

// Continue returns a context of the caller's trace, where the header of a request
// names one.
func (t *Tracer) Continue(ctx context.Context, header http.Header) context.Context {
	if t == nil {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
}

// ID returns the id of the context's trace, or "".
func (t *Tracer) ID(ctx context.Context) string {
	if id := trace.SpanContextFromContext(ctx).TraceID(); t != nil && id.IsValid() {
		return id.String()
	}
	return ""
}

// Request traces a request until answered is called with its HTTP status.
func (t *Tracer) Request(ctx context.Context, id, method, route string) (_ context.Context, answered func(status int)) {
	if t == nil {
		return ctx, func(int) {}
	}
	ctx, span := t.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", method), attribute.String("http.route", route), attribute.String("datahub.request.id", id)))
	return ctx, func(status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Operation traces a GraphQL operation until ended is called with the codes of its
// errors.
func (t *Tracer) Operation(ctx context.Context, kind, name string) (_ context.Context, ended func(errors []string)) {
	if t == nil {
		return ctx, func([]string) {}
	}
	ctx, span := t.tracer.Start(ctx, kind, trace.WithAttributes(attribute.String("graphql.operation.type", kind), attribute.String("graphql.operation.name", name)))
	return ctx, func(errors []string) {
		if len(errors) > 0 {
			span.SetAttributes(attribute.StringSlice("datahub.error.codes", errors))
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Statement traces a statement of a traced request.
func (t *Tracer) Statement(ctx context.Context, statement string) (ended func(failed bool)) {
	if t == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return func(bool) {}
	}
	statement = strings.TrimSpace(statement)
	verb, _, _ := strings.Cut(strings.Join(strings.Fields(statement[:min(len(statement), 20)]), " "), " ")
	_, span := t.tracer.Start(ctx, verb, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("db.system.name", "postgresql"), attribute.String("db.query.text", statement)))
	return func(failed bool) {
		if failed {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Batch traces an attempt at jobs of one kind.
func (t *Tracer) Batch(ctx context.Context, kind string, jobs int) (_ context.Context, over func()) {
	if t == nil {
		return ctx, func() {}
	}
	ctx, span := t.tracer.Start(ctx, "outbox "+kind, trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("datahub.job.kind", kind), attribute.Int("datahub.jobs", jobs)))
	return ctx, func() { span.End() }
}

// Job traces a job of a batch, which has just ended.
func (t *Tracer) Job(ctx context.Context, id, outcome string, took time.Duration) {
	if t == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return
	}
	now := time.Now()
	_, span := t.tracer.Start(ctx, "send", trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(now.Add(-took)),
		trace.WithAttributes(attribute.String("datahub.job.id", id), attribute.String("datahub.job.outcome", outcome)))
	if outcome == "delayed" || outcome == "failed" {
		span.SetStatus(codes.Error, "")
	}
	span.End(trace.WithTimestamp(now))
}

// CheckEndpoint fails where traces cannot be sent to a URL. The error does not quote
// the URL.
func CheckEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("expected https://HOST:PORT")
	}
	return nil
}

// CheckSampler fails where the sampler or its argument is not valid.
func CheckSampler(sampler, argument string) error {
	_, err := newSampler(sampler, argument)
	return err
}

func ratio(argument string) (float64, error) {
	if argument == "" {
		return 1, nil
	}
	r, err := strconv.ParseFloat(argument, 64)
	if err != nil || !(r >= 0 && r <= 1) {
		return 0, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1")
	}
	return r, nil
}
