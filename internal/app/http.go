package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/trusteddocs"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry/requestid"
	"alphacruncher.com/datahub-gateway/internal/token"
	"alphacruncher.com/datahub-gateway/internal/token/jwks"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// api is what answers HTTP requests.
type api struct {
	settings *Settings
	log      *slog.Logger
	db       *postgres.DB
	root     *resolvers.Root
	tokens   token.Verifier
	people   *account.Directory
	mailbox  *mailbox.Mailbox // nil where mails go to a mail server
	seen     instruments

	persisted graphql.HandlerExtension // finds operations by their ids

	draining atomic.Bool
	closing  chan struct{}  // closed where streams are to end
	sockets  sync.WaitGroup // connections that net/http does not know any more
}

const graphqlRoute = "/graphql"

// handler routes requests.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	allowed, _ := parseOrigins(a.settings.AllowedOrigins) // when the settings were read
	mux.Handle(graphqlRoute, allowed.guard(a.authenticate(a.graphql()), func(w http.ResponseWriter, r *http.Request, f *fault.Fault) {
		a.fail(r.Context(), w, http.StatusForbidden, f)
	}))
	mux.HandleFunc("GET /schema.graphql", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(schemaText()))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.ready)
	a.handlePage(mux, builtPage())
	if a.mailbox != nil {
		mux.HandleFunc("GET /mailbox", a.mailbox.ServePage)
		mux.HandleFunc("GET /mailbox.json", a.mailbox.ServeJSON)
	}
	return a.observe(mux)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}

// ready tells load balancers whether to send requests here.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if err := a.readiness(ctx); err != nil {
		plain(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	plain(w, http.StatusOK, "ready")
}

// readiness is why requests should not be sent here, for anybody to know.
func (a *api) readiness(ctx context.Context) error {
	if a.draining.Load() {
		return errors.New("stopping")
	}
	err := a.db.CheckSchema(ctx)
	if wrong := (*postgres.SchemaError)(nil); errors.As(err, &wrong) {
		return errors.New("the database's schema is not this gateway's")
	}
	if err != nil {
		return errors.New("the database does not answer")
	}
	return nil
}

// graphql returns the GraphQL handler, before the authentication middleware.
func (a *api) graphql() http.Handler {
	server := handler.New(graph.NewExecutableSchema(a.root.Config()))
	documents := graphqlserver.NewDocumentCache(cachedDocuments, signedIn)
	guard := resolvers.Guard{
		Root:          a.root,
		Introspection: a.settings.introspection(),
		Tokens:        a.settings.MaxQueryTokens,
		Limits:        a.settings.documentLimits(),
		Known:         documents,
	}
	operations := graphqlserver.Operations{
		Timeout:         a.settings.RequestTimeout,
		MaxValues:       10_000 + complexity.Mutations*a.settings.MaxEmails,
		Present:         a.present,
		Recover:         a.root.Recover,
		Admits:          guard.Admits,
		Acquire:         newParallel(a.settings.MaxParallel).enter,
		Unauthenticated: resolvers.Unauthenticated,
		OnStart:         noteOperation,
		WithEnding: func(ctx context.Context) (context.Context, func() error) {
			ctx, ending := resolvers.WithEnding(postgres.WithBackgroundPriority(ctx))
			return ctx, ending.Err
		},
		TokenExpiry: tokenExpiry,
		Stopping:    a.closing,
	}
	server.AddTransport(graphqlserver.WebSocket{
		Operations:    operations,
		MaxMessage:    a.settings.MaxBodyBytes,
		MaxOperations: a.settings.MaxOperations,
		SignIn:        a.signIn,
		SignedIn:      signedIn,
		Observe:       a.observeOperation,
		Open:          &a.sockets,
	})
	server.AddTransport(graphqlserver.HTTP{Operations: operations, MaxBody: a.settings.MaxBodyBytes})
	server.SetErrorPresenter(a.present)
	server.SetRecoverFunc(a.root.Recover)
	server.SetParserTokenLimit(a.settings.MaxQueryTokens)
	server.SetQueryCache(documents)
	server.SetDisableSuggestion(!a.settings.introspection())
	server.Use(extension.Introspection{}) // guard decides
	server.Use(a.persisted)
	server.Use(guard)
	if a.seen.traces != nil {
		server.AroundOperations(a.seen.traceOperation)
	}
	return server
}

// persistedOperations are those that clients name by ids: whatever they have sent
// before or, where an operator has registered operations, those, and no others
// are carried out.
func (s *Settings) persistedOperations() (graphql.HandlerExtension, error) {
	if s.Operations == "" {
		return trusteddocs.NewAutomatic(cachedTexts, signedIn), nil
	}
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	registered, err := trusteddocs.ReadFile(s.Operations, func(text string) error {
		doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, s.MaxQueryTokens)
		if err != nil {
			return err
		}
		if err := s.documentLimits().Check(doc); err != nil {
			return err
		}
		if errs := validator.ValidateWithRules(schema, doc, nil); len(errs) > 0 {
			return errs[0]
		}
		return nil
	})
	if err != nil {
		return nil, setting("DATAHUB_OPERATIONS", err)
	}
	return registered, nil
}

