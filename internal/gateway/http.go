package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/playground"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/mailbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/requestid"
	"alphacruncher.com/datahub-gateway/internal/token"
	"alphacruncher.com/datahub-gateway/internal/transport"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// api is what answers HTTP requests.
type api struct {
	settings *Settings
	log      *slog.Logger
	db       *postgres.DB
	root     *resolvers.Root
	key      *token.Key
	people   *account.Directory
	mailbox  *mailbox.Mailbox // nil where mails go to a mail server

	draining atomic.Bool
}

// handler routes requests.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", a.authenticate(a.graphql()))
	mux.HandleFunc("GET /schema.graphql", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(schemaText()))
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", a.ready)
	if a.settings.Development {
		mux.Handle("GET /{$}", playground.Handler("DataHub gateway", "/graphql"))
	}
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
	switch {
	case a.draining.Load():
		plain(w, http.StatusServiceUnavailable, "stopping")
	case a.db.Ping(ctx) != nil:
		plain(w, http.StatusServiceUnavailable, "the database does not answer")
	default:
		plain(w, http.StatusOK, "ready")
	}
}

// graphql is the GraphQL server without the question who asks.
func (a *api) graphql() http.Handler {
	server := handler.New(graph.NewExecutableSchema(a.root.Config()))
	guard := resolvers.Guard{Root: a.root, Introspection: a.settings.Development}
	server.AddTransport(transport.HTTP{
		MaxBody:         a.settings.MaxBodyBytes,
		Present:         a.root.Present,
		Admits:          guard.Admits,
		Unauthenticated: resolvers.Unauthenticated,
		Begun:           noteOperation,
	})
	server.SetErrorPresenter(a.root.Present)
	server.SetRecoverFunc(a.root.Recover)
	server.SetParserTokenLimit(a.settings.MaxQueryTokens)
	server.SetQueryCache(shortDocuments{lru.New[*ast.QueryDocument](250)})
	if a.settings.Development {
		server.Use(extension.Introspection{})
	}
	server.Use(guard)
	return server
}

// shortDocuments keeps the parsed documents of people who are signed in, but
// none that is long: a document takes twenty times its text in memory.
type shortDocuments struct {
	graphql.Cache[*ast.QueryDocument]
}

const longDocument = 4 << 10 // octets

// Add implements graphql.Cache.
func (c shortDocuments) Add(ctx context.Context, query string, doc *ast.QueryDocument) {
	if len(query) <= longDocument && signedIn(ctx) {
		c.Cache.Add(ctx, query, doc)
	}
}

// authenticate finds out who asks. A request without a token goes on, to what
// is public.
func (a *api) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), a.settings.RequestTimeout)
		defer cancel()
		actor, present, err := a.actor(ctx, r.Header)
		switch {
		case errors.Is(err, token.ErrInvalid):
			noteCause(ctx, err)
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			a.fail(ctx, w, http.StatusUnauthorized, &fault.Fault{
				Code:    fault.Unauthenticated,
				Message: "The token is not valid.",
				Remedy:  "Sign in again.",
			})
			return
		case postgres.Unavailable(err):
			a.fail(ctx, w, http.StatusServiceUnavailable, err)
			return
		case err != nil:
			a.fail(ctx, w, http.StatusInternalServerError, err)
			return
		case present:
			noteActor(ctx, actor)
			ctx = access.WithActor(ctx, actor)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func (a *api) actor(ctx context.Context, header http.Header) (actor access.Actor, present bool, err error) {
	values := header.Values("Authorization")
	if len(values) == 0 {
		return access.Actor{}, false, nil
	}
	scheme, credentials, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return access.Actor{}, false, token.ErrInvalid
	}
	identity, err := a.key.Verify(strings.TrimSpace(credentials))
	if err != nil {
		return access.Actor{}, false, err
	}
	actor, err = a.people.Actor(ctx, identity)
	return actor, err == nil, err
}

// fail answers a request that did not come as far as GraphQL.
func (a *api) fail(ctx context.Context, w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	transport.Write(w, status, &graphql.Response{Errors: gqlerror.List{a.root.Present(ctx, err)}})
}

func signedIn(ctx context.Context) bool {
	_, ok := access.ActorOf(ctx)
	return ok
}

// record is what the log says of a request.
type record struct {
	actor     string
	operation string
	kind      string
	cause     error
	status    int

	statements *atomic.Int64
}

type recordKey struct{}

func noteActor(ctx context.Context, actor access.Actor) {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		r.actor = actor.ID.String()
	}
}

func noteOperation(ctx context.Context, operation *graphql.OperationContext) {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		r.operation, r.kind = operation.Operation.Name, string(operation.Operation.Operation)
		r.operation = r.operation[:min(len(r.operation), 100)]
	}
}

func noteCause(ctx context.Context, err error) {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		r.cause = err
	}
}

// observe names every request, logs it, and answers for panics.
func (a *api) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		id := requestid.New()
		ctx, statements := postgres.Counting(requestid.With(r.Context(), id))
		rec := &record{status: http.StatusOK, statements: statements}
		ctx = context.WithValue(ctx, recordKey{}, rec)
		header := w.Header()
		header.Set("X-Request-Id", id)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		recorder := &statusRecorder{w, rec, &a.draining}
		defer func() {
			if p := recover(); p != nil {
				a.fail(ctx, recorder, http.StatusInternalServerError, a.root.Recover(ctx, p))
			}
			a.logRequest(ctx, r, rec, time.Since(began))
		}()
		next.ServeHTTP(recorder, r.WithContext(ctx))
	})
}

func (a *api) logRequest(ctx context.Context, r *http.Request, rec *record, took time.Duration) {
	attrs := []slog.Attr{
		slog.String("requestId", requestid.Of(ctx)),
		slog.String("method", r.Method),
		slog.String("path", r.URL.Path[:min(len(r.URL.Path), 100)]),
		slog.Int("status", rec.status),
		slog.Float64("milliseconds", float64(took.Microseconds())/1000),
		slog.Int64("statements", rec.statements.Load()),
	}
	if rec.actor != "" {
		attrs = append(attrs, slog.String("actor", rec.actor))
	}
	if rec.kind != "" {
		attrs = append(attrs, slog.String("kind", rec.kind), slog.String("operation", rec.operation))
	}
	if rec.cause != nil {
		attrs = append(attrs, slog.String("cause", rec.cause.Error()))
	}
	a.log.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}

// statusRecorder notes the status for the log, and tells the client to close
// its connection where the gateway is stopping by the time that it answers.
type statusRecorder struct {
	http.ResponseWriter
	record   *record
	draining *atomic.Bool
}

func (w *statusRecorder) WriteHeader(status int) {
	w.record.status = status
	if w.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap serves http.ResponseController.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
