package main

import (
	"strings"
	"testing"
)

// resolve is a function as gqlgen writes it for the field name of an object.
func resolve(fieldContext, value, middleware, valueType, nonNull string) string {
	return `
func (ec *executionContext) _Object_name(ctx context.Context, field graphql.CollectedField, obj *Object) (ret graphql.Marshaler) {
	return graphql.ResolveField(
		ctx,
		ec.OperationContext,
		field,
		func(ctx context.Context, field graphql.CollectedField) (*graphql.FieldContext, error) {
			return ec.fieldContext_Object_name(ctx, field)
		},
		func(ctx context.Context) (any, error) {
			` + value + `
		},
		` + middleware + `,
		func(ctx context.Context, selections ast.SelectionSet, v ` + valueType + `) graphql.Marshaler {
			return ec.marshalValue(ctx, selections, v)
		},
		true,
		` + nonNull + `,
	)
}

func (ec *executionContext) fieldContext_Object_name(_ context.Context, field graphql.CollectedField) (fc *graphql.FieldContext, err error) {
	` + fieldContext + `
}
`
}

func TestPlainFields(t *testing.T) {
	t.Parallel()
	const (
		scalar   = `return graphql.NewScalarFieldContext("Object", field, false, false, "String")`
		object   = "fc = &graphql.FieldContext{Object: \"Object\", Field: field}\n\treturn fc, nil"
		reads    = `return obj.Name, nil`
		resolver = `return ec.Resolvers.Object().Name(ctx, obj)`
		method   = `return obj.Name(), nil`
		direct   = `out.Values[i] = ec.marshalValue(ctx, field.Selections, obj.Name)`
		resolved = `out.Values[i] = ec._Object_name(ctx, field, obj)`
	)
	for name, c := range map[string]struct{ function, want string }{
		"a scalar":                   {resolve(scalar, reads, "nil", "string", "true"), direct},
		"one that may be null":       {resolve(scalar, reads, "nil", "*string", "false"), direct},
		"a pointer that is not null": {resolve(scalar, reads, "nil", "*string", "true"), resolved},
		"a list of scalars":          {resolve(scalar, reads, "nil", "[]string", "true"), resolved},
		"an object":                  {resolve(object, reads, "nil", "*Other", "false"), resolved},
		"with a resolver":            {resolve(scalar, resolver, "nil", "string", "true"), resolved},
		"with a method":              {resolve(scalar, method, "nil", "string", "true"), resolved},
		"with a directive":           {resolve(scalar, reads, "func(ctx context.Context, next graphql.Resolver) graphql.Resolver { return next }", "string", "true"), resolved},
	} {
		got, err := simplifyFile("object.generated.go", []byte("package graph\n\nimport (\n\t\"context\"\n\n\t\"github.com/99designs/gqlgen/graphql\"\n\t\"github.com/vektah/gqlparser/v2/ast\"\n)\n\nfunc (ec *executionContext) _Object(ctx context.Context, sel ast.SelectionSet, obj *Object) graphql.Marshaler {\n\tdeferred := graphql.NewDeferredGroup(ctx)\n\t"+resolved+"\n\treturn out\n}\n"+c.function))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text := string(got)
		if !strings.Contains(text, c.want) || !strings.Contains(text, "deferred := graphql.DeferredGroup{}\n") {
			t.Errorf("%s: not %s:\n%s", name, c.want, text)
		}
		if kept := strings.Contains(text, ") _Object_name("); kept != (c.want == resolved) {
			t.Errorf("%s: its function is kept: %t", name, kept)
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	got, err := simplifyFile("object.generated.go", []byte(`package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
)

func (ec *executionContext) marshalList(ctx context.Context, v []string) graphql.Marshaler {
	ret := graphql.MarshalSliceConcurrently(ctx, len(v), 0, false, func(ctx context.Context, i int) graphql.Marshaler {
		return ec.marshalValue(ctx, v[i])
	})
	return ret
}
`))
	if err != nil {
		t.Fatal(err)
	}
	if want := "ret := graphqltypes.MarshalSlice(ctx, len(v), func(ctx context.Context, i int) graphql.Marshaler {\n"; !strings.Contains(string(got), want) || !strings.Contains(string(got), "internal/graphqltypes\"\n") {
		t.Errorf("%s", got)
	}
}