// cachedTexts and cachedDocuments are how many octets are kept of operations that
// clients name by their hashes, and of documents that were parsed.
const cachedTexts, cachedDocuments = 4 << 20, 16 << 20

// authenticate finds out who asks. A request without a token goes on, to what
// is public.
func (a *api) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		signed, err := a.signIn(ctx, r.Header)
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(signed))
		case errors.Is(err, token.ErrInvalid):
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			a.fail(ctx, w, http.StatusUnauthorized, err)
		default:
			a.failed(ctx, w, err)
		}
	})
}

type expiryKey struct{}

// tokenExpiry is when the token expires by which the person is signed in; zero
// where nobody is.
func tokenExpiry(ctx context.Context) time.Time {
	expiry, _ := ctx.Value(expiryKey{}).(time.Time)
	return expiry
}

// signIn gives a context of the person whom a request's header names, if it
// names one. It fails with UNAUTHENTICATED because of token.ErrInvalid, and with
// UNAVAILABLE because of jwks.ErrUnavailable.
func (a *api) signIn(ctx context.Context, header http.Header) (context.Context, error) {
	values := header.Values("Authorization")
	if len(values) == 0 {
		return ctx, nil
	}
	actor, expiry, err := a.actor(ctx, values, header.Get("Accept-Language"))
	if err != nil {
		noteCause(ctx, err)
		switch {
		case errors.Is(err, token.ErrInvalid):
			err = &fault.Fault{Code: fault.Unauthenticated, Message: "The token is not valid.", Remedy: "Sign in again.", Cause: err}
		case errors.Is(err, jwks.ErrUnavailable):
			err = &fault.Fault{Code: fault.Unavailable, Message: "DataHub cannot verify tokens at the moment. Nothing was done.",
				Remedy: "Wait a little and send the request again.", Cause: err}
		}
		return nil, err
	}
	noteActor(ctx, actor)
	return access.WithActor(context.WithValue(ctx, expiryKey{}, expiry), actor), nil
}

func (a *api) actor(ctx context.Context, authorization []string, languages string) (actor access.Actor, expiry time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.settings.RequestTimeout)
	defer cancel()
	scheme, credentials, _ := strings.Cut(authorization[0], " ")
	if len(authorization) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return actor, expiry, token.ErrInvalid
	}
	identity, expiry, err := a.tokens.Verify(ctx, strings.TrimSpace(credentials))
	if err != nil {
		return actor, expiry, err
	}
	if identity.Locale == "" {
		identity.Locale = languages
	}
	actor, err = a.people.Actor(ctx, identity)
	return actor, expiry, err
}

// fail answers a request that did not come as far as GraphQL.
func (a *api) fail(ctx context.Context, w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	graphqlserver.Write(w, status, &graphql.Response{Errors: gqlerror.List{a.present(ctx, err)}})
}

// failed answers a request that the gateway could not answer.
func (a *api) failed(ctx context.Context, w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if postgres.IsUnavailable(err) || errors.Is(err, jwks.ErrUnavailable) {
		status = http.StatusServiceUnavailable
	}
	a.fail(ctx, w, status, err)
}

func signedIn(ctx context.Context) bool {
	_, ok := access.ActorOf(ctx)
	return ok
}

// observe names every request, logs it, and answers for panics.
func (a *api) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := ""
		ctx := a.seen.traces.Continue(r.Context(), r.Header)
		if r.URL.Path == graphqlRoute && !(graphqlserver.WebSocket{}).Supports(r) { // whose operations come one by one
			route = graphqlRoute
		}
		ctx, rec, done := a.recorded(ctx, methodOf(r), route)
		r = r.WithContext(ctx)
		header := w.Header()
		header.Set("X-Request-Id", requestid.Of(ctx))
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Frame-Options", "DENY")
		recorder := &statusRecorder{ResponseWriter: w, record: rec, draining: &a.draining}
		defer func() {
			p, begun := recover(), recorder.begun
			switch {
			case p != nil && begun:
				a.present(ctx, a.root.Recover(ctx, p))
			case p != nil:
				a.fail(ctx, recorder, http.StatusInternalServerError, a.root.Recover(ctx, p))
			}
			rec.noteRoute(r.Pattern)
			done()
			if p != nil && begun {
				panic(http.ErrAbortHandler) // half an answer is not to look like a whole one
			}
		}()
		next.ServeHTTP(recorder, r)
	})
}

// observeOperation names and logs an operation that came over a WebSocket.
func (a *api) observeOperation(ctx context.Context) (context.Context, func()) {
	ctx, _, done := a.recorded(ctx, "WEBSOCKET", graphqlRoute)
	if actor, ok := access.ActorOf(ctx); ok {
		noteActor(ctx, actor)
	}
	return ctx, done
}

// statusRecorder notes the status for the log, and tells the client to close
// its connection where the gateway is stopping by the time that it answers.
type statusRecorder struct {
	http.ResponseWriter
	record   *record
	draining *atomic.Bool
	begun    bool
}

func (w *statusRecorder) WriteHeader(status int) {
	w.record.status, w.begun = status, true
	if w.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusRecorder) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Unwrap serves http.ResponseController.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
