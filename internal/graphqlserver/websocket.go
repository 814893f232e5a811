package graphqlserver

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"github.com/99designs/gqlgen/graphql"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

const subprotocol = "graphql-transport-ws"

const (
	initTimeout  = 10 * time.Second // for connection_init
	drainTimeout = 15 * time.Second // for operations, before the connection is closed
	maxIDLength  = 64               // of the id of an operation, in octets

	maxCloseReason = 123 // octets of the text of a close code (RFC 6455, section 5.5)
)

// The close codes of the protocol.
const (
	closeBadRequest   websocket.StatusCode = 4400
	closeUnauthorized websocket.StatusCode = 4401
	closeForbidden    websocket.StatusCode = 4403
	closeSubprotocol  websocket.StatusCode = 4406
	closeInitTimeout  websocket.StatusCode = 4408
	closeIDInUse      websocket.StatusCode = 4409
	closeTooManyInits websocket.StatusCode = 4429
)

// closeError ends the connection, with a code for the client.
type closeError struct {
	code   websocket.StatusCode
	reason string
}

func (e *closeError) Error() string { return e.reason }

var errInvalidMessage = &closeError{closeBadRequest, "Invalid message received"}

// WebSocket is the transport for operations of all kinds over
// graphql-transport-ws.
type WebSocket struct {
	Operations
	MaxMessage    int64 // octets
	MaxOperations int   // concurrent ones over a connection
	// SignIn returns a context with the person of the token in a header. It fails
	// with UNAUTHENTICATED where the token is not valid.
	SignIn func(ctx context.Context, header http.Header) (context.Context, error)
	// SignedIn reports whether the context has a person.
	SignedIn func(context.Context) bool
	// Observe starts the log and the metrics of an operation, and returns what
	// ends them.
	Observe func(context.Context) (_ context.Context, done func())
	// Open counts the open connections, which net/http does not wait for when the
	// gateway stops.
	Open *sync.WaitGroup
}

var _ graphql.Transport = WebSocket{}

// Supports implements graphql.Transport. An upgrade to another protocol may be
// ignored (RFC 9110, section 7.8): it is then an HTTP request.
func (WebSocket) Supports(r *http.Request) bool {
	for _, protocol := range strings.Split(strings.Join(r.Header.Values("Upgrade"), ","), ",") {
		if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
			return true
		}
	}
	return false
}

// handshake withholds what websocket.Accept writes when it refuses a handshake:
// plain text, which GraphQL clients cannot read.
type handshake struct {
	http.ResponseWriter
	refused int // the status; 0: not refused
}

// WriteHeader implements http.ResponseWriter.
func (h *handshake) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols {
		h.ResponseWriter.WriteHeader(status)
		return
	}
	h.refused = status
}

// Write implements http.ResponseWriter. Accept writes nothing but refusals.
func (h *handshake) Write(b []byte) (int, error) { return len(b), nil }

// Unwrap is for http.ResponseController and websocket.Accept.
func (h *handshake) Unwrap() http.ResponseWriter { return h.ResponseWriter }

// Do implements graphql.Transport. It returns when the connection is closed and
// its operations have ended.
func (t WebSocket) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	t.Open.Add(1)
	defer t.Open.Done()
	// The gateway has checked the origin, as of every request.
	h := &handshake{ResponseWriter: w}
	conn, err := websocket.Accept(h, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}, InsecureSkipVerify: true})
	if err != nil {
		if h.refused != 0 {
			f := fault.New(fault.BadRequest, "The WebSocket cannot be opened: the opening handshake is not as RFC 6455, section 4.2.1 requires.")
			Respond(w, r, h.refused, &graphql.Response{Errors: gqlerror.List{t.Present(r.Context(), f)}})
		}
		return
	}
	defer conn.CloseNow() //nolint:errcheck // it is closed already, except after a panic
	if conn.Subprotocol() != subprotocol {
		_ = conn.Close(closeSubprotocol, "Subprotocol not acceptable")
		return
	}
	conn.SetReadLimit(t.MaxMessage)
	// net/http does not cancel the context of a hijacked connection.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	c := newConnection(t, conn, exec, r.Header)
	signedIn := make(chan context.Context, 1)
	c.goroutines.Go(func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				_ = c.Recover(ctx, p)
			}
		}()
		c.supervise(ctx, signedIn)
	})
	defer func() {
		cancel()
		c.goroutines.Wait()
	}()
	var closing *closeError
	if err := c.receive(ctx, signedIn); errors.As(err, &closing) {
		_ = conn.Close(closing.code, closing.reason)
	}
}
