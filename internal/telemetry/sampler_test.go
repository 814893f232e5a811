package telemetry

import (
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Who asks is followed where that is wanted, and nobody beyond the limit; what
// has begun goes on.
func TestSampler(t *testing.T) {
	context := func(remote bool, flags trace.TraceFlags) trace.SpanContext {
		return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, Remote: remote, TraceFlags: flags})
	}
	nobody, told, silent := trace.SpanContext{}, context(true, trace.FlagsSampled), context(true, 0)
	for _, c := range []struct {
		name, argument string
		parent         trace.SpanContext
		want           int // of 1,000
	}{
		{"", "", nobody, maxTraces},
		{"", "", told, maxTraces},
		{"", "", silent, 0},
		{"", "", context(false, trace.FlagsSampled), 1000},
		{"", "", context(false, 0), 0},
		{"always_on", "", silent, maxTraces},
		{"always_off", "", told, 0},
		{"always_off", "", context(false, trace.FlagsSampled), 1000},
		{"parentbased_always_off", "", nobody, 0},
		{"parentbased_always_off", "", told, maxTraces},
		{"parentbased_traceidratio", "0", nobody, 0},
		{"parentbased_traceidratio", "0", told, maxTraces},
		{"traceidratio", "1", silent, maxTraces},
		{"traceidratio", "", nobody, maxTraces},
	} {
		s, err := newSampler(c.name, c.argument)
		if err != nil {
			t.Fatal(err)
		}
		s.(sampler).limit.SetLimit(0) // nothing comes back while this lasts
		got := 0
		for range 1000 {
			r := s.ShouldSample(sdk.SamplingParameters{ParentContext: trace.ContextWithSpanContext(t.Context(), c.parent), TraceID: trace.TraceID{1}})
			if r.Decision == sdk.RecordAndSample {
				got++
			}
		}
		if got != c.want {
			t.Errorf("%s %s: %d, want %d", c.name, c.argument, got, c.want)
		}
	}
}
