package resolvers

import (
	"context"
	"fmt"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/document"
)

// Guard refuses operations before they are executed.
type Guard struct {
	Root          *Root
	Introspection bool // whether it is allowed, with and without a token
	Tokens        int  // limit of a document
	Limits        complexity.Limits
	// Known holds the documents that Guard accepted before.
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

// maxDocument is the limit of a document, in octets. Tokens do not limit it: one
// token can be long, and takes its time to parse.
const maxDocument = 128 << 10

// MutateOperationParameters fails with QUERY_TOO_COMPLEX where validating the
// document would take long. It has to parse the document for that, and gqlgen
// parses it once more. gqlgen reports documents that cannot be parsed.
func (g Guard) MutateOperationParameters(ctx context.Context, params *graphql.RawParams) *gqlerror.Error {
	if len(params.Query) > maxDocument {
		return &gqlerror.Error{Err: fault.New(fault.QueryTooComplex, fmt.Sprintf("The document has more than %d octets. Use variables for long values.", maxDocument))}
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

// MutateOperationContext checks an operation before it is executed. It fails
// with UNAUTHENTICATED where the person has no token and a root field is not
// public; with GRAPHQL_VALIDATION_FAILED for introspection where it is off, for
// @defer and for subscriptions to more or less than one field; with
// BAD_USER_INPUT for arguments; and with QUERY_TOO_COMPLEX.
func (g Guard) MutateOperationContext(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if !g.Admits(ctx, operation.Operation) {
		return &gqlerror.Error{Err: Unauthenticated()}
	}
	for field := range document.Fields(operation.Operation.SelectionSet) {
		if introspects(field) && !g.Introspection {
			return invalid("Introspection is off at this gateway.")
		}
	}
	if defers(operation.Doc) {
		return invalid("@defer is not supported.")
	}
	if operation.Operation.Operation == ast.Subscription && !hasOneField(operation) {
		return invalid("A subscription must have exactly one field.")
	}
	if err := g.Root.checkArguments(operation); err != nil {
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

// Admits reports whether the person may start an operation. Without a token they
// may if all of its root fields are public.
func (g Guard) Admits(ctx context.Context, operation *ast.OperationDefinition) bool {
	if _, signedIn := access.ActorOf(ctx); signedIn {
		return true
	}
	for field := range document.Fields(operation.SelectionSet) {
		if field.Name != "__typename" && !introspects(field) && field.Definition.Directives.ForName("public") == nil {
			return false
		}
	}
	return true
}

// introspects reports whether a root field is one of introspection.
func introspects(field *ast.Field) bool { return field.Name == "__schema" || field.Name == "__type" }

// defers reports whether a document has @defer. gqlgen declares the directive,
// and the transports would lose the parts that come later.
func defers(doc *ast.QueryDocument) bool {
	for _, operation := range doc.Operations {
		for selection := range document.Selections(operation.SelectionSet) {
			if document.Directives(selection).ForName("defer") != nil {
				return true
			}
		}
	}
	return false
}

// hasOneField reports whether a subscription has exactly one field, which is not
// one of introspection (GraphQL specification, section 5.2.3.1). gqlparser does
// not check what @skip and @include leave of the fields, and gqlgen panics at
// any other number.
func hasOneField(operation *graphql.OperationContext) bool {
	fields := graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{"Subscription"})
	return len(fields) == 1 && !strings.HasPrefix(fields[0].Name, "__")
}
