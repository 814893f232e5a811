package app

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/trusteddocs"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/resolvers"
)

const (
	// cachedTexts is the size of the operations that are kept by their hashes, in
	// octets.
	cachedTexts = 4 << 20
	// cachedDocuments is the estimated size of the parsed documents that are kept,
	// in octets.
	cachedDocuments = 16 << 20
	// valuesBesideEmails is how many values the JSON of a request may have beside
	// its addresses.
	valuesBesideEmails = 10_000
)

// graphql returns the GraphQL handler, which stands behind the authentication.
func (a *api) graphql() http.Handler {
	schema := graph.NewExecutableSchema(a.root.Config())
	server := handler.New(schema)
	documents := graphqlserver.NewDocumentCache(cachedDocuments, signedIn)
	guard := resolvers.Guard{
		Root:          a.root,
		Introspection: a.settings.introspection(),
		Tokens:        a.settings.MaxQueryTokens,
		Limits:        a.settings.documentLimits(),
		Known:         documents,
	}
	operations := graphqlserver.Operations{
		Schema:          schema.Schema(),
		Timeout:         a.settings.RequestTimeout,
		MaxValues:       valuesBesideEmails + complexity.Mutations*a.settings.MaxEmails,
		Present:         a.present,
		Recover:         a.root.Recover,
		Admits:          guard.Admits,
		Enter:           a.enter,
		Acquire:         newConcurrencyLimit(a.settings.MaxParallel, a.anonymous).acquire,
		Unauthenticated: resolvers.Unauthenticated,
		OnStart:         noteOperation,
		WithChanges: func(ctx context.Context) (context.Context, graphqlserver.Changes) {
			return resolvers.WithChanges(postgres.WithBackgroundPriority(ctx))
		},
		TokenExpiry: tokenExpiry,
		Stopping:    a.lifecycle.draining,
	}
	server.AddTransport(graphqlserver.WebSocket{
		Operations:    operations,
		MaxMessage:    a.settings.MaxBodyBytes,
		MaxOperations: a.settings.MaxOperations,
		SignIn:        a.signIn,
		SignedIn:      signedIn,
		Observe:       a.recordOperation,
		Open:          &a.sockets,
	})
	server.AddTransport(graphqlserver.HTTP{Operations: operations, MaxBody: a.settings.MaxBodyBytes})
	server.SetErrorPresenter(a.present)
	server.SetRecoverFunc(a.root.Recover)
	server.SetParserTokenLimit(a.settings.MaxQueryTokens)
	server.SetQueryCache(documents)
	server.SetDisableSuggestion(!a.settings.introspection())
	server.Use(extension.Introspection{}) // the guard refuses it where it is off
	server.Use(a.operations)
	server.Use(guard)
	if a.instruments.traces != nil {
		server.AroundOperations(a.instruments.traceOperation)
	}
	return server
}

// enter lets people who are signed in pass. Others wait for a place, and share a small
// part of the connections to the database.
func (a *api) enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	if signedIn(ctx) {
		return ctx, func() {}, nil
	}
	leave, err = a.anonymous.places.take(ctx, clientIn(ctx))
	return postgres.WithPublicPriority(ctx), leave, err
}

// newOperations returns what finds operations by their ids: those that clients
// sent before or, where an operator has registered operations, only those.
func newOperations(s *GraphQLSettings) (graphql.HandlerExtension, error) {
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
