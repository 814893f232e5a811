package app

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// Gateway is a gateway that serves: Start returns it, and Stop ends it.
type Gateway struct {
	http      *httpServer    // answers requests
	metrics   *metricsServer // answers scrapes; nil where metrics are off
	workers   *workers       // run beside requests
	resources *resources     // what these use

	stopNotice time.Duration
	stopOnce   sync.Once
	stopped    error // of the stop
}

// URL returns where the gateway listens.
func (g *Gateway) URL() string { return urlOf(g.http.listener) }

// MetricsURL returns where the metrics are, or "" where they are off.
func (g *Gateway) MetricsURL() string {
	if g.metrics == nil {
		return ""
	}
	return urlOf(g.metrics.listener) + "/metrics"
}

// Failed returns a channel that receives an error if the HTTP server ends by
// itself.
func (g *Gateway) Failed() <-chan error { return g.http.failed }

func urlOf(l net.Listener) string {
	addr := l.Addr().(*net.TCPAddr)
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(addr.Port))
}

// resources are closed in the reverse order of their opening.
type resources struct{ closers []func() }

func (r *resources) opened(close func()) { r.closers = append(r.closers, close) }

func (r *resources) close() {
	for len(r.closers) > 0 {
		last := len(r.closers) - 1
		r.closers[last]()
		r.closers = r.closers[:last]
	}
}
