package resolvers

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"
)

// Guard refuses operations before they begin.
type Guard struct {
	Root          *Root
	Introspection bool // for everybody
	Tokens        int  // of a document
	Limits        complexity.Limits
	// Known are the documents that were let pass before.
	Known graphql.Cache[*ast.QueryDocument]
}

var (
	_ graphql.HandlerExtension          = Guard{}
	_ graphql.OperationParameterMutator = Guard{}
	_ graphql.OperationContextMutator   = Guard{}
)

// ExtensionName implements graphql.HandlerExtension.
func (Guard) ExtensionName() string { return "guard" }

// Validate implements graphql.HandlerExtension.
func (Guard) Validate(graphql.ExecutableSchema) error { return nil }

// longestDocument is how many octets a document may have: even what is one token
// takes its time to parse.
const longestDocument = 128 << 10

// MutateOperationParameters keeps documents out that would take long to
// validate. For that it parses them, and so does gqlgen once more, which says
// what is wrong with those that cannot be parsed.
func (g Guard) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if len(params.Query) > longestDocument {
		return &gqlerror.Error{Err: fault.New(fault.QueryTooComplex, fmt.Sprintf("The document has more than %d octets. Put what is long into variables.", longestDocument))}
	}
	if _, known := g.Known.Get(ctx, params.Query); known {
		return nil
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: params.Query}, g.Tokens)
	if err != nil {
		return nil
	}
	return tooComplex(g.Limits.Check(doc))
}

// MutateOperationContext lets somebody who is not signed in ask for public
// fields alone, keeps out @defer, whose later parts this transport would lose,
// and subscriptions to other than one field (GraphQL, section 5.2.3.1), has
// the arguments examined, and keeps out what asks for too much.
func (g Guard) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if !g.Admits(ctx, operation.Operation) {
		return &gqlerror.Error{Err: Unauthenticated()}
	}
	for field := range rootFields(operation.Operation) {
		if introspects(field) && !g.Introspection {
			return invalid("Introspection is off here.")
		}
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
	if err := g.Root.Examine(ctx, operation); err != nil {
		return err
	}
	return tooComplex(g.Limits.Weigh(operation.Operation, operation.Variables))
}

func tooComplex(err error) *gqlerror.Error {
	if err == nil {
		return nil
	}
	return &gqlerror.Error{Err: fault.New(fault.QueryTooComplex, err.Error())}
}

func invalid(message string) *gqlerror.Error {
	err := gqlerror.Errorf("%s", message)
	errcode.Set(err, errcode.ValidationFailed)
	return err
}

// Admits reports whether the asking person may begin an operation: without a
// token, only if every root field is public.
func (g Guard) Admits(ctx context.Context, operation *ast.OperationDefinition) bool {
	if _, signedIn := access.ActorOf(ctx); signedIn {
		return true
	}
	for field := range rootFields(operation) {
		if field.Name != "__typename" && !introspects(field) && field.Definition.Directives.ForName("public") == nil {
			return false
		}
	}
	return true
}

// introspects reports whether a root field asks for the schema.
func introspects(field *ast.Field) bool { return field.Name == "__schema" || field.Name == "__type" }

// rootFields are the fields of an operation itself, also those in fragments.
func rootFields(operation *ast.OperationDefinition) iter.Seq[*ast.Field] {
	return func(yield func(*ast.Field) bool) {
		seen := map[string]bool{} // fragments
		var in func(ast.SelectionSet) bool
		in = func(selections ast.SelectionSet) bool {
			for _, selection := range selections {
				more := true
				switch s := selection.(type) {
				case *ast.Field:
					more = yield(s)
				case *ast.InlineFragment:
					more = in(s.SelectionSet)
				case *ast.FragmentSpread:
					if !seen[s.Name] {
						seen[s.Name] = true
						more = in(s.Definition.SelectionSet)
					}
				}
				if !more {
					return false
				}
			}
			return true
		}
		in(operation.SelectionSet)
	}
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
