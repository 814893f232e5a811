package resolvers

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

var update = flag.Bool("update", false, "write docs/policy.md afresh")

const policyHead = `# Who may see and do what

Every field that can be asked for, and who is answered; made of the schema by
` + "`go test ./resolvers -run Policy -update`" + `, and held against it by the tests. A field
that is added appears here, to be looked at.

"Who sees it" is whoever is given the object that the field belongs to. Somebody
who must not know of an object is given none.

| field | who |
| --- | --- |
`

// No field comes in without a rule that somebody has looked at.
func TestPolicy(t *testing.T) {
	table := policyHead + policy(schema())
	if *update {
		if err := os.WriteFile("../docs/policy.md", []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(kept) != table {
		t.Error("docs/policy.md is not what the schema says: look at what has changed, and run go test ./resolvers -run Policy -update")
	}
}

func policy(s *ast.Schema) string {
	var types []*ast.Definition
	for _, d := range s.Types {
		if d.Kind == ast.Object && !d.BuiltIn {
			types = append(types, d)
		}
	}
	slices.SortFunc(types, func(a, b *ast.Definition) int { return strings.Compare(a.Name, b.Name) })
	var rows strings.Builder
	for _, d := range types {
		for _, field := range d.Fields {
			if !strings.HasPrefix(field.Name, "__") {
				fmt.Fprintf(&rows, "| `%s.%s` | %s |\n", d.Name, field.Name, who(field))
			}
		}
	}
	return rows.String()
}

// who says in words what a field's directives declare.
func who(field *ast.FieldDefinition) string {
	for _, d := range field.Directives {
		switch d.Name {
		case "public":
			return "anybody"
		case "authenticated":
			return "anybody with an account"
		case "role":
			var roles []string
			for _, role := range argumentOf(field, "role", "any") {
				roles = append(roles, strings.ToLower(strings.ReplaceAll(role, "_", " ")))
			}
			of := "input.instanceId"
			if a := d.Arguments.ForName("of"); a != nil {
				of = a.Value.Raw
			}
			return strings.Join(roles, ", ") + ", of `" + strings.ReplaceAll(of, "|", "` or `") + "`"
		}
	}
	return "who sees it"
}
