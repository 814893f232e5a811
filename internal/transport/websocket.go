package transport

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// subprotocol is the one that is spoken: github.com/enisdenjo/graphql-ws,
// PROTOCOL.md.
const subprotocol = "graphql-transport-ws"

const (
	initTime    = 10 * time.Second // until the client must have signed in
	maxIDLength = 64               // octets of the id of an operation
)

// The protocol's close codes.
const (
	closeBadRequest   websocket.StatusCode = 4400
	closeUnauthorized websocket.StatusCode = 4401
	closeForbidden    websocket.StatusCode = 4403
	closeSubprotocol  websocket.StatusCode = 4406
	closeInitTimeout  websocket.StatusCode = 4408
	closeIDInUse      websocket.StatusCode = 4409
	closeTooManyInits websocket.StatusCode = 4429
)

// WebSocket is the transport of all operations over graphql-transport-ws.
// gqlgen's own loses operations whose id is used twice, bounds neither their
// number nor the waiting for the client, and leaves goroutines behind.
type WebSocket struct {
	Operations
	MaxMessage    int64 // octets
	MaxOperations int   // at once over one connection
	// SignIn gives a context of the person whom the value of an Authorization
	// header names, or fails.
	SignIn func(ctx context.Context, authorization string) (context.Context, error)
	// SignedIn reports whether the request for the connection came with a token.
	SignedIn func(context.Context) bool
	// Observe names and logs an operation, until it is done.
	Observe func(context.Context) (_ context.Context, done func())
	// Open are the connections: the gateway waits for them when it stops.
	Open *sync.WaitGroup
}

var _ graphql.Transport = WebSocket{}

// Supports implements graphql.Transport.
func (WebSocket) Supports(r *http.Request) bool { return r.Header.Get("Upgrade") != "" }

// Do implements graphql.Transport.
func (t WebSocket) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	t.Open.Add(1)
	defer t.Open.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		return // and was answered
	}
	defer conn.CloseNow() //nolint:errcheck // where nothing else has closed it
	if conn.Subprotocol() != subprotocol {
		_ = conn.Close(closeSubprotocol, "Subprotocol not acceptable")
		return
	}
	conn.SetReadLimit(t.MaxMessage)
	// The request's own context says nothing of a connection that was taken over.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	s := &socket{WebSocket: t, conn: conn, exec: exec, header: r.Header, running: map[string]*running{}}
	signedIn := make(chan context.Context, 1)
	over := make(chan struct{})
	s.ended.Go(func() { s.watch(ctx, signedIn, over) })
	var c *closing
	if err := s.receive(ctx, signedIn); errors.As(err, &c) {
		_ = conn.Close(c.code, c.reason)
	}
	close(over)
	cancel()
	s.ended.Wait()
}

// closing ends the connection, with a code for the client.
type closing struct {
	code   websocket.StatusCode
	reason string
}

func (c *closing) Error() string { return c.reason }

// socket is one connection.
type socket struct {
	WebSocket
	conn   *websocket.Conn
	exec   graphql.GraphExecutor
	header http.Header

	mu      sync.Mutex
	running map[string]*running // operations that the client listens to, by their ids
	ended   sync.WaitGroup      // of operations, and of watch
}

// running is an operation under way.
type running struct {
	id     string
	cancel context.CancelFunc
}

// watch closes the connection of a client that does not sign in, whose token
// expires or that is not there any more, and every one when the gateway stops.
func (s *socket) watch(ctx context.Context, signedIn <-chan context.Context, over <-chan struct{}) {
	unsigned := time.NewTimer(initTime)
	defer unsigned.Stop()
	expiry := time.NewTimer(0)
	expiry.Stop()
	defer expiry.Stop()
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		select {
		case <-over:
			return
		case <-s.Closing:
			_ = s.conn.Close(websocket.StatusGoingAway, "The gateway is stopping")
			return
		case person := <-signedIn:
			unsigned.Stop()
			if until := s.Until(person); !until.IsZero() {
				expiry.Reset(time.Until(until))
			}
		case <-unsigned.C:
			_ = s.conn.Close(closeInitTimeout, "Connection initialisation timeout")
			return
		case <-expiry.C:
			_ = s.conn.Close(closeForbidden, "The token has expired")
			return
		case <-alive.C:
			if err := s.ping(ctx); err != nil {
				_ = s.conn.CloseNow()
				return
			}
		}
	}
}

func (s *socket) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	return s.conn.Ping(ctx)
}

