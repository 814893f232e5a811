package document_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"alphacruncher.com/datahub-gateway/internal/graphqlserver/document"
)

var schema = gqlparser.MustLoadSchema(&ast.Source{Input: `
	type Query { a(in: Input): Query, b(list: [Int!]): Query, c: Int }
	input Input { list: [Input!], number: Int, enum: Enum }
	enum Enum { ONE }`})

func parse(t *testing.T, text string) *ast.QueryDocument {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func valid(t *testing.T, text string) *ast.QueryDocument {
	t.Helper()
	doc := parse(t, text)
	if errs := validator.ValidateWithRules(schema, doc, nil); errs != nil {
		t.Fatal(errs)
	}
	return doc
}

// fragments is an operation with nested fields, inline fragments, a fragment
// within a fragment, and fragments that are spread twice.
const fragments = `
	{ one: a { two: c ... @skip(if: true) { three: c ...F } } ...F four: c ...G @include(if: true) }
	fragment F on Query { five: c six: b { seven: c } ...G }
	fragment G on Query { eight: c }`

// nameOf returns the alias of a field, "..." for an inline fragment, or "...F".
func nameOf(s ast.Selection) string {
	switch s := s.(type) {
	case *ast.Field:
		return s.Alias
	case *ast.FragmentSpread:
		return "..." + s.Name
	}
	return "..."
}

func TestSelectionsAreInOrderAndFragmentsOnce(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		doc  *ast.QueryDocument
		want string
	}{
		"a valid document":   {valid(t, fragments), "one two ... three ...F five six seven ...G eight ...F four ...G"},
		"before validation":  {parse(t, fragments), "one two ... three ...F ...F four ...G"},
		"an empty selection": {&ast.QueryDocument{Operations: ast.OperationList{{}}}, ""},
	} {
		var got []string
		for s := range document.Selections(c.doc.Operations[0].SelectionSet) {
			got = append(got, nameOf(s))
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
}

func TestFieldsAreThoseOfOneObject(t *testing.T) {
	t.Parallel()
	var got []string
	for f := range document.Fields(valid(t, fragments).Operations[0].SelectionSet) {
		got = append(got, f.Alias)
	}
	if diff := cmp.Diff("one five six eight four eight", strings.Join(got, " ")); diff != "" {
		t.Error(diff)
	}
}

func TestIterationsEnd(t *testing.T) {
	t.Parallel()
	doc := valid(t, fragments)
	for n := 1; n < 6; n++ {
		selections, fields := 0, 0
		for range document.Selections(doc.Operations[0].SelectionSet) {
			if selections++; selections == n {
				break
			}
		}
		for range document.Fields(doc.Operations[0].SelectionSet) {
			if fields++; fields == n {
				break
			}
		}
		if selections != n || fields != n {
			t.Errorf("%d selections and %d fields, want %d", selections, fields, n)
		}
	}
	for range document.Values(valid(t, `{ b(list: [1, 2]) { c } }`).Operations[0].SelectionSet[0].(*ast.Field).Arguments[0].Value) {
		break
	}
}

func TestDirectives(t *testing.T) {
	t.Parallel()
	var got []string
	for s := range document.Selections(valid(t, `{ c @skip(if: true) ... @include(if: true) { c } ...F @skip(if: false) } fragment F on Query { c }`).Operations[0].SelectionSet) {
		for _, d := range document.Directives(s) {
			got = append(got, nameOf(s)+" @"+d.Name)
		}
	}
	if diff := cmp.Diff([]string{"c @skip", "... @include", "...F @skip"}, got); diff != "" {
		t.Error(diff)
	}
	if document.Directives(nil) != nil {
		t.Error("no selection has directives")
	}
}

func TestValuesHaveTheirPaths(t *testing.T) {
	t.Parallel()
	doc := valid(t, `query($n: Int) { a(in: {number: 1, list: [{number: $n}, {enum: ONE, list: []}]}) { c } }`)
	var got []string
	var paths [][]any
	for path, v := range document.Values(doc.Operations[0].SelectionSet[0].(*ast.Field).Arguments[0].Value) {
		if v.Kind != ast.ObjectValue && v.Kind != ast.ListValue {
			got = append(got, fmt.Sprint(path, v.Raw))
			paths = append(paths, slices.Clone(path))
		}
	}
	want := []string{"[number]1", "[list 0 number]n", "[list 1 enum]ONE"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]any{{"number"}, {"list", 0, "number"}, {"list", 1, "enum"}}, paths); diff != "" {
		t.Errorf("clones of the paths: %s", diff)
	}
	for range document.Values(nil) {
		t.Error("nothing has a value")
	}
}
