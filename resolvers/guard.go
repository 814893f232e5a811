package resolvers

import (
	"context"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/access"
)

// Guard refuses operations before they begin.
type Guard struct {
	Root          *Root
	Introspection bool // also for somebody who is not signed in
}

var (
	_ graphql.HandlerExtension        = Guard{}
	_ graphql.OperationContextMutator = Guard{}
)

// ExtensionName implements graphql.HandlerExtension.
func (Guard) ExtensionName() string { return "guard" }

// Validate implements graphql.HandlerExtension.
func (Guard) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext lets somebody who is not signed in ask for public
// fields alone, keeps out @defer, whose later parts this transport would lose,
// and subscriptions to other than one field (GraphQL, section 5.2.3.1), and has
// the arguments examined.
func (g Guard) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if !g.Admits(ctx, operation.Operation) {
		return &gqlerror.Error{Err: Unauthenticated()}
	}
	if defers(operation.Doc) {
		return invalid("@defer is not supported.")
	}
	if operation.Operation.Operation == ast.Subscription {
		// gqlparser does not see what @skip and @include leave of them, and gqlgen
		// panics at the others.
		fields := graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{"Subscription"})
		if len(fields) != 1 || strings.HasPrefix(fields[0].Name, "__") {
			return invalid("A subscription asks for exactly one field.")
		}
	}
	return g.Root.Examine(ctx, operation)
}

func invalid(message string) *gqlerror.Error {
	err := gqlerror.Errorf("%s", message)
	errcode.Set(err, errcode.ValidationFailed)
	return err
}

// Admits reports whether the asking person may begin an operation.
func (g Guard) Admits(ctx context.Context, operation *ast.OperationDefinition) bool {
	if _, signedIn := access.ActorOf(ctx); signedIn {
		return true
	}
	return g.public(operation.SelectionSet, map[string]bool{})
}

// public reports whether every root field may be asked for without a token.
func (g Guard) public(selections ast.SelectionSet, seen map[string]bool) bool {
	for _, selection := range selections {
		switch s := selection.(type) {
		case *ast.Field:
			introspection := s.Name == "__schema" || s.Name == "__type"
			if s.Name != "__typename" && !(introspection && g.Introspection) && s.Definition.Directives.ForName("public") == nil {
				return false
			}
		case *ast.InlineFragment:
			if !g.public(s.SelectionSet, seen) {
				return false
			}
		case *ast.FragmentSpread:
			if seen[s.Name] {
				continue
			}
			seen[s.Name] = true
			if !g.public(s.Definition.SelectionSet, seen) {
				return false
			}
		}
	}
	return true
}

// defers reports whether @defer stands anywhere in a document.
func defers(doc *ast.QueryDocument) bool {
	var in func(ast.SelectionSet) bool
	in = func(selections ast.SelectionSet) bool {
		for _, selection := range selections {
			switch s := selection.(type) {
			case *ast.Field:
				if in(s.SelectionSet) {
					return true
				}
			case *ast.InlineFragment:
				if s.Directives.ForName("defer") != nil || in(s.SelectionSet) {
					return true
				}
			case *ast.FragmentSpread:
				if s.Directives.ForName("defer") != nil {
					return true
				}
			}
		}
		return false
	}
	for _, operation := range doc.Operations {
		if in(operation.SelectionSet) {
			return true
		}
	}
	for _, fragment := range doc.Fragments {
		if in(fragment.SelectionSet) {
			return true
		}
	}
	return false
}
