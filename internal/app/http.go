package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"golang.org/x/sync/singleflight"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
	"alphacruncher.com/datahub-gateway/internal/token"
	"alphacruncher.com/datahub-gateway/internal/token/jwks"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// api answers HTTP requests.
type api struct {
	settings    *Settings
	log         *slog.Logger
	db          *postgres.DB
	root        *resolvers.Root
	tokens      *token.Cache
	accounts    *account.Directory
	mailbox     *mailbox.Mailbox         // nil where mails go to a mail server
	operations  graphql.HandlerExtension // finds operations by their ids
	proxies     proxies
	anonymous   *anonymousLimit
	instruments instruments
	lifecycle   *lifecycle

	sockets  sync.WaitGroup // WebSockets, which net/http does not wait for
	checking singleflight.Group
}

const graphqlRoute = "/graphql"

// handler returns the routes, behind the middleware of all requests.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(graphqlRoute, chain(a.graphql(), a.guardOrigins, a.authenticate))
	mux.HandleFunc("GET /schema.graphql", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(schemaText()))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.ready)
	a.handlePage(mux, builtPage())
	if a.mailbox != nil {
		mux.Handle("GET /mailbox", onlyThisMachine(a.mailbox.ServePage))
		mux.Handle("GET /mailbox.json", onlyThisMachine(a.mailbox.ServeJSON))
	}
	return a.observed(mux)
}

// fail answers a request that did not reach the GraphQL handler.
func (a *api) fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	graphqlserver.Respond(w, r, status, &graphql.Response{Errors: gqlerror.List{a.present(r.Context(), err)}})
}

// failInternal answers a request that the gateway could not process: with 503
// where the database or the identity provider is unavailable, else with 500.
func (a *api) failInternal(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	if postgres.IsUnavailable(err) || errors.Is(err, jwks.ErrUnavailable) {
		status = http.StatusServiceUnavailable
	}
	a.fail(w, r, status, err)
}

// forbid answers a request with status 403.
func (a *api) forbid(w http.ResponseWriter, r *http.Request, f *fault.Fault) {
	a.fail(w, r, http.StatusForbidden, f)
}

const (
	// readinessTimeout bounds how long an answer about the readiness takes.
	readinessTimeout = time.Second
	// checkTimeout bounds the check itself. Where the first of several servers does not
	// answer, the connection to the next one takes longer than an answer; it is there for
	// the next one then.
	checkTimeout = 15 * time.Second
)

// ready serves GET /readyz, by which load balancers decide where to send requests.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	if err := a.sharedReadiness(r.Context()); err != nil {
		plain(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	plain(w, http.StatusOK, "ready")
}

var (
	errClientGone  = errors.New("the client has gone")
	errNoAnswer    = errors.New("the database does not answer")
	errWrongSchema = errors.New("the database's schema is not this gateway's")
	errReadOnly    = errors.New("the database only reads")
)

// sharedReadiness returns the readiness. Calls at the same time share one check, so that
// a crowd at /readyz takes one connection to the database.
func (a *api) sharedReadiness(ctx context.Context) error {
	check := a.checking.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(a.lifecycle.serving, checkTimeout)
		defer cancel()
		return nil, a.readiness(ctx)
	})
	timeout := time.NewTimer(readinessTimeout)
	defer timeout.Stop()
	select {
	case result := <-check:
		return result.Err
	case <-timeout.C:
		return errNoAnswer
	case <-ctx.Done():
		return errClientGone
	}
}

// readiness returns why requests should go to another gateway, in words that
// anybody may read.
func (a *api) readiness(ctx context.Context) error {
	if a.lifecycle.isStopping() {
		return errors.New("stopping")
	}
	err := a.db.CheckReady(ctx)
	wrong := (*postgres.SchemaError)(nil)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return errWrongSchema
	case postgres.IsReadOnly(err):
		return errReadOnly
	}
	return errNoAnswer
}

// plain answers with a line of text.
func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// httpServer serves the API until it is drained.
type httpServer struct {
	api         *api
	listener    net.Listener
	server      *http.Server
	connections *connections
	serving     sync.WaitGroup
	failed      chan error // the server's end, if nobody asked for it
}

// arrivalTime is how long a request may take to arrive: less than a stop waits
// for requests.
const arrivalTime = 15 * time.Second

func startHTTPServer(listener net.Listener, a *api) *httpServer {
	open := newConnections()
	s := &httpServer{api: a, listener: listener, connections: open, failed: make(chan error, 1), server: &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       min(a.settings.RequestTimeout, arrivalTime),
		WriteTimeout:      a.settings.RequestTimeout + 10*time.Second, // the answer to a request that timed out arrives too
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
		ConnState:         open.note,
	}}
	s.serving.Go(func() {
		err := errors.New("the server has panicked")
		recovery.Do(context.Background(), a.log, "server", func() { err = s.server.Serve(listener) })
		if !a.lifecycle.isStopping() {
			s.failed <- err
		}
	})
	return s
}
