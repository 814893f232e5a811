package graphqlserver

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
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// subprotocol is the one that is spoken: github.com/enisdenjo/graphql-ws,
// PROTOCOL.md.
const subprotocol = "graphql-transport-ws"

const (
	initTime    = 10 * time.Second // until the client must have signed in
	windTime    = 15 * time.Second // for operations to end before a connection does
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
	// SignIn gives a context of the person whom a request's header names, or
	// fails: with UNAUTHENTICATED where that is the client's fault.
	SignIn func(ctx context.Context, header http.Header) (context.Context, error)
	// SignedIn reports whether the request for the connection came with a token.
	SignedIn func(context.Context) bool
	// Observe names and logs an operation, until it is done.
	Observe func(context.Context) (_ context.Context, done func())
	// Open are the connections: the gateway waits for them when it stops.
	Open *sync.WaitGroup
}

var _ graphql.Transport = WebSocket{}

// Supports implements graphql.Transport.
func (WebSocket) Supports(r *http.Request) bool {
	for _, protocol := range strings.Split(strings.Join(r.Header.Values("Upgrade"), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
			return true
		}
	}
	return false // any other may be ignored (RFC 9110, section 7.8)
}

// Do implements graphql.Transport.
func (t WebSocket) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	t.Open.Add(1)
	defer t.Open.Done()
	// Whose pages may ask has been decided, as for every other request.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, InsecureSkipVerify: true})
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
	s := &socket{WebSocket: t, conn: conn, exec: exec, header: r.Header,
		running: map[string]*running{}, places: make(chan struct{}, t.MaxOperations)}
	signedIn := make(chan context.Context, 1)
	s.ended.Go(func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				_ = s.Recover(ctx, p)
			}
		}()
		s.watch(ctx, signedIn)
	})
	defer func() {
		cancel()
		s.ended.Wait()
	}()
	var c *closing
	if err := s.receive(ctx, signedIn); errors.As(err, &c) {
		_ = conn.Close(c.code, c.reason)
	}
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

	writing sync.Mutex
	places  chan struct{} // one for each operation until it has ended

	mu      sync.Mutex
	running map[string]*running // operations that the client listens to, by their ids
	winding bool                // nothing new is begun
	ended   sync.WaitGroup      // of operations, and of watch
}

// running is an operation under way.
type running struct {
	id         string
	cancel     context.CancelFunc
	subscribes bool
}

