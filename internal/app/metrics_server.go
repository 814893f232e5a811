package app

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"alphacruncher.com/datahub-gateway/internal/telemetry"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

// metricsServer serves GET /metrics at an address of its own, from the start of
// the gateway until the end of its stop.
type metricsServer struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
}

func startMetricsServer(addr string, m *telemetry.Metrics, log *slog.Logger) (*metricsServer, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, setting("DATAHUB_METRICS_ADDR", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler(log))
	s := &metricsServer{listener: listener, server: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	s.serving.Go(func() {
		recovery.Do(context.Background(), log, "metrics", func() { _ = s.server.Serve(listener) })
	})
	return s, nil
}

func (s *metricsServer) close() {
	_ = s.server.Close() // at once: a scrape can be repeated
	s.serving.Wait()
}
