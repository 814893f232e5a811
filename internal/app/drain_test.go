package app

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// openSome opens connections, and returns a function that closes one of them. The
// function is safe for concurrent use, as timers call it.
func (c *connections) openSome(n int) (closeOne func()) {
	var open []net.Conn
	for range n {
		conn, _ := net.Pipe()
		c.note(conn, http.StateNew)
		open = append(open, conn)
	}
	var mu sync.Mutex
	return func() {
		mu.Lock()
		defer mu.Unlock()
		c.note(open[0], http.StateClosed)
		open = open[1:]
	}
}

func TestDrainWaitsForConnectionsAsLongAsSomeClose(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		open   int
		closed []time.Duration // when one of them closes
		waits  time.Duration
	}{
		"no connections":                   {0, nil, 0},
		"all close":                        {2, []time.Duration{0, 300 * time.Millisecond}, 300 * time.Millisecond},
		"none closes":                      {2, nil, quietTime},
		"the last does not close":          {3, []time.Duration{500 * time.Millisecond, 1400 * time.Millisecond}, 1400*time.Millisecond + quietTime},
		"one after the other, for a while": {9, []time.Duration{800 * time.Millisecond, 1600 * time.Millisecond, 2400 * time.Millisecond, 3200 * time.Millisecond, 3900 * time.Millisecond}, closeTime},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				connections := newConnections()
				closeOne := connections.openSome(c.open)
				start := time.Now()
				for _, after := range c.closed {
					time.AfterFunc(after, closeOne)
				}
				connections.awaitClose()
				if took := time.Since(start); took != c.waits {
					t.Errorf("it waited %v, want %v", took, c.waits)
				}
			})
		})
	}
}

// New connections do not prolong the wait for the old ones.
func TestDrainDoesNotWaitForNewConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		connections := newConnections()
		connections.openSome(1)
		start := time.Now()
		for i := range 20 {
			time.AfterFunc(time.Duration(i)*100*time.Millisecond, func() { connections.openSome(1)() })
		}
		connections.awaitClose()
		if took := time.Since(start); took != quietTime {
			t.Errorf("it waited %v, want %v", took, quietTime)
		}
	})
}

func TestStoppingGatewayAsksClientsToCloseTheirConnections(t *testing.T) {
	t.Parallel()
	life := newLifecycle()
	write := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }
	for _, stopping := range []bool{false, true} {
		life.stopping.Store(stopping)
		for what, answer := range map[string]http.HandlerFunc{"a text": write, "a status": refuse} {
			recorder := httptest.NewRecorder()
			life.closeConnections(answer).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
			if asked := recorder.Result().Header.Get("Connection") == "close"; asked != stopping {
				t.Errorf("stopping %v, %s: asked to close: %v", stopping, what, asked)
			}
		}
	}
}
