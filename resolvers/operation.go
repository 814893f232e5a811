package resolvers

import (
	"context"
	"fmt"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
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
	faults    gqlerror.List
}

// find notes faults of what stands at a place of the document.
func (e *examination) find(at *ast.Position, faults ...*fault.Fault) {
	for _, f := range faults {
		err := &gqlerror.Error{Err: f}
		if at != nil {
			err.Locations = []gqlerror.Location{{Line: at.Line, Column: at.Column}}
		}
		e.faults = append(e.faults, err)
	}
}

func (e *examination) selections(selections ast.SelectionSet) {
	for _, selection := range selections {
		switch s := selection.(type) {
		case *ast.Field:
			e.directives(s.Directives)
			e.arguments(s.Arguments)
			e.page(s)
			e.addresses(s)
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
			e.find(v.Position, fault.Input("The variable $"+v.Raw+" must not be null here.", path...))
		}
		return
	}
	for i, child := range v.Children {
		var step any = child.Name
		if v.Kind == ast.ListValue {
			step = i
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
	first, ok := given(e, field, "first", graphqltypes.UnmarshalInt)
	after, also := given(e, field, "after", graphqltypes.UnmarshalString)
	if !ok || !also {
		return
	}
	_, faults := relay.ParsePage(first, after, e.root.PageSize, kind)
	for _, f := range faults {
		e.find(field.Arguments.ForName(fmt.Sprint(f.InputPath[0])).Position, f)
	}
}

// addresses decides how many addresses of a request are asked for.
func (e *examination) addresses(field *ast.Field) {
	if field.ObjectDefinition == nil || field.ObjectDefinition.Name != "Request" {
		return
	}
	first, ok := given(e, field, "first", graphqltypes.UnmarshalInt)
	if ok && first != nil && (*first < 0 || *first > mostAddresses) {
		e.find(field.Arguments.ForName("first").Position, fault.Input(fmt.Sprintf("first is %d; it can be 0 to %d.", *first, mostAddresses), "first"))
	}
}

// given reads an argument of a field; nil where it is not given.
func given[T any](e *examination, field *ast.Field, name string, read func(any) (T, error)) (_ *T, ok bool) {
	a := field.Arguments.ForName(name)
	if a == nil {
		return nil, true
	}
	value, err := a.Value.Value(e.variables)
	if value == nil && err == nil {
		return nil, true
	}
	var v T
	if err == nil {
		v, err = read(value)
	}
	if err != nil {
		e.find(a.Position, fault.Input(err.Error(), name))
		return nil, false
	}
	return &v, true
}

// variablePlace is where in the root fields' arguments a variable stands, or
// its own name where it stands elsewhere.
func variablePlace(operation *ast.OperationDefinition, name string) []any {
	var find func(v *ast.Value, path []any) []any
	find = func(v *ast.Value, path []any) []any {
		if v.Kind == ast.Variable && v.Raw == name {
			return path
		}
		for i, child := range v.Children {
			var step any = child.Name
			if v.Kind == ast.ListValue {
				step = i
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
