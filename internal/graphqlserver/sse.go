package graphqlserver

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// streamSSE answers with server-sent events, as the protocol of graphql-sse in
// its mode of distinct connections says: an event next for every response, and
// an event complete when there will be no more. A stream that ends without the
// latter is to be begun again.
//
// A query or a mutation that has begun is answered, whatever comes.
func (t HTTP) streamSSE(ctx context.Context, w http.ResponseWriter, exec graphql.GraphExecutor, operation *graphql.OperationContext) {
	cancel := context.CancelFunc(func() {})
	var closing <-chan struct{}
	if subscribes(operation) {
		ctx, cancel = t.untilExpiry(ctx)
		closing = t.Closing
	}
	u := t.execute(ctx, exec, operation)
	defer func() {
		cancel()
		for range u.responses { // until it has ended
		}
	}()
	select { // before the client is told that its stream is there
	case <-u.begun:
	case <-ctx.Done():
	case <-closing:
	}
	s := beginSSE(w)
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		select {
		case response, more := <-u.responses:
			if !more {
				if err := ending(ctx, u.why); err != nil {
					_ = s.next(encode(&graphql.Response{Errors: gqlerror.List{t.Present(graphql.WithOperationContext(ctx, operation), err)}}))
				}
				if ctx.Err() == nil || context.Cause(ctx) == errExpired {
					s.complete()
				}
				return
			}
			if s.next(response) != nil {
				return
			}
		case <-alive.C:
			if s.write(":\n\n") != nil {
				return
			}
		case <-closing:
			return
		}
	}
}

// ending is why a stream ended, for its client; nil: for nothing to tell.
func ending(ctx context.Context, why func() error) error {
	if context.Cause(ctx) == errExpired {
		return expired()
	}
	return why()
}

// sse writes server-sent events.
type sse struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func beginSSE(w http.ResponseWriter) sse {
	s := sse{w, http.NewResponseController(w)}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	// The times of a whole request are not those of a stream.
	_ = s.control.SetReadDeadline(time.Time{})
	w.WriteHeader(http.StatusOK)
	_ = s.write(":\n\n")
	return s
}

func (s sse) next(response []byte) error {
	return s.write("event: next\ndata: " + string(bytes.ReplaceAll(response, []byte("\n"), nil)) + "\n\n")
}

func (s sse) complete() { _ = s.write("event: complete\ndata:\n\n") }

func (s sse) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
