package graphqlserver

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// stream responds with server-sent events, as the graphql-sse protocol says for
// its distinct connections mode: an event "next" for each response, and an event
// "complete" after the last one. The client should subscribe again where a stream
// ends without "complete".
//
// A query or a mutation that has started is answered even if the token expires
// or the gateway stops meanwhile.
func (t HTTP) stream(ctx context.Context, w http.ResponseWriter, exec graphql.GraphExecutor, operation *graphql.OperationContext) {
	cancel := context.CancelFunc(func() {})
	var stopping <-chan struct{}
	if isSubscription(operation) {
		ctx, cancel = t.withTokenExpiry(ctx)
		stopping = t.Stopping
	}
	x := t.execute(ctx, exec, operation)
	defer func() {
		cancel()
		for range x.responses { // until the execution has ended
		}
	}()
	// The response's headers tell the client that the subscription has started.
	select {
	case <-x.started:
	case <-ctx.Done():
	case <-stopping:
	}
	s := startEvents(w)
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		select {
		case responses, more := <-x.responses:
			if !more {
				t.endStream(ctx, s, operation, x)
				return
			}
			if s.next(responses...) != nil {
				return
			}
		case <-alive.C:
			if s.comment() != nil {
				return
			}
		case <-stopping:
			return
		}
	}
}

// endStream sends the error that ended a subscription, if any, and then
// "complete", unless the client has gone.
func (t HTTP) endStream(ctx context.Context, s events, operation *graphql.OperationContext, x execution) {
	expired := context.Cause(ctx) == errTokenExpired
	err := x.ending()
	if expired {
		err = tokenExpired()
	}
	if err != nil {
		_ = s.next(encode(&graphql.Response{Errors: gqlerror.List{t.Present(graphql.WithOperationContext(ctx, operation), err)}}))
	}
	if ctx.Err() == nil || expired {
		s.complete()
	}
}

// events writes server-sent events (HTML standard, section 9.2).
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// startEvents sends the headers of the response.
func startEvents(w http.ResponseWriter) events {
	s := events{w, http.NewResponseController(w)}
	w.Header().Set("Content-Type", eventStream+"; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	// The server's deadlines are for whole requests.
	_ = s.control.SetReadDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	_ = s.comment()
	return s
}

func (s events) next(responses ...[]byte) error {
	size := 0
	for _, response := range responses {
		size += len(response) + len("event: next\ndata: \n\n")
	}
	text := bytes.NewBuffer(make([]byte, 0, size))
	for _, response := range responses {
		text.WriteString("event: next\ndata: ")
		for line := range bytes.Lines(response) {
			text.Write(bytes.TrimSuffix(line, []byte("\n")))
		}
		text.WriteString("\n\n")
	}
	return s.write(text.Bytes())
}

func (s events) complete() { _ = s.write([]byte("event: complete\ndata:\n\n")) }

// comment sends an empty comment, which clients ignore.
func (s events) comment() error { return s.write([]byte(":\n\n")) }

func (s events) write(text []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := s.w.Write(text); err != nil {
		return err
	}
	return s.control.Flush()
}
