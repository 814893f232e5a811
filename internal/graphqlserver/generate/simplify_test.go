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

// simplified returns a file as simplifyFiles rewrites it.
func simplified(t *testing.T, source string) string {
	t.Helper()
	got, err := simplifyFiles(map[string][]byte{"object.generated.go": []byte(source)})
	if err != nil {
		t.Fatal(err)
	}
	return string(got["object.generated.go"])
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
		text := simplified(t, "package graph\n\nimport (\n\t\"context\"\n\n\t\"github.com/99designs/gqlgen/graphql\"\n\t\"github.com/vektah/gqlparser/v2/ast\"\n)\n\nfunc (ec *executionContext) _Object(ctx context.Context, sel ast.SelectionSet, obj *Object) graphql.Marshaler {\n\tdeferred := graphql.NewDeferredGroup(ctx)\n\t"+resolved+"\n\treturn out\n}\n"+c.function)
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
	text := simplified(t, `package graph

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
`)
	if want := "ret := graphqltypes.MarshalSlice(ctx, len(v), func(ctx context.Context, i int) graphql.Marshaler {\n"; !strings.Contains(text, want) || !strings.Contains(text, "internal/graphqltypes\"\n") {
		t.Errorf("%s", text)
	}
}

// A list of objects is written directly where the fields that are selected are plain.
func TestPlainObjects(t *testing.T) {
	t.Parallel()
	marshal := func(name, valueType, body string) string {
		return "\nfunc (ec *executionContext) " + name + "(ctx context.Context, sel ast.SelectionSet, v " + valueType + ") graphql.Marshaler {\n" + body + "\n}\n"
	}
	field := func(name, marshal, valueType, fieldContext string) string {
		f := resolve(fieldContext, "return obj."+name+", nil", "nil", valueType, "false")
		return strings.NewReplacer("_name", "_"+name, "ec.marshalValue", "ec."+marshal).Replace(f)
	}
	const scalar = `return graphql.NewScalarFieldContext("Object", field, false, false, "String")`
	const list = `ret := graphql.MarshalSliceConcurrently(ctx, len(v), 0, false, func(ctx context.Context, i int) graphql.Marshaler { return ec.marshalNObject2ᚖObject(ctx, sel, v[i]) })
	return ret`
	got := simplified(t, `package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

var objectImplementors = []string{"Object"}

func (ec *executionContext) _Object(ctx context.Context, sel ast.SelectionSet, obj *Object) graphql.Marshaler {
	for i, field := range fields {
		switch field.Name {
		case "__typename":
			out.Values[i] = graphql.MarshalString("Object")
		case "text":
			out.Values[i] = ec._Object_text(ctx, field, obj)
		case "kind":
			out.Values[i] = ec._Object_kind(ctx, field, obj)
		case "parent":
			out.Values[i] = ec._Object_parent(ctx, field, obj)
		case "slow":
			out.ResolveConcurrently(ec.OperationContext, &deferred, i, true, false, func(ctx context.Context) graphql.Marshaler { return ec._Object_slow(ctx, field, obj) })
		}
	}
	return out
}
`+field("text", "marshalOString2ᚖstring", "*string", scalar)+field("kind", "marshalNKind2Kind", "Kind", scalar)+
		field("parent", "marshalNObject2ᚖObject", "*Object", "fc = &graphql.FieldContext{Field: field}\n\treturn fc, nil")+
		marshal("marshalOString2ᚖstring", "*string", "if v == nil {\nreturn graphql.Null\n}\nres := graphqltypes.MarshalString(*v)\nreturn res")+
		marshal("marshalNKind2Kind", "Kind", "return v")+
		marshal("marshalNObject2ᚖObject", "*Object", "return ec._Object(ctx, sel, v)")+
		marshal("marshalNObject2ᚕᚖObjectᚄ", "[]*Object", list))
	for _, want := range []string{
		"func plainObject(of *graphql.OperationContext, field graphql.CollectedField) plain.Writer[Object] {",
		`return plain.Value(b, graphql.MarshalString("Object"))`,
		"\t\t\tif obj.text == nil {\n\t\t\t\treturn plain.Null(b)\n\t\t\t}\n\t\t\treturn plain.Value(b, graphqltypes.MarshalString(*obj.text))",
		"return func(b *bytes.Buffer, obj *Object) bool { obj.kind.MarshalGQL(b); return true }",
		"value := plain.Compile(of, field.Selections, objectImplementors, plainObject)",
		"if list := plain.List(ec.OperationContext, sel, objectImplementors, plainObject, v); list != nil {\n\t\treturn list\n\t}",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not there: %s", want)
		}
	}
	if function := got[strings.Index(got, "func plainObject"):]; strings.Contains(function, `"slow"`) {
		t.Error("a field with a resolver is written directly")
	}
	if t.Failed() {
		t.Log(got)
	}
}