// watch closes the connection of a client that does not sign in, whose token
// expires or that is not there any more, and every one when the gateway stops.
func (s *socket) watch(ctx context.Context, signedIn <-chan context.Context) {
	unsigned := time.NewTimer(initTime)
	defer unsigned.Stop()
	expiry := time.NewTimer(0)
	expiry.Stop()
	defer expiry.Stop()
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.Closing:
			s.drain(ctx)
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
			s.drain(ctx)
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

// wind ends the subscriptions, has nothing new begin, and waits a while for the
// queries and mutations that have begun.
func (s *socket) drain(ctx context.Context) {
	s.mu.Lock()
	s.winding = true
	for _, run := range s.running {
		if run.subscribes {
			s.drop(run)
		}
	}
	s.mu.Unlock()
	timeout := time.NewTimer(windTime)
	defer timeout.Stop()
	for range cap(s.places) {
		select {
		case s.places <- struct{}{}:
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
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
	before := make(chan struct{}) // closed when the operations before have begun
	close(before)
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
			before, err = s.subscribe(person, m, before)
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
		header := s.header.Clone()
		header.Set("Authorization", authorization)
		person, err := s.SignIn(ctx, header)
		var f *fault.Fault
		switch {
		case err == nil:
			return person, nil
		case errors.As(err, &f) && f.Code == fault.Unauthenticated:
			return nil, &closing{closeForbidden, "Forbidden"}
		}
		return nil, &closing{websocket.StatusTryAgainLater, "DataHub cannot do this at the moment"}
	}
	if !s.SignedIn(ctx) {
		return nil, &closing{closeForbidden, "Forbidden"}
	}
	return ctx, nil
}

// send says something to the client. It goes on when an operation is cancelled
// in the middle: a message that is cut ends the connection.
func (s *socket) send(ctx context.Context, m message) error {
	content, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
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

// subscribe begins an operation. It gives what is closed when it has begun: not
// until those before have, so that who subscribes and then asks for the present
// state misses nothing.
func (s *socket) subscribe(person context.Context, m message, before chan struct{}) (chan struct{}, error) {
	if f := s.measure(m.Payload); f != nil {
		return before, s.refuse(person, m.ID, gqlerror.List{s.Present(person, f)})
	}
	var r request
	if m.ID == "" || len(m.ID) > maxIDLength || decode(m.Payload, &r) != nil || !r.whole() {
		return before, &closing{closeBadRequest, "Invalid message received"}
	}
	ctx, cancel := context.WithCancel(person)
	run := &running{id: m.ID, cancel: cancel}
	if err := s.add(ctx, run); err != nil {
		cancel()
		if f := (*fault.Fault)(nil); errors.As(err, &f) {
			err = s.refuse(ctx, m.ID, gqlerror.List{s.Present(ctx, f)})
		}
		return before, err
	}
	begun := make(chan struct{})
	s.ended.Go(func() {
		defer func() { <-s.places }()
		defer cancel()
		defer s.rescue(ctx, run)
		<-before
		s.execute(ctx, run, r.params(s.header), sync.OnceFunc(func() { close(begun) }))
	})
	return begun, nil
}

// add takes a place for an operation. It fails with RATE_LIMITED where the client
// listens to as many as it may, and with a *closing.
func (s *socket) add(ctx context.Context, run *running) error {
	s.mu.Lock()
	switch {
	case s.running[run.id] != nil:
		s.mu.Unlock()
		return &closing{closeIDInUse, "Subscriber for " + run.id + " already exists"}
	case len(s.running) >= s.MaxOperations:
		s.mu.Unlock()
		return &fault.Fault{
			Code:    fault.RateLimited,
			Reason:  fault.OperationsByConnection,
			Message: "There are too many operations over this connection at once.",
			Remedy:  "Complete some of them, or open another connection.",
		}
	}
	s.running[run.id] = run
	s.mu.Unlock()
	select { // those that were completed may take a moment to end
	case s.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// beginning notes what an operation is, and reports whether it may go on.
func (s *socket) beginning(run *running, operation *graphql.OperationContext) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	run.subscribes = subscribes(operation)
	if s.winding {
		s.drop(run)
	}
	return s.running[run.id] == run
}

// drop ends an operation that the client is not told about any more. s.mu is
// held.
func (s *socket) drop(run *running) {
	run.cancel()
	delete(s.running, run.id)
}

// complete ends an operation that the client does not listen to any more.
func (s *socket) complete(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if run := s.running[id]; run != nil {
		s.drop(run)
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
func (s *socket) execute(ctx context.Context, run *running, params *graphql.RawParams, begun func()) {
	defer begun()
	ctx, done := s.Observe(graphql.StartOperationTrace(ctx))
	defer done()
	operation, end, errs := s.begin(ctx, s.exec, params)
	defer end()
	if errs != nil {
		errs = s.exec.DispatchError(graphql.WithOperationContext(ctx, operation), errs).Errors
		if s.finish(run) {
			_ = s.refuse(ctx, run.id, errs)
		}
		return
	}
	if !s.beginning(run, operation) {
		return
	}
	u := s.Operations.execute(ctx, s.exec, operation)
	if run.subscribes {
		<-u.begun
	}
	begun()
	for response := range u.responses {
		if ctx.Err() == nil { // the client listens
			_ = s.send(ctx, message{ID: run.id, Type: "next", Payload: response})
		}
	}
	if !s.finish(run) {
		return
	}
	if err := u.why(); err != nil {
		_ = s.refuse(ctx, run.id, gqlerror.List{s.Present(graphql.WithOperationContext(ctx, operation), err)})
		return
	}
	_ = s.send(ctx, message{ID: run.id, Type: "complete"})
}

// rescue ends an operation that panicked outside of the executor.
func (s *socket) rescue(ctx context.Context, run *running) {
	if p := recover(); p != nil {
		err := s.Recover(ctx, p)
		if s.finish(run) {
			_ = s.refuse(ctx, run.id, gqlerror.List{s.Present(ctx, err)})
		}
	}
}
