package telemetry

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Outcomes of requests.
const (
	OK        = "ok"
	Refused   = "refused"   // by an error that is about the request
	Failed    = "failed"    // by UNAVAILABLE or INTERNAL_SERVER_ERROR
	Abandoned = "abandoned" // the client did not wait for the answer
)

// other is the label of what is not among the values that are expected.
const other = "OTHER"

// Metrics are a gateway's. A nil one counts nothing.
type Metrics struct {
	registry *prometheus.Registry
	codes    map[string]bool

	requests    *prometheus.CounterVec
	durations   *prometheus.HistogramVec
	errors      *prometheus.CounterVec
	refusals    *prometheus.CounterVec
	panics      prometheus.Counter
	statements  *prometheus.HistogramVec
	jobs        *prometheus.CounterVec
	invitations *prometheus.CounterVec
	ready       prometheus.Gauge
	outbox      *backlog
}

// NewMetrics makes metrics that tell some codes of errors apart.
func NewMetrics(codes []string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		codes:    map[string]bool{},
		requests: counters("requests_total", "GraphQL operations, and requests for them that did not come as far (kind none).", "kind", "outcome"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "datahub_request_duration_seconds",
			Help:    "The time of queries, mutations, and requests that did not come as far (kind none).",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30},
		}, []string{"kind"}),
		errors:   counters("errors_total", "Errors that clients were shown.", "code"),
		refusals: counters("rate_limit_refusals_total", "RATE_LIMITED errors, by the limit.", "limit"),
		panics:   prometheus.NewCounter(prometheus.CounterOpts{Name: "datahub_panics_total", Help: "Panics that were rescued; the log has the stack of each."}),
		statements: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "datahub_statement_duration_seconds",
			Help:    "The time of database statements, BEGIN and COMMIT included, without the waiting for a connection.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}, []string{"outcome"}),
		jobs:        counters("jobs_total", "Attempts at jobs of the outbox, which are mails.", "kind", "outcome"),
		invitations: counters("invitations_total", "Addresses that were invited, by what came of it.", "outcome"),
		ready:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "datahub_ready", Help: "Whether /readyz tells load balancers to send requests here."}),
		outbox:      &backlog{},
	}
	m.registry.MustRegister(m.requests, m.durations, m.errors, m.refusals, m.panics, m.statements, m.jobs, m.invitations, m.ready, m.outbox,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// A counter that is there before its first event shows that event as an
	// increase.
	for _, code := range append(codes, other) {
		m.codes[code] = true
		m.errors.WithLabelValues(code)
	}
	for _, kind := range []string{"query", "mutation", "subscription", "none"} {
		for _, outcome := range []string{OK, Refused, Failed, Abandoned} {
			m.requests.WithLabelValues(kind, outcome)
		}
	}
	for _, outcome := range []string{OK, Failed} {
		m.statements.WithLabelValues(outcome)
	}
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "datahub_" + name, Help: help}, labels)
}

// Handler answers scrapes, a few at once, from memory alone.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             5 * time.Second,
	})
}

// Request counts a request: of a kind of operation, or "".
func (m *Metrics) Request(kind, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	if kind == "" {
		kind = "none"
	}
	m.requests.WithLabelValues(kind, outcome).Inc()
	if kind != "subscription" { // which lasts as long as somebody watches
		m.durations.WithLabelValues(kind).Observe(took.Seconds())
	}
}

// Error counts an error that a client is shown.
func (m *Metrics) Error(code string) {
	if m == nil {
		return
	}
	if !m.codes[code] {
		code = other
	}
	m.errors.WithLabelValues(code).Inc()
}

// Limited counts a refusal because of a limit.
func (m *Metrics) Limited(limit string) {
	if m == nil {
		return
	}
	if limit == "" {
		limit = other
	}
	m.refusals.WithLabelValues(limit).Inc()
}

// Panic counts a panic.
func (m *Metrics) Panic() {
	if m != nil {
		m.panics.Inc()
	}
}

// Statement counts a database statement.
func (m *Metrics) Statement(took time.Duration, failed bool) {
	if m == nil {
		return
	}
	outcome := OK
	if failed {
		outcome = Failed
	}
	m.statements.WithLabelValues(outcome).Observe(took.Seconds())
}

// Job counts an attempt at a job.
func (m *Metrics) Job(kind, outcome string) {
	if m != nil {
		m.jobs.WithLabelValues(kind, outcome).Inc()
	}
}

// Invitation counts an address that was invited.
func (m *Metrics) Invitation(outcome string) {
	if m != nil {
		m.invitations.WithLabelValues(outcome).Inc()
	}
}

// Ready says whether the gateway is ready.
func (m *Metrics) Ready(ready bool) {
	if m == nil {
		return
	}
	m.ready.Set(0)
	if ready {
		m.ready.Set(1)
	}
}

// Watch has a gauge, or where it only grows a counter, asked for at every scrape.
// It must not wait for anybody.
func (m *Metrics) Watch(name, help string, grows bool, ask func() float64) {
	if m == nil {
		return
	}
	if grows {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "datahub_" + name, Help: help}, ask))
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "datahub_" + name, Help: help}, ask))
}

// Backlog is what waits in the outbox, of a kind and in a state.
type Backlog struct {
	Kind, State string
	Jobs        int
	Age         float64 // of the oldest, in seconds
	Overdue     float64 // of the one that is due for the longest time, in seconds; at most 0: none is
}

// Outbox says what waits; nil where that is not known.
func (m *Metrics) Outbox(waiting []Backlog) {
	if m == nil {
		return
	}
	m.outbox.mu.Lock()
	defer m.outbox.mu.Unlock()
	m.outbox.waiting = waiting
}

// backlog collects what was said last.
type backlog struct {
	mu      sync.Mutex
	waiting []Backlog
}

var (
	jobsWaiting = prometheus.NewDesc("datahub_outbox_jobs", "Jobs that wait in the outbox; 100,000 of a state at most are counted. Every gateway says the same.", []string{"kind", "state"}, nil)
	oldestJob   = prometheus.NewDesc("datahub_outbox_oldest_seconds", "How long ago the oldest job that waits was asked for.", []string{"kind", "state"}, nil)
	overdueJob  = prometheus.NewDesc("datahub_outbox_overdue_seconds", "For how long a job is due that nobody has taken.", []string{"kind"}, nil)
)

// Describe implements prometheus.Collector.
func (b *backlog) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsWaiting, oldestJob, overdueJob} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (b *backlog) Collect(to chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	overdue := map[string]float64{}
	for _, w := range b.waiting {
		to <- prometheus.MustNewConstMetric(jobsWaiting, prometheus.GaugeValue, float64(w.Jobs), w.Kind, w.State)
		to <- prometheus.MustNewConstMetric(oldestJob, prometheus.GaugeValue, w.Age, w.Kind, w.State)
		overdue[w.Kind] = max(overdue[w.Kind], w.Overdue)
	}
	for kind, seconds := range overdue {
		to <- prometheus.MustNewConstMetric(overdueJob, prometheus.GaugeValue, seconds, kind)
	}
}
