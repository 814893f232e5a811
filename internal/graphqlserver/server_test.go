package graphqlserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.uber.org/goleak"

	"alphacruncher.com/datahub-gateway/internal/fault"
)

// net/http keeps a connection for half a second after it refused a body.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

var schema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { name(in: String): String, wait: String, late: String, panic: String, fail: String }
	type Mutation { wait: String }
	type Subscription { ticks: String, panic: String }`})

// server serves a small schema with both transports. Clients reach it through
// pipes, so that a test can run in a bubble of synctest, where waiting takes no
// time.
type server struct {
	t      *testing.T
	client *http.Client
	pipes  pipes
	open   sync.WaitGroup

	started  chan string   // receives the name of each operation that starts
	release  chan struct{} // each value lets one field "wait" go on
	ticks    chan string   // what "ticks" reports; "" ends it
	stopping chan struct{}

	ending atomic.Pointer[error] // the error that ended "ticks"
	expiry atomic.Pointer[time.Time]
	busy   atomic.Bool // whether there is no slot

	full   atomic.Bool // whether Enter refuses
	inside atomic.Int64
}

// enter is Operations.Enter. It counts the requests that are worked on.
func (s *server) enter(ctx context.Context) (context.Context, func(), error) {
	if s.full.Load() {
		return ctx, nil, fault.New(fault.RateLimited, "too many")
	}
	s.inside.Add(1)
	return ctx, sync.OnceFunc(func() { s.inside.Add(-1) }), nil
}

const (
	maxBody       = 10_000
	maxValues     = 100
	maxOperations = 3
	timeout       = time.Minute
)

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{
		t:       t,
		pipes:   pipes{conns: make(chan net.Conn), closed: make(chan struct{})},
		started: make(chan string, 1000), release: make(chan struct{}), ticks: make(chan string), stopping: make(chan struct{}),
	}
	operations := Operations{
		Timeout: timeout, MaxValues: maxValues, Present: present, Recover: recoverPanic,
		Schema:          schema,
		Admits:          admits,
		Enter:           s.enter,
		Unauthenticated: func() *fault.Fault { return fault.New(fault.Unauthenticated, "no token") },
		Acquire: func(context.Context, *graphql.OperationContext) (func(), error) {
			if s.busy.Load() {
				return nil, fault.New(fault.RateLimited, "no slot")
			}
			return func() {}, nil
		},
		OnStart: func(_ context.Context, o *graphql.OperationContext) { s.started <- o.Operation.Name },
		WithChanges: func(ctx context.Context) (context.Context, Changes) {
			c := &changes{server: s, events: make(chan string, 1)}
			return context.WithValue(ctx, changesKey{}, c), c
		},
		TokenExpiry: func(context.Context) time.Time {
			if at := s.expiry.Load(); at != nil {
				return *at
			}
			return time.Time{}
		},
		Stopping: s.stopping,
	}
	graphqlHandler := handler.New(&graphql.ExecutableSchemaMock{
		SchemaFunc: func() *ast.Schema { return schema },
		ExecFunc:   s.exec,
		ComplexityFunc: func(context.Context, string, string, int, map[string]any) (int, bool) {
			return 0, false
		},
	})
	graphqlHandler.AddTransport(WebSocket{
		Operations: operations, MaxMessage: maxBody, MaxOperations: maxOperations, SignIn: signIn, SignedIn: isSignedIn,
		Observe: func(ctx context.Context) (context.Context, func()) { return ctx, func() {} }, Open: &s.open,
	})
	graphqlHandler.AddTransport(HTTP{Operations: operations, MaxBody: maxBody})
	graphqlHandler.SetErrorPresenter(present)
	graphqlHandler.SetRecoverFunc(recoverPanic)
	graphqlHandler.Use(guard{})

	httpServer := &http.Server{Handler: authenticate(graphqlHandler)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = httpServer.Serve(s.pipes) })
	transport := &http.Transport{DialContext: s.pipes.dial, DisableCompression: true}
	s.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = httpServer.Close()
		serving.Wait()
		s.open.Wait()
	})
	return s
}

// exec executes an operation. Generated code is not needed for it: each
// operation of the tests has one field.
func (s *server) exec(ctx context.Context) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx).Operation
	field := operation.SelectionSet[0].(*ast.Field).Name
	if operation.Operation == ast.Subscription {
		c := ctx.Value(changesKey{}).(*changes)
		c.subscribed = field == "ticks"
		return func(ctx context.Context) *graphql.Response { return c.response(ctx, field) }
	}
	if field == "late" {
		<-ctx.Done()
	}
	done := false
	return func(ctx context.Context) *graphql.Response {
		if done {
			return nil
		}
		done = true
		return s.resolve(ctx, field)
	}
}

func (s *server) resolve(ctx context.Context, field string) *graphql.Response {
	switch field {
	case "wait":
		select {
		case <-s.release:
		case <-ctx.Done():
			return &graphql.Response{Errors: gqlerror.List{present(ctx, fault.New(fault.Unavailable, "too late"))}, Data: []byte(`{"wait":null}`)}
		}
	case "panic":
		panic("on purpose")
	case "fail":
		return &graphql.Response{Errors: gqlerror.List{present(ctx, fault.New(fault.Forbidden, "no"))}, Data: []byte(`{"fail":null}`)}
	}
	return data(field, "Ada")
}

type changesKey struct{}

// changes are the changes of the subscription "ticks".
type changes struct {
	server     *server
	events     chan string
	subscribed bool
}

func (c *changes) Started() bool { return c.subscribed }

func (c *changes) Next(ctx context.Context, execute func() ([]byte, bool)) (responses [][]byte, err error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case ticks := <-c.server.ticks:
		if ticks == "" {
			if err := c.server.ending.Load(); err != nil {
				return nil, *err
			}
			return nil, context.Canceled
		}
		for tick := range strings.SplitSeq(ticks, ",") {
			c.events <- tick
			if response, failed := execute(); !failed {
				responses = append(responses, response)
			}
		}
		return responses, nil
	}
}

func (c *changes) Ended() <-chan struct{} { return nil }

func (c *changes) Close() { close(c.events) }

func (c *changes) response(ctx context.Context, field string) *graphql.Response {
	if field == "panic" {
		panic("on purpose")
	}
	select {
	case <-ctx.Done():
		return nil
	case tick := <-c.events:
		return data(field, tick)
	}
}

func data(field, value string) *graphql.Response {
	return &graphql.Response{Data: fmt.Appendf(nil, "{%q:\n%q}", field, value)}
}

func present(ctx context.Context, err error) *gqlerror.Error {
	var f *fault.Fault
	if !errors.As(err, &f) {
		f = fault.New(fault.BadUserInput, err.Error())
	}
	return &gqlerror.Error{Message: f.Message, Extensions: map[string]any{"code": f.Code}}
}

func recoverPanic(context.Context, any) error {
	return fault.New(fault.InternalServerError, "it panicked")
}

// guard refuses what admits does, like the guard of the gateway.
type guard struct{}

func (guard) ExtensionName() string                   { return "guard" }
func (guard) Validate(graphql.ExecutableSchema) error { return nil }

func (guard) MutateOperationContext(ctx context.Context, o *graphql.OperationContext) *gqlerror.Error {
	if !admits(ctx, o.Operation) {
		return &gqlerror.Error{Err: fault.New(fault.Unauthenticated, "no token")}
	}
	return nil
}

// admits reports true for everyone with a token, and for operations named
// Public.
func admits(ctx context.Context, o *ast.OperationDefinition) bool {
	return isSignedIn(ctx) || o.Name == "Public"
}

type personKey struct{}

func isSignedIn(ctx context.Context) bool { return ctx.Value(personKey{}) != nil }

// signIn accepts the token "good". It is unavailable for "later".
func signIn(ctx context.Context, header http.Header) (context.Context, error) {
	switch header.Get("Authorization") {
	case "Bearer good":
		return context.WithValue(ctx, personKey{}, "Ada"), nil
	case "Bearer unverified":
		return nil, &fault.Fault{Code: fault.Unauthenticated, Reason: fault.EmailNotVerified}
	case "Bearer later":
		return nil, fault.New(fault.Unavailable, "later")
	case "":
		return ctx, nil
	}
	return nil, fault.New(fault.Unauthenticated, "bad token")
}

func authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx, err := signIn(r.Context(), r.Header); err == nil {
			r = r.WithContext(ctx)
		}
		next.ServeHTTP(w, r)
	})
}

// pipes is a listener whose connections are in-memory pipes.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (p pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// request returns a request with a good token. Headers are names and values.
func (s *server) request(method, query, body string, header ...string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://gateway/graphql"+query, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer good")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	return r
}

// send sends a request, and returns the response with its body.
func (s *server) send(r *http.Request) (*http.Response, string) {
	s.t.Helper()
	response, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response, string(body)
}

// body returns the body of a request for an operation.
func body(query string) string {
	encoded, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		panic(err)
	}
	return string(encoded)
}
