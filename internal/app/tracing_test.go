package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// receiver takes traces by OTLP over HTTP.
type receiver struct {
	url      string
	received apptest.Notifier // notified of each message

	mu    sync.Mutex
	raw   strings.Builder
	spans []*otlp.Span
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Connection", "close")
		body, err := io.ReadAll(request.Body)
		var sent collector.ExportTraceServiceRequest
		if err != nil || request.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
			t.Errorf("%s: %v", request.URL, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.raw.WriteString(sent.String())
		r.raw.Write(body)
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
		r.received.Notify()
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) use(s *app.Settings) { s.TelemetryEndpoint = r.url }

// named returns the spans with a name that have arrived so far, of one trace
// or, with "", of any.
func (r *receiver) named(trace, name string) (spans []*otlp.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.Name == name && (trace == "" || fmt.Sprintf("%x", s.TraceId) == trace) {
			spans = append(spans, s)
		}
	}
	return spans
}

// statements returns the spans of SQL statements in a trace.
func (r *receiver) statements(trace string) (spans []*otlp.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if said(s, "db.query.text") != "" && fmt.Sprintf("%x", s.TraceId) == trace {
			spans = append(spans, s)
		}
	}
	return spans
}

// said returns the value of a span's attribute.
func said(s *otlp.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return strings.Trim(strings.TrimPrefix(a.Value.String(), "string_value:"), `"`)
		}
	}
	return ""
}

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan  = "00f067aa0ba902b7"
)

// The caller, the request, the operation and its statements are in one trace.
func TestRequestContinuesTheCallersTrace(t *testing.T) {
	t.Parallel()
	seen := newReceiver(t)
	w := newWorld(t, seen.use)
	ada := w.as("ada")
	r := ada.Request(`query Where { instance(id: "`+w.instance("Group 1")+`") { name } }`, nil)
	r.Header.Set("traceparent", "00-"+callersTrace+"-"+callersSpan+"-01")
	a := ada.Send(r).OK()
	seen.received.Await(t, "the request's span", func() bool { return len(seen.named(callersTrace, "POST /graphql")) == 1 })
	request := seen.named(callersTrace, "POST /graphql")[0]
	if fmt.Sprintf("%x", request.ParentSpanId) != callersSpan || request.Kind != otlp.Span_SPAN_KIND_SERVER ||
		said(request, "http.route") != "/graphql" || said(request, "datahub.request.id") != a.Header.Get("X-Request-Id") || said(request, "http.response.status_code") != "int_value:200" {
		t.Errorf("%v", request)
	}
	operations := seen.named(callersTrace, "query")
	if len(operations) != 1 || string(operations[0].ParentSpanId) != string(request.SpanId) || said(operations[0], "graphql.operation.name") != "Where" {
		t.Fatalf("%v", operations)
	}
	var of []string
	for _, s := range seen.statements(callersTrace) {
		of = append(of, string(s.ParentSpanId))
		if s.Kind != otlp.Span_SPAN_KIND_CLIENT || s.EndTimeUnixNano < s.StartTimeUnixNano {
			t.Errorf("%v", s)
		}
	}
	if !slices.Contains(of, string(operations[0].SpanId)) {
		t.Errorf("no statement of the operation among %q", of)
	}
	line := w.logged("it", func(line map[string]any) bool { return line["operation"] == "Where" })
	if line["traceId"] != callersTrace {
		t.Errorf("%v", line)
	}
	if n := int(line["statements"].(float64)); n != len(of) {
		t.Errorf("%d statements, %d spans", n, len(of))
	}

	// A trace that the caller does not sample.
	r = ada.Request(`query NotTold { viewer { id } }`, nil)
	r.Header.Set("traceparent", "00-aaf92f3577b34da6a3ce929d0e0e4736-"+callersSpan+"-00")
	ada.Send(r).OK()
	// A trace of its own, with the error.
	ada.delete("Master").Refused("INSTANCE_PROTECTED")
	seen.received.Await(t, "the mutation", func() bool { return len(seen.named("", "mutation")) == 1 })
	refused := seen.named("", "mutation")[0]
	if refused.Status.Code != otlp.Status_STATUS_CODE_ERROR || !strings.Contains(refused.String(), "INSTANCE_PROTECTED") || fmt.Sprintf("%x", refused.TraceId) == callersTrace {
		t.Errorf("%v", refused)
	}
	if spans := seen.named("aaf92f3577b34da6a3ce929d0e0e4736", "query"); len(spans) > 0 {
		t.Errorf("%v", spans)
	}
}

// Operations over a WebSocket have spans in the trace of the client. The
// connection has none.
func TestWebSocketOperationsAreTraced(t *testing.T) {
	t.Parallel()
	seen := newReceiver(t)
	w := newWorld(t, seen.use)
	s := w.as("ada").connect()
	s.subscribe("1", `query One { viewer { id } }`, nil)
	s.outcome("1")
	seen.received.Await(t, "it", func() bool {
		return len(seen.named("", "WEBSOCKET /graphql")) == 1 && len(seen.named("", "query")) == 1
	})
	if query := seen.named("", "query")[0]; string(query.ParentSpanId) != string(seen.named("", "WEBSOCKET /graphql")[0].SpanId) {
		t.Errorf("%v", query)
	}
}

func TestMailsAreTraced(t *testing.T) {
	t.Parallel()
	seen := newReceiver(t)
	w := newWorld(t, seen.use)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.AwaitMails(1)
	seen.received.Await(t, "it", func() bool { return len(seen.named("", "outbox INVITATION")) == 1 })
	round, sent := seen.named("", "outbox INVITATION")[0], seen.named("", "send")
	if len(sent) != 1 || string(sent[0].ParentSpanId) != string(round.SpanId) || said(sent[0], "datahub.job.outcome") != "sent" ||
		w.Number(`select count(*) from outbox where id = $1`, said(sent[0], "datahub.job.id")) != 1 {
		t.Errorf("%v: %v", round, sent)
	}
	if statements := seen.statements(fmt.Sprintf("%x", round.TraceId)); len(statements) == 0 {
		t.Error("no statements of it")
	}
}

// A failing receiver is logged once, and does not affect requests or the stop.
func TestFailingTraceReceiverIsLogged(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	for what, answer := range map[string]http.HandlerFunc{
		"hangs":   func(http.ResponseWriter, *http.Request) { <-hang },
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
		"is busy": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"is down": nil,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			asked := make(chan struct{}, 1000)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Connection", "close")
				select {
				case asked <- struct{}{}:
				default:
				}
				answer(w, r)
			}))
			if answer == nil {
				server.Close()
			} else {
				defer server.Close()
			}
			began := time.Now()
			w := newWorld(t, func(s *app.Settings) { s.TracesEndpoint = server.URL + "/traces" })
			ada := w.as("ada")
			for range 50 {
				ada.Ask(`{ viewer { id } }`, nil).OK()
			}
			if answer != nil {
				<-asked
			}
			if what == "hangs" {
				defer close(hang)
			}
			if err := w.Gateway.Stop(); err != nil {
				t.Error(err)
			}
			// It is logged once a minute.
			if lines := w.Log.Lines("traces cannot be sent"); len(lines) == 0 || len(lines) > 1+int(time.Since(began)/time.Minute) || lines[0]["error"] == "" {
				t.Errorf("%v", lines)
			}
		})
	}
}
