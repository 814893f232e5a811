package app

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

var update = flag.Bool("update", false, "write the generated tables of docs/reference.md, docs/privacy.md and docs/states.md")

// The generated tables of docs/reference.md are what the code says: its
// commands, its settings and its errors.
func TestReference(t *testing.T) {
	t.Parallel()
	checkTables(t, "docs/reference.md", map[string]string{"commands": commandsTable(t), "settings": settingsTable(), "errors": errorsTable(t)})
}

// checkTables fails where the generated tables of a document are not those, unless
// they are to be updated.
func checkTables(t *testing.T, document string, tables map[string]string) {
	t.Helper()
	path := "../../" + document
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := withTables(t, document, string(have), tables)
	if want == string(have) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the code says: run go test ./internal/app -run %s -update", document, strings.TrimPrefix(t.Name(), "Test"))
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withTables returns a document with its generated tables replaced. It fails where
// the document has no place for one of them, or a place for another one.
func withTables(t *testing.T, path, document string, tables map[string]string) string {
	t.Helper()
	missing := maps.Clone(tables)
	block := regexp.MustCompile(`(?s)(<!-- generated: (\w+) -->\n).*?(<!-- end -->)`)
	document = block.ReplaceAllStringFunc(document, func(found string) string {
		parts := block.FindStringSubmatch(found)
		table, known := tables[parts[2]]
		if !known {
			t.Errorf("%s has a table of %s, which nothing generates", path, parts[2])
		}
		delete(missing, parts[2])
		return parts[1] + table + parts[3]
	})
	for name := range missing {
		t.Errorf("%s has no table of %s", path, name)
	}
	return document
}

func commandsTable(t *testing.T) string {
	t.Helper()
	var c commands
	parser, err := kong.New(&c, kong.Name("datahub-gateway"), kong.Vars{"data_dir": "DIR"})
	if err != nil {
		t.Fatal(err)
	}
	rows := "| command | does |\n| --- | --- |\n"
	for _, command := range parser.Model.Children {
		usage := command.Name
		for _, f := range command.Flags {
			if f.Name != "help" && !f.Hidden {
				value := ""
				if !f.IsBool() {
					value = " " + cmp.Or(f.PlaceHolder, strings.ToUpper(f.Name))
				}
				flag := "--" + f.Name + value
				if !f.Required {
					flag = "[" + flag + "]"
				}
				usage += " " + flag
			}
		}
		for _, p := range command.Positional {
			usage += " " + strings.ToUpper(p.Name)
		}
		rows += fmt.Sprintf("| `%s` | %s |\n", usage, command.Help)
	}
	return rows
}

func settingsTable() (table string) {
	group := ""
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		if field.Anonymous {
			group = strings.TrimSuffix(field.Name, "Settings")
			table += "### " + group + "\n\n| setting | default | bounds | meaning |\n| --- | --- | --- | --- |\n"
			continue
		}
		tag := field.Tag
		value := tag.Get("default")
		switch value {
		case "":
			value = "–"
		case "${data_dir}":
			value = "`~/.local/share/datahub-gateway`; for root `/var/lib/datahub-gateway`"
		default:
			value = "`" + value + "`"
		}
		bounds := "–"
		if tag.Get("max") != "" {
			bounds = strings.TrimSpace(tag.Get("min") + " to " + tag.Get("max") + " " + tag.Get("unit"))
		}
		table += fmt.Sprintf("| `%s` | %s | %s | %s |\n", tag.Get("env"), value, bounds, tag.Get("help"))
	}
	return strings.ReplaceAll(table, "|\n###", "|\n\n###")
}

func errorsTable(t *testing.T) (table string) {
	t.Helper()
	schema := loadSchema(t)
	for _, enum := range []string{"ErrorCode", "EmailReason", "UnauthenticatedReason", "InvitationNotUsableReason", "ConflictReason", "RateLimitReason"} {
		table += "### " + enum + "\n\n| value | meaning |\n| --- | --- |\n"
		for _, v := range schema.Types[enum].EnumValues {
			table += fmt.Sprintf("| `%s` | %s |\n", v.Name, oneLine(v.Description))
		}
		table += "\n"
	}
	return strings.TrimSuffix(table, "\n")
}

// loadSchema reads the schema from its files, with the descriptions.
func loadSchema(t *testing.T) *ast.Schema {
	t.Helper()
	paths, err := filepath.Glob("../../schema/*.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	var sources []*ast.Source
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, &ast.Source{Name: path, Input: string(text)})
	}
	schema, err := gqlparser.LoadSchema(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
