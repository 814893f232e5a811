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

var update = flag.Bool("update", false, "write docs/policy.md")

const policyHead = `# Who may see and do what

Each field of the schema, and who can read or use it. This document is generated
from the schema by ` + "`go test ./resolvers -run Policy -update`" + `, and a test compares
both: review here what a new field adds.

"Anyone who sees the object" is anyone who is given the object that the field
belongs to. People who must not know of an object are not given it.

| field | who |
| --- | --- |
`

// No field is added without somebody looking at who may see it.
func TestPolicyIsTheSchemas(t *testing.T) {
	t.Parallel()
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
		t.Error("docs/policy.md does not say what the schema says: review the difference, and run go test ./resolvers -run Policy -update")
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

// who returns in words what a field's directives declare.
func who(field *ast.FieldDefinition) string {
	for _, d := range field.Directives {
		switch d.Name {
		case "public":
			return "anyone"
		case "authenticated":
			return "anyone with an account"
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
	return "anyone who sees the object"
}
