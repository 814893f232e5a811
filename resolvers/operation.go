package resolvers

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/relay"
)

// Examine finds what is wrong with the arguments of an operation's fields,
// before any of them is begun: a mutation whose answer could not be given must
// not be carried out.
func (r *Root) Examine(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	e := examination{root: r, variables: operation.Variables, seen: map[string]bool{}}
	for _, directive := range operation.Operation.Directives {
		e.arguments(directive.Arguments)
	}
	e.selections(operation.Operation.SelectionSet)
	if len(e.faults) == 0 {
		return nil
	}
	return &gqlerror.Error{Err: e.faults}
}

type examination struct {
	root      *Root
	variables map[string]any
	seen      map[string]bool // fragments
	faults    fault.List
}

func (e *examination) selections(selections ast.SelectionSet) {
	for _, selection := range selections {
		switch s := selection.(type) {
		case *ast.Field:
			e.directives(s.Directives)
			e.arguments(s.Arguments)
			e.page(s)
			e.selections(s.SelectionSet)
		case *ast.InlineFragment:
			e.directives(s.Directives)
			e.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			e.directives(s.Directives)
			if !e.seen[s.Name] {
				e.seen[s.Name] = true
				e.selections(s.Definition.SelectionSet)
			}
		}
	}
}

func (e *examination) directives(directives ast.DirectiveList) {
	for _, d := range directives {
		e.arguments(d.Arguments)
	}
}

func (e *examination) arguments(arguments ast.ArgumentList) {
	for _, a := range arguments {
		e.value(a.Value, a.Name)
	}
}

// value refuses null for a variable that stands where null cannot. Validation
// lets a variable that may be null stand there if it has a default value, and
// leaves the rest to coercion (GraphQL specification, section 5.8.5), which
// gqlgen does not do.
func (e *examination) value(v *ast.Value, path ...any) {
	if v.Kind == ast.Variable {
		if v.ExpectedType != nil && v.ExpectedType.NonNull && e.variables[v.Raw] == nil {
			e.faults = append(e.faults, fault.Input("The variable $"+v.Raw+" must not be null here.", path...))
		}
		return
	}
	for k, child := range v.Children {
		var step any = child.Name
		if v.Kind == ast.ListValue {
			step = k
		}
		e.value(child.Value, append(slices.Clone(path), step)...)
	}
}

func (e *examination) page(field *ast.Field) {
	if field.Definition == nil {
		return
	}
	kind, paged := cursors[field.Definition.Type.Name()]
	if !paged {
		return
	}
	var first *int
	if n, ok := e.argument(field, "first").(int64); ok {
		i := int(n)
		first = &i
	}
	var after *string
	if s, ok := e.argument(field, "after").(string); ok {
		after = &s
	}
	_, faults := relay.ParsePage(first, after, e.root.PageSize, kind)
	e.faults = append(e.faults, faults...)
}

func (e *examination) argument(field *ast.Field, name string) any {
	argument := field.Arguments.ForName(name)
	if argument == nil {
		return nil
	}
	value, err := argument.Value.Value(e.variables)
	if err != nil {
		return nil
	}
	switch n := value.(type) {
	case json.Number:
		i, err := n.Int64()
		if err != nil {
			return nil
		}
		return i
	case int:
		return int64(n)
	}
	return value
}

// variablePlace is where in the root fields' arguments a variable stands, or
// its own name where it stands elsewhere.
func variablePlace(operation *ast.OperationDefinition, name string) []any {
	var find func(v *ast.Value, path []any) []any
	find = func(v *ast.Value, path []any) []any {
		if v.Kind == ast.Variable && v.Raw == name {
			return path
		}
		for k, child := range v.Children {
			var step any = child.Name
			if v.Kind == ast.ListValue {
				step = k
			}
			if found := find(child.Value, append(slices.Clone(path), step)); found != nil {
				return found
			}
		}
		return nil
	}
	for _, selection := range operation.SelectionSet {
		field, ok := selection.(*ast.Field)
		if !ok {
			continue
		}
		for _, argument := range field.Arguments {
			if found := find(argument.Value, []any{argument.Name}); found != nil {
				return found
			}
		}
	}
	return []any{name}
}
