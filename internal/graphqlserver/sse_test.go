package graphqlserver

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// eventReader reads server-sent events.
type eventReader struct {
	t        *testing.T
	response *http.Response
	lines    *bufio.Reader
}

// subscribe starts a subscription. It returns when the headers have arrived.
func (s *server) subscribe(query string) eventReader {
	s.t.Helper()
	response, err := s.client.Do(s.request(http.MethodPost, "", body(query), "Content-Type", "application/json", "Accept", eventStream))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("X-Accel-Buffering") != "no" {
		s.t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	return eventReader{s.t, response, bufio.NewReader(response.Body)}
}

// block returns the lines up to the next empty one, or "EOF".
func (r eventReader) block() string {
	r.t.Helper()
	var block strings.Builder
	for {
		line, err := r.lines.ReadString('\n')
		if err == io.EOF && block.Len() == 0 {
			return "EOF"
		}
		if err != nil {
			r.t.Fatalf("%q: %v", block.String()+line, err)
		}
		if line == "\n" {
			return strings.TrimSuffix(block.String(), "\n")
		}
		block.WriteString(line)
	}
}

// want fails the test where the next blocks are others.
func (r eventReader) want(blocks ...string) {
	r.t.Helper()
	for _, want := range blocks {
		if got := r.block(); got != want {
			r.t.Errorf("got %q, want %q", got, want)
		}
	}
}

const completed = "event: complete\ndata:"

func TestSubscriptionIsAStreamOfEvents(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := s.subscribe("subscription Named{ticks}")
	if name := <-s.started; name != "Named" {
		t.Errorf("%s has started", name)
	}
	r.want(":")
	s.ticks <- "one"
	r.want("event: next\ndata: " + `{"data":{"ticks":"one"}}`)
	s.ticks <- "two,three" // at once
	r.want("event: next\ndata: "+`{"data":{"ticks":"two"}}`, "event: next\ndata: "+`{"data":{"ticks":"three"}}`)
	s.ticks <- ""
	r.want(completed, "EOF")
}

func TestErrorOfASubscriptionIsItsLastEvent(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	err := error(fault.New(fault.Forbidden, "the role has ended"))
	s.ending.Store(&err)
	r := s.subscribe("subscription{ticks}")
	r.want(":")
	s.ticks <- ""
	r.want("event: next\ndata: "+`{"errors":[{"message":"the role has ended","extensions":{"code":"FORBIDDEN"}}]}`, completed, "EOF")
}

func TestPanicOfASubscriptionIsAnError(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := s.subscribe("subscription{panic}")
	r.want(":")
	if got := r.block(); !strings.Contains(got, "INTERNAL_SERVER_ERROR") || strings.Contains(got, "on purpose") {
		t.Error(got)
	}
	r.want(completed, "EOF")
}

func TestStreamEndsWhenTheTokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		expiry := time.Now().Add(keepAlive + time.Second)
		s.expiry.Store(&expiry)
		r := s.subscribe("subscription{ticks}")
		r.want(":", ":")
		if got := r.block(); !strings.Contains(got, "UNAUTHENTICATED") {
			t.Error(got)
		}
		r.want(completed, "EOF")
		if !time.Now().Equal(expiry) {
			t.Errorf("it ended %v after the token", time.Since(expiry))
		}
	})
}

func TestIdleStreamSendsASignOfLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		r := s.subscribe("subscription{ticks}")
		r.want(":")
		start := time.Now()
		r.want(":", ":")
		if took := time.Since(start); took != 2*keepAlive {
			t.Errorf("two comments came within %v", took)
		}
		s.ticks <- ""
		r.want(completed)
	})
}

// Without "complete", the client subscribes again: to another gateway.
func TestStreamEndsWithoutCompleteWhenTheGatewayStops(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := s.subscribe("subscription{ticks}")
	r.want(":")
	close(s.stopping)
	r.want("EOF")
}

func TestMutationInAStreamIsAnsweredAlthoughTheGatewayStops(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	expired := time.Now().Add(-time.Hour)
	s.expiry.Store(&expired)
	r := s.subscribe("mutation{wait}")
	r.want(":")
	close(s.stopping)
	s.release <- struct{}{}
	r.want("event: next\ndata: "+`{"data":{"wait":"Ada"}}`, completed, "EOF")
}

// A stream whose client has gone must not hold its goroutine or its slot: the
// server's Close, in the cleanup, waits for it.
func TestStreamEndsWhenTheClientGoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		r := s.subscribe("subscription{ticks}")
		r.want(":")
		r.response.Body.Close()
		synctest.Wait()
		select {
		case s.ticks <- "one":
			t.Error("the subscription goes on")
		default:
		}
	})
}

// A client that does not read must not hold the subscription.
func TestStreamEndsWhenTheClientDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		conn, err := s.pipes.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		request := s.request(http.MethodPost, "", body("subscription{ticks}"), "Content-Type", "application/json", "Accept", eventStream)
		if err := request.Write(conn); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		<-time.After(writeTimeout + time.Second)
		synctest.Wait()
		select {
		case s.ticks <- "one":
			t.Error("the subscription goes on")
		default:
		}
	})
}
