package graphqlserver

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// connection is one WebSocket connection. Three kinds of goroutines use it: the
// one that receives messages, the one that supervises, and one for each
// operation.
type connection struct {
	WebSocket
	conn   *websocket.Conn
	exec   graphql.GraphExecutor
	header http.Header // of the request for the connection

	writing    sync.Mutex
	slots      chan struct{}  // one element for each operation until it has ended
	goroutines sync.WaitGroup // supervise, and the operations

	mu        sync.Mutex
	listeners map[string]*running // operations that the client listens to, by id
	draining  bool                // whether no further operation starts
}

func newConnection(t WebSocket, conn *websocket.Conn, exec graphql.GraphExecutor, header http.Header) *connection {
	return &connection{WebSocket: t, conn: conn, exec: exec, header: header,
		slots: make(chan struct{}, t.MaxOperations), listeners: map[string]*running{}}
}

// supervise closes the connection when the client does not initialise it in
// time, when the token expires, when the client does not answer pings, and when
// the gateway stops. signedIn receives the context with the person.
func (c *connection) supervise(ctx context.Context, signedIn <-chan context.Context) {
	initialised := time.NewTimer(initTimeout)
	defer initialised.Stop()
	expiry := time.NewTimer(0)
	expiry.Stop()
	defer expiry.Stop()
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.Stopping:
			c.drain(ctx)
			_ = c.conn.Close(websocket.StatusGoingAway, "The gateway is stopping")
			return
		case person := <-signedIn:
			initialised.Stop()
			if at := c.TokenExpiry(person); !at.IsZero() {
				expiry.Reset(time.Until(at))
			}
		case <-initialised.C:
			_ = c.conn.Close(closeInitTimeout, "Connection initialisation timeout")
			return
		case <-expiry.C:
			c.drain(ctx)
			_ = c.conn.Close(closeForbidden, "The token has expired")
			return
		case <-alive.C:
			if err := c.ping(ctx); err != nil {
				_ = c.conn.CloseNow()
				return
			}
		}
	}
}

// drain ends the subscriptions, and waits for the queries and mutations that have
// started. No operation starts any more.
func (c *connection) drain(ctx context.Context) {
	c.mu.Lock()
	c.draining = true
	for _, run := range c.listeners {
		if run.subscription {
			c.drop(run)
		}
	}
	c.mu.Unlock()
	timeout := time.NewTimer(drainTimeout)
	defer timeout.Stop()
	for range cap(c.slots) {
		select {
		case c.slots <- struct{}{}:
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (c *connection) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return c.conn.Ping(ctx)
}

// message is a message of the protocol, in either direction.
type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// messageKeys are the keys of a message.
var messageKeys = []string{"id", "type", "payload"}

// receive handles the messages of the client until the connection ends. It fails
// with a *closeError where the client violates the protocol.
func (c *connection) receive(ctx context.Context, signedIn chan<- context.Context) error {
	var person context.Context      // nil before connection_init
	previous := make(chan struct{}) // closed when the previous operation has started
	close(previous)
	for {
		kind, content, err := c.conn.Read(ctx)
		if err != nil {
			return err
		}
		var m message
		if kind != websocket.MessageText || decode(content, &m) != nil {
			return errInvalidMessage
		}
		depth := math.MaxInt
		if m.Type == "subscribe" {
			depth = 1 // subscribe checks the operation, whose errors have its id
		}
		if checkKeysTo(depth, content, messageKeys...) != nil {
			return errInvalidMessage
		}
		switch m.Type {
		case "connection_init":
			if person != nil {
				return &closeError{closeTooManyInits, "Too many initialisation requests"}
			}
			if person, err = c.signIn(ctx, m.Payload); err != nil {
				return err
			}
			signedIn <- person
			err = c.send(ctx, message{Type: "connection_ack"})
		case "ping":
			err = c.send(ctx, message{Type: "pong"})
		case "pong":
		case "subscribe":
			if person == nil {
				return &closeError{closeUnauthorized, "Unauthorized"}
			}
			previous, err = c.subscribe(person, m, previous)
		case "complete":
			c.complete(m.ID)
		default:
			return errInvalidMessage
		}
		if err != nil {
			return err
		}
	}
}

// signIn returns a context with the person whose token is in the payload of
// connection_init or else in the request for the connection.
func (c *connection) signIn(ctx context.Context, payload json.RawMessage) (context.Context, error) {
	var fields map[string]any
	if payload != nil && decode(payload, &fields) != nil {
		return nil, errInvalidMessage
	}
	for name, value := range fields {
		authorization, ok := value.(string)
		if !strings.EqualFold(name, "Authorization") || !ok {
			continue
		}
		header := c.header.Clone()
		header.Set("Authorization", authorization)
		person, err := c.SignIn(ctx, header)
		var f *fault.Fault
		switch {
		case err == nil:
			return person, nil
		case errors.As(err, &f) && f.Code == fault.Unauthenticated:
			return nil, forbiddenClose(f)
		}
		return nil, &closeError{websocket.StatusTryAgainLater, "DataHub cannot do this at the moment"}
	}
	if !c.SignedIn(ctx) {
		return nil, forbiddenClose(c.Unauthenticated())
	}
	return ctx, nil
}

// forbiddenClose ends a connection whose person is refused. Its text has the code and
// the reason, as in the error that HTTP would answer with.
func forbiddenClose(f *fault.Fault) *closeError {
	text := strings.TrimSpace("Forbidden: " + string(f.Code) + " " + f.Reason)
	return &closeError{closeForbidden, text[:min(len(text), maxCloseReason)]}
}

// send sends a message. It does so even when the operation is cancelled
// meanwhile: the connection ends with a message that is cut off.
func (c *connection) send(ctx context.Context, m message) error {
	content, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, content)
}

// sendErrors sends the errors that end an operation.
func (c *connection) sendErrors(ctx context.Context, id string, errs gqlerror.List) error {
	payload, err := json.Marshal(errs)
	if err != nil {
		panic(err)
	}
	return c.send(ctx, message{ID: id, Type: "error", Payload: payload})
}
