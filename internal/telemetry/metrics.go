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

// other is the label of values that are not expected.
const other = "OTHER"

// Metrics count what one gateway does. A nil *Metrics counts nothing.
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

// NewMetrics returns metrics that count each of the error codes apart.
func NewMetrics(codes []string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		codes:    map[string]bool{},
		requests: counters("requests_total", "GraphQL operations, and requests that failed before an operation was known (kind none).", "kind", "outcome"),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "datahub_request_duration_seconds",
			Help:    "The time of queries, mutations, and requests that failed before an operation was known (kind none).",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30},
		}, []string{"kind"}),
		errors:   counters("errors_total", "Errors shown to clients.", "code"),
		refusals: counters("rate_limit_refusals_total", "RATE_LIMITED errors, by limit.", "limit"),
		panics:   prometheus.NewCounter(prometheus.CounterOpts{Name: "datahub_panics_total", Help: "Panics that were recovered; the log has the stack of each."}),
		statements: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "datahub_statement_duration_seconds",
			Help:    "The time of database statements, BEGIN and COMMIT included, without the wait for a connection.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}, []string{"outcome"}),
		jobs:        counters("jobs_total", "Attempts at jobs of the outbox: mails.", "kind", "outcome"),
		invitations: counters("invitations_total", "Invited addresses, by outcome.", "outcome"),
		ready:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "datahub_ready", Help: "1 where /readyz answers 200, else 0."}),
		outbox:      &backlog{},
	}
	m.registry.MustRegister(m.requests, m.durations, m.errors, m.refusals, m.panics, m.statements, m.jobs, m.invitations, m.ready, m.outbox,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	// A counter must exist before its first event, or rate() misses that event.
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

// Handler answers scrapes from memory, at most four at once.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             5 * time.Second,
	})
}

// Request counts a request. kind is the kind of its operation, or "".
func (m *Metrics) Request(kind, outcome string, took time.Duration) {
	if m == nil {
		return
	}
	if kind == "" {
		kind = "none"
	}
	m.requests.WithLabelValues(kind, outcome).Inc()
	if kind != "subscription" { // its time is the client's choice
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

// Limited counts a RATE_LIMITED error of a limit.
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

// Ready sets whether the gateway is ready.
func (m *Metrics) Ready(ready bool) {
	if m == nil {
		return
	}
	m.ready.Set(0)
	if ready {
		m.ready.Set(1)
	}
}

// Watch registers a gauge, or a counter where grows, whose value every scrape
// reads by calling read. read must not block.
func (m *Metrics) Watch(name, help string, grows bool, read func() float64) {
	if m == nil {
		return
	}
	if grows {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "datahub_" + name, Help: help}, read))
		return
	}
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "datahub_" + name, Help: help}, read))
}

// Backlog is the number and age of the waiting jobs of one kind and state.
type Backlog struct {
	Kind, State string
	Jobs        int
	Age         float64 // of the oldest, in seconds
	Overdue     float64 // seconds since the longest due job was due; 0 or less: none is due
}

// Outbox sets the backlog; nil: it is not known.
func (m *Metrics) Outbox(waiting []Backlog) {
	if m == nil {
		return
	}
	m.outbox.mu.Lock()
	defer m.outbox.mu.Unlock()
	m.outbox.waiting = waiting
}

// backlog is a collector of the backlog that was set last.
type backlog struct {
	mu      sync.Mutex
	waiting []Backlog
}

var (
	jobsWaiting = prometheus.NewDesc("datahub_outbox_jobs", "Jobs waiting in the outbox, counted up to 100,000 per state. Every gateway reports the same.", []string{"kind", "state"}, nil)
	oldestJob   = prometheus.NewDesc("datahub_outbox_oldest_seconds", "The age of the oldest waiting job.", []string{"kind", "state"}, nil)
	overdueJob  = prometheus.NewDesc("datahub_outbox_overdue_seconds", "How long the longest due job has been due.", []string{"kind"}, nil)
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
