package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

// silence is the least time between two log lines about lost spans.
const silence = time.Minute

// reporting is an exporter that logs failures, at most once per silence.
type reporting struct {
	sdk.SpanExporter
	sending context.Context
	log     *slog.Logger

	mu   sync.Mutex
	said time.Time
	lost int // spans since said
}

// ExportSpans implements sdk.SpanExporter. It never fails.
func (r *reporting) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.sending, cancel)()
	err := errors.New("a panic")
	recovery.Do(ctx, r.log, "traces", func() { err = r.SpanExporter.ExportSpans(ctx, spans) })
	if err != nil {
		r.report(err, len(spans))
	}
	return nil
}

func (r *reporting) report(err error, spans int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost += spans; time.Since(r.said) < silence {
		return
	}
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	text := err.Error()
	r.log.Warn("traces cannot be sent", "error", text[:min(len(text), 300)], "lost", r.lost)
	r.said, r.lost = time.Now(), 0
}
