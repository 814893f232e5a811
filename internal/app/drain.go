package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A gateway is, one after the other:
//
//	starting   Start builds it. Connections wait in the listener's queue.
//	ready      It serves.
//	stopping   /readyz fails, so that load balancers send requests elsewhere; the
//	           gateway still takes and answers everything, and asks clients to
//	           close their connections. This lasts DATAHUB_STOP_NOTICE.
//	draining   Subscriptions and workers end, connections close, new ones are
//	           refused, and requests that have begun are answered. This takes at
//	           most 2 closeTime + shutdownTime = 28 seconds.
//	stopped    Resources are closed, the mailbox and the traces within a second
//	           each: 30 seconds after the notice, when supervisors commonly send
//	           SIGKILL.
const (
	// closeTime is how long connections are asked to close, once before and once
	// after new ones are refused. A client that is sending requests one after the
	// other closes its connection after the next answer.
	closeTime = 4 * time.Second
	// quietTime ends this early, when no connection closes any more: those that are
	// left are idle, or wait for a long answer.
	quietTime = time.Second
	// shutdownTime is how long requests may then take.
	shutdownTime = 20 * time.Second
)

// lifecycle is what requests know about a stop.
type lifecycle struct {
	stopping atomic.Bool
	serving  context.Context // ends when draining begins
	drain    context.CancelFunc
	draining <-chan struct{} // closed when draining begins
}

func newLifecycle() *lifecycle {
	serving, drain := context.WithCancel(context.Background())
	return &lifecycle{serving: serving, drain: drain, draining: serving.Done()}
}

func (l *lifecycle) isStopping() bool { return l.stopping.Load() }

// closeConnections asks clients to close their connections, where the gateway is
// stopping by the time that it answers.
func (l *lifecycle) closeConnections(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&closingWriter{ResponseWriter: w, lifecycle: l}, r)
	})
}

type closingWriter struct {
	http.ResponseWriter
	lifecycle *lifecycle
}

func (w *closingWriter) ask() {
	if w.lifecycle.isStopping() {
		w.Header().Set("Connection", "close") // without effect after the header is written
	}
}

func (w *closingWriter) WriteHeader(status int) {
	w.ask()
	w.ResponseWriter.WriteHeader(status)
}

func (w *closingWriter) Write(b []byte) (int, error) {
	w.ask()
	return w.ResponseWriter.Write(b)
}

// Unwrap implements the method that http.ResponseController looks for.
func (w *closingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Stop ends the gateway: it answers requests and sends mails that have begun, and
// begins nothing new. It returns after DATAHUB_STOP_NOTICE and at most 30 seconds,
// with an error where it had to cut requests off. A second call waits for the
// first.
func (g *Gateway) Stop() error {
	g.stopOnce.Do(func() { g.stopped = g.stop() })
	return g.stopped
}

func (g *Gateway) stop() error {
	life := g.http.api.lifecycle
	life.stopping.Store(true)
	time.Sleep(g.stopNotice)
	life.drain()
	g.workers.stop()
	err := g.http.drain()
	g.workers.wait()
	g.resources.close()
	return err
}

// drain answers every request that a client has sent, and ends the server. The
// server may shut down only when connections have closed: net/http drops what it
// reads after Shutdown began.
func (s *httpServer) drain() error {
	s.connections.awaitClose()
	_ = s.listener.Close()
	s.serving.Wait()           // afterwards, every connection that was accepted is noted
	s.connections.awaitClose() // also those that waited in the listener's queue
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTime)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, net.ErrClosed) {
		err = nil // the listener is closed already
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were cut off: %w", err), s.server.Close())
	}
	s.api.sockets.Wait()
	return err
}

// connections are the connections to a server that are open.
type connections struct {
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed chan struct{} // receives when a connection has closed
}

func newConnections() *connections {
	return &connections{open: map[net.Conn]struct{}{}, closed: make(chan struct{}, 1)}
}

// note is http.Server.ConnState.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = struct{}{}
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
		select {
		case c.closed <- struct{}{}:
		default: // it is announced already
		}
	}
}

// awaitClose waits for the connections that are open now: until all have closed,
// until none has for quietTime, or for closeTime.
func (c *connections) awaitClose() {
	waiting := c.list()
	quiet, end := time.NewTimer(quietTime), time.NewTimer(closeTime)
	defer quiet.Stop()
	defer end.Stop()
	for len(waiting) > 0 {
		select {
		case <-c.closed:
			before := len(waiting)
			if waiting = c.stillOpen(waiting); len(waiting) < before {
				quiet.Reset(quietTime)
			}
		case <-quiet.C:
			return
		case <-end.C:
			return
		}
	}
}

func (c *connections) list() []net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.open))
}

// stillOpen returns the connections that are open, out of a list that it changes.
func (c *connections) stillOpen(of []net.Conn) []net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(of, func(conn net.Conn) bool { _, open := c.open[conn]; return !open })
}