// message is what both sides send one another.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// receive does what the client says until the connection ends, or has to: with
// a *closing. person is who has signed in: nil until then.
func (s *socket) receive(ctx context.Context, signedIn chan<- context.Context) error {
	var person context.Context
	for {
		kind, content, err := s.conn.Read(ctx)
		if err != nil {
			return err
		}
		var m message
		if kind != websocket.MessageText || decode(content, &m) != nil {
			return &closing{closeBadRequest, "Invalid message received"}
		}
		switch m.Type {
		case "connection_init":
			if person != nil {
				return &closing{closeTooManyInits, "Too many initialisation requests"}
			}
			if person, err = s.signIn(ctx, m.Payload); err != nil {
				return err
			}
			signedIn <- person
			err = s.send(ctx, message{Type: "connection_ack"})
		case "ping":
			err = s.send(ctx, message{Type: "pong"})
		case "pong":
		case "subscribe":
			if person == nil {
				return &closing{closeUnauthorized, "Unauthorized"}
			}
			err = s.subscribe(person, m)
		case "complete":
			s.complete(m.ID)
		default:
			return &closing{closeBadRequest, "Invalid message received"}
		}
		if err != nil {
			return err
		}
	}
}

// signIn finds out who is connected: by the payload of connection_init or, where
// it names nobody, by the request for the connection.
func (s *socket) signIn(ctx context.Context, payload json.RawMessage) (context.Context, error) {
	var fields map[string]any
	if payload != nil && decode(payload, &fields) != nil {
		return nil, &closing{closeBadRequest, "Invalid message received"}
	}
	for name, value := range fields {
		authorization, ok := value.(string)
		if !strings.EqualFold(name, "Authorization") || !ok {
			continue
		}
		person, err := s.SignIn(ctx, authorization)
		if err != nil {
			return nil, &closing{closeForbidden, "Forbidden"}
		}
		return person, nil
	}
	if !s.SignedIn(ctx) {
		return nil, &closing{closeForbidden, "Forbidden"}
	}
	return ctx, nil
}

// send says something to the client. It goes on when an operation is cancelled
// in the middle: a message that is cut ends the connection.
func (s *socket) send(ctx context.Context, m message) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	content, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return s.conn.Write(ctx, websocket.MessageText, content)
}

// refuse ends an operation with errors.
func (s *socket) refuse(ctx context.Context, id string, errs gqlerror.List) error {
	payload, err := json.Marshal(errs)
	if err != nil {
		panic(err)
	}
	return s.send(ctx, message{ID: id, Type: "error", Payload: payload})
}

// subscribe begins an operation.
func (s *socket) subscribe(person context.Context, m message) error {
	var r request
	if m.ID == "" || len(m.ID) > maxIDLength || decode(m.Payload, &r) != nil || r.Query == nil {
		return &closing{closeBadRequest, "Invalid message received"}
	}
	params := r.params(s.header)
	ctx, cancel := context.WithCancel(person)
	run := &running{m.ID, cancel}
	switch taken, full := s.add(run); {
	case taken:
		cancel()
		return &closing{closeIDInUse, "Subscriber for " + m.ID + " already exists"}
	case full:
		cancel()
		return s.refuse(ctx, m.ID, gqlerror.List{s.Present(ctx, &fault.Fault{
			Code:    fault.RateLimited,
			Message: "There are too many operations over this connection at once.",
			Remedy:  "Complete some of them, or open another connection.",
		})})
	}
	s.ended.Go(func() {
		defer cancel()
		s.carryOut(ctx, run, params)
	})
	return nil
}

func (s *socket) add(run *running) (taken, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[run.id] != nil {
		return true, false
	}
	if len(s.running) >= s.MaxOperations {
		return false, true
	}
	s.running[run.id] = run
	return false, false
}

// complete ends an operation that the client does not listen to any more.
func (s *socket) complete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if run := s.running[id]; run != nil {
		run.cancel()
		delete(s.running, id)
	}
}

// finish forgets an operation, and reports whether the client waits for its end.
func (s *socket) finish(run *running) (listening bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[run.id] != run {
		return false
	}
	delete(s.running, run.id)
	return true
}

// carryOut carries out an operation and tells the client what comes of it. That
// the client has gone shows where the connection is read.
func (s *socket) carryOut(ctx context.Context, run *running, params *graphql.RawParams) {
	ctx, done := s.Observe(graphql.StartOperationTrace(ctx))
	defer done()
	operation, errs := s.begin(ctx, s.exec, params)
	if errs != nil {
		errs = s.exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs).Errors
		if s.finish(run) {
			_ = s.refuse(ctx, run.id, errs)
		}
		return
	}
	timed := ctx
	if operation.Operation.Operation != ast.Subscription {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeout(ctx, s.Timeout)
		defer cancel()
	}
	responses, why := s.stream(timed, s.exec, operation)
	for response := range responses {
		if ctx.Err() == nil { // the client listens
			_ = s.send(ctx, message{ID: run.id, Type: "next", Payload: response})
		}
	}
	if !s.finish(run) {
		return
	}
	if err := why(); err != nil {
		_ = s.refuse(ctx, run.id, gqlerror.List{s.Present(graphql.WithOperationContext(ctx, operation), err)})
		return
	}
	_ = s.send(ctx, message{ID: run.id, Type: "complete"})
}
