package telemetry

import (
	"errors"
	"strings"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// maxTraces bounds the traces sent in a second, because every caller can ask for
// theirs to be sent.
const maxTraces = 100

// sampler decides once for each request whether its trace is sent.
type sampler struct {
	asCaller bool // where the caller has decided
	root     sdk.Sampler
	limit    *rate.Limiter
}

// newSampler returns the sampler that OTEL_TRACES_SAMPLER names.
func newSampler(name, argument string) (sdk.Sampler, error) {
	if name == "" {
		name = "parentbased_always_on"
	}
	share, err := ratio(argument)
	if err != nil {
		return nil, err
	}
	root, asCaller := strings.CutPrefix(name, "parentbased_")
	s := sampler{asCaller: asCaller, limit: rate.NewLimiter(maxTraces, maxTraces)}
	switch root {
	case "always_on":
		s.root = sdk.AlwaysSample()
	case "always_off":
		s.root = sdk.NeverSample()
	case "traceidratio":
		s.root = sdk.TraceIDRatioBased(share)
	default:
		return nil, errors.New("OTEL_TRACES_SAMPLER: expected always_on, always_off or traceidratio, or one of them behind parentbased_")
	}
	return s, nil
}

// ShouldSample implements sdk.Sampler.
func (s sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	result := sdk.SamplingResult{Decision: sdk.Drop, Tracestate: parent.TraceState()}
	var sampled bool
	switch {
	case parent.IsValid() && !parent.IsRemote():
		if parent.IsSampled() {
			result.Decision = sdk.RecordAndSample
		}
		return result
	case parent.IsValid() && s.asCaller:
		sampled = parent.IsSampled()
	default:
		sampled = s.root.ShouldSample(p).Decision == sdk.RecordAndSample
	}
	if sampled && s.limit.Allow() {
		result.Decision = sdk.RecordAndSample
	}
	return result
}

// Description implements sdk.Sampler.
func (s sampler) Description() string { return "at most 100 a second of " + s.root.Description() }
