package resolvers

import (
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/document"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
)

// checkArguments checks the arguments of all fields of an operation before the
// first of them is executed: a mutation must not be executed if its result
// cannot be returned. It fails with BAD_USER_INPUT for each argument.
func (r *Root) checkArguments(operation *graphql.OperationContext) *gqlerror.Error {
	c := argumentCheck{maxPage: r.PageSize, variables: operation.Variables}
	c.nulls(operation.Operation.Directives, nil)
	for selection := range document.Selections(operation.Operation.SelectionSet) {
		field, isField := selection.(*ast.Field)
		if !isField {
			c.nulls(document.Directives(selection), nil)
			continue
		}
		c.nulls(field.Directives, field.Arguments)
		c.page(field)
		c.emails(field)
	}
	if len(c.faults) == 0 {
		return nil
	}
	return &gqlerror.Error{Err: c.faults}
}

// argumentCheck collects the faults of the arguments of an operation.
type argumentCheck struct {
	maxPage   int
	variables map[string]any
	faults    gqlerror.List
}

func (c *argumentCheck) add(at *ast.Position, f *fault.Fault) {
	err := &gqlerror.Error{Err: f}
	if at != nil {
		err.Locations = []gqlerror.Location{{Line: at.Line, Column: at.Column}}
	}
	c.faults = append(c.faults, err)
}

// nulls refuses null in variables where a value is required. Validation accepts
// a nullable variable there if it has a default value, and leaves an explicit
// null to coercion (GraphQL specification, section 5.8.5). gqlgen does not
// coerce it, and panics in @skip.
func (c *argumentCheck) nulls(directives ast.DirectiveList, arguments ast.ArgumentList) {
	for _, d := range directives {
		c.nulls(nil, d.Arguments)
	}
	for _, a := range arguments {
		for path, v := range document.Values(a.Value) {
			if v.Kind == ast.Variable && v.ExpectedType != nil && v.ExpectedType.NonNull && c.variables[v.Raw] == nil {
				inputPath := append([]any{a.Name}, path...)
				c.add(v.Position, fault.Input("The variable $"+v.Raw+" must not be null here.", inputPath...))
			}
		}
	}
}

// page checks the arguments of a connection.
func (c *argumentCheck) page(field *ast.Field) {
	if field.Definition == nil {
		return
	}
	kind, paged := cursors[field.Definition.Type.Name()]
	if !paged {
		return
	}
	first, firstOK := readArgument(c, field, "first", graphqltypes.UnmarshalInt)
	after, afterOK := readArgument(c, field, "after", graphqltypes.UnmarshalString)
	if !firstOK || !afterOK {
		return
	}
	_, faults := relay.ParsePage(first, after, c.maxPage, kind)
	for _, f := range faults {
		c.add(field.Arguments.ForName(fmt.Sprint(f.InputPath[0])).Position, f)
	}
}

// emails checks the number of addresses of a request that a field selects.
func (c *argumentCheck) emails(field *ast.Field) {
	if field.ObjectDefinition == nil || field.ObjectDefinition.Name != "Request" {
		return
	}
	first, ok := readArgument(c, field, "first", graphqltypes.UnmarshalInt)
	if ok && first != nil && (*first < 0 || *first > maxAddresses) {
		c.add(field.Arguments.ForName("first").Position, fault.Input(fmt.Sprintf("first is %d; it can be 0 to %d.", *first, maxAddresses), "first"))
	}
}

// readArgument reads an argument of a field; nil where it is not given. It reports
// whether that succeeded.
func readArgument[T any](c *argumentCheck, field *ast.Field, name string, read func(any) (T, error)) (_ *T, ok bool) {
	a := field.Arguments.ForName(name)
	if a == nil {
		return nil, true
	}
	value, err := a.Value.Value(c.variables)
	if value == nil && err == nil {
		return nil, true
	}
	var v T
	if err == nil {
		v, err = read(value)
	}
	if err != nil {
		c.add(a.Position, fault.Input(err.Error(), name))
		return nil, false
	}
	return &v, true
}

// variablePath returns the place of a variable in the arguments of the root
// fields, or its name where it is not used there.
func variablePath(operation *ast.OperationDefinition, name string) []any {
	for _, selection := range operation.SelectionSet {
		field, isField := selection.(*ast.Field)
		if !isField {
			continue
		}
		for _, a := range field.Arguments {
			for path, v := range document.Values(a.Value) {
				if v.Kind == ast.Variable && v.Raw == name {
					return append([]any{a.Name}, path...)
				}
			}
		}
	}
	return []any{name}
}
