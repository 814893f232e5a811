package plain_test

import (
	"bytes"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/plain"
)

// person and mail are objects whose fields are plain, but for slow.
type (
	person struct {
		name  string
		mail  *mail
		never *mail // not null in the schema
	}
	mail struct{ address *string }
)

func personField(of *graphql.OperationContext, field graphql.CollectedField) plain.Writer[person] {
	switch field.Name {
	case "__typename":
		return func(b *bytes.Buffer, _ *person) bool { return plain.Value(b, graphql.MarshalString("Person")) }
	case "name":
		return func(b *bytes.Buffer, p *person) bool {
			if p.name == "" {
				return plain.Value(b, graphql.Null)
			}
			if p.name == "panic" {
				panic(p.name)
			}
			return plain.Value(b, graphql.MarshalString(p.name))
		}
	case "mail", "never":
		value := plain.Compile(of, field.Selections, []string{"Mail"}, mailField)
		if value == nil {
			return nil
		}
		return func(b *bytes.Buffer, p *person) bool {
			if field.Name == "never" {
				return value.Write(b, p.never)
			}
			if p.mail == nil {
				return plain.Null(b)
			}
			return value.Write(b, p.mail)
		}
	}
	return nil
}

func mailField(_ *graphql.OperationContext, field graphql.CollectedField) plain.Writer[mail] {
	if field.Name != "address" {
		return nil
	}
	return func(b *bytes.Buffer, m *mail) bool {
		if m.address == nil {
			return plain.Null(b)
		}
		return plain.Value(b, graphql.MarshalString(*m.address))
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	address := `ada"@uni.example`
	people := []*person{{"Ada", &mail{&address}, nil}, {"Bob", &mail{}, nil}, {"Zoë\n", nil, nil}}
	for name, c := range map[string]struct {
		document string
		people   []*person
		want     string // "": not written
	}{
		"names":                 {`{ name }`, people, `[{"name":"Ada"},{"name":"Bob"},{"name":"Zoë\n"}]`},
		"aliases":               {`{ b: name a: name }`, people[:1], `[{"b":"Ada","a":"Ada"}]`},
		"a field twice":         {`{ name name }`, people[:1], `[{"name":"Ada"}]`},
		"the type's name":       {`{ __typename is: __typename }`, people[:1], `[{"__typename":"Person","is":"Person"}]`},
		"objects and nulls":     {`{ mail { address } name }`, people, `[{"mail":{"address":"ada\"@uni.example"},"name":"Ada"},{"mail":{"address":null},"name":"Bob"},{"mail":null,"name":"Zoë\n"}]`},
		"selections are merged": {`{ mail { a: address } mail { b: address } }`, people[1:2], `[{"mail":{"a":null,"b":null}}]`},
		"skipped":               {`{ name @skip(if: $yes) n: name @include(if: $yes) }`, people[:1], `[{"n":"Ada"}]`},
		"a slow field skipped":  {`{ slow @skip(if: $yes) name }`, people[:1], `[{"name":"Ada"}]`},
		"an inline fragment":    {`{ ... on Person { name } ... on Mail { address } }`, people[:1], `[{"name":"Ada"}]`},
		"a fragment":            {`{ ...P } fragment P on Person { name }`, people[:1], `[{"name":"Ada"}]`},
		"nothing is left":       {`{ name @skip(if: $yes) }`, people[:1], ``},
		"a slow field":          {`{ name slow }`, people, ``},
		"a slow field below":    {`{ name mail { address slow } }`, people, ``},
		"no elements":           {`{ name }`, nil, ``},
		"an element is null":    {`{ name }`, []*person{people[0], nil}, ``},
		"an error in a field":   {`{ name }`, []*person{people[0], {}}, ``},
		"an error below":        {`{ never { address } }`, people, ``},
		"a panic":               {`{ name }`, []*person{people[0], {name: "panic"}}, ``},
	} {
		document, err := parser.ParseQuery(&ast.Source{Input: c.document})
		if err != nil {
			t.Fatal(err)
		}
		for _, operation := range document.Operations {
			set(operation.SelectionSet, document.Fragments)
		}
		of := &graphql.OperationContext{Doc: document, Variables: map[string]any{"yes": true}}
		var b bytes.Buffer
		if list := plain.List(of, document.Operations[0].SelectionSet, []string{"Person"}, personField, c.people); list != nil {
			list.MarshalGQL(&b)
		}
		if b.String() != c.want {
			t.Errorf("%s: %s, not %s", name, b.String(), c.want)
		}
	}
}

// set links a document as the validator does.
func set(selection ast.SelectionSet, fragments ast.FragmentDefinitionList) {
	for _, s := range selection {
		switch s := s.(type) {
		case *ast.Field:
			set(s.SelectionSet, fragments)
		case *ast.InlineFragment:
			set(s.SelectionSet, fragments)
		case *ast.FragmentSpread:
			s.Definition = fragments.ForName(s.Name)
		}
	}
}

func BenchmarkList(b *testing.B) {
	document, err := parser.ParseQuery(&ast.Source{Input: `{ name mail { address } }`})
	if err != nil {
		b.Fatal(err)
	}
	address := "ada@uni.example"
	people := make([]*person, 100)
	for i := range people {
		people[i] = &person{name: "Ada", mail: &mail{&address}}
	}
	of := &graphql.OperationContext{Doc: document}
	b.ReportAllocs()
	for b.Loop() {
		plain.List(of, document.Operations[0].SelectionSet, []string{"Person"}, personField, people)
	}
}
