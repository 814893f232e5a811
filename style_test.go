package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	gql "github.com/vektah/gqlparser/v2/ast"
)

// bannedWords are words that docs/style.md replaces, in prose.
var bannedWords = map[string]*regexp.Regexp{
	"write \"anyone who\" or \"the person who\"": regexp.MustCompile(`(?i)\b(whoever|whomever|whosoever)\b`),
	"write \"anything that\" or name it":         regexp.MustCompile(`(?m)(^|\. )Whatever\b`),
	"people are \"they\"":                        regexp.MustCompile(`(?i)\b(she|her|hers|herself|he|him|his|himself)\b`),
	"write \"result of\"":                        regexp.MustCompile(`(?i)\bwhat (came|comes|became|becomes|has become) of\b`),
	"write \"always\" or \"never changes\"":      regexp.MustCompile(`(?i)\bfor ever\b`),
	"write \"again\"":                            regexp.MustCompile(`(?i)\b(anew)\b`),
	"write \"returns\"":                          regexp.MustCompile(`(?m)^\w+ gives (what|the (id|ids|number|name|names|rows|key|keys))\b`),
	"write what it is":                           regexp.MustCompile(`(?i)\b(such one|thereof|therein|lest|be it|errand|deeds?|lapsed)\b`),
	"write \"check\"":                            regexp.MustCompile(`(?i)\bjudg(e|es|ed|ing|ement|ements)\b`),
	"write \"excludes\" or \"locks\"":            regexp.MustCompile(`(?i)\b(keeps?|kept) (\w+ ){0,2}off\b`),
}

// bannedNames are parts of Go names that docs/style.md replaces.
var bannedNames = regexp.MustCompile(`^Malformed|^Told$|Judge|judge|Enrol|enrol|Founding|Deed|deed|Lapsed|lapsed|Patiently|[a-z]Whoever|Permit$|Admit$|errand|keepHouse|begunAnew|carryOut|pointTheWay`)

func checkProse(t *testing.T, where, text string) {
	t.Helper()
	for instead, banned := range bannedWords {
		if found := banned.FindString(text); found != "" {
			t.Errorf("%s: %q: %s (docs/style.md)", where, found, instead)
		}
	}
}

// The dialect that docs/style.md replaces does not come back: not in names and
// comments of the code, not in descriptions of the schema, not in documents.
func TestPlainWords(t *testing.T) {
	t.Parallel()
	t.Run("code", func(t *testing.T) {
		t.Parallel()
		walk(t, ".go", func(path string) {
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range file.Comments {
				checkProse(t, files.Position(group.Pos()).String(), group.Text())
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && id.Obj != nil && id.Obj.Pos() == id.Pos() && bannedNames.MatchString(id.Name) {
					t.Errorf("%s: the name %s: see the words of docs/style.md", files.Position(id.Pos()), id.Name)
				}
				if f, ok := n.(*ast.FuncDecl); ok && bannedNames.MatchString(f.Name.Name) {
					t.Errorf("%s: the name %s: see the words of docs/style.md", files.Position(f.Pos()), f.Name.Name)
				}
				return true
			})
		})
	})
	t.Run("schema", func(t *testing.T) {
		t.Parallel()
		var sources []*gql.Source
		walk(t, ".graphqls", func(path string) {
			sources = append(sources, &gql.Source{Name: path, Input: read(t, path)})
		})
		schema, err := gqlparser.LoadSchema(sources...)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range schema.Types {
			checkProse(t, d.Name, d.Description)
			for _, f := range d.Fields {
				checkProse(t, d.Name+"."+f.Name, f.Description)
				for _, a := range f.Arguments {
					checkProse(t, d.Name+"."+f.Name+"."+a.Name, a.Description)
				}
			}
			for _, v := range d.EnumValues {
				checkProse(t, d.Name+"."+v.Name, v.Description)
			}
		}
		for _, d := range schema.Directives {
			checkProse(t, "@"+d.Name, d.Description)
		}
	})
	t.Run("documents", func(t *testing.T) {
		t.Parallel()
		walk(t, ".md", func(path string) {
			text := read(t, path)
			if path == filepath.Join("docs", "style.md") {
				before, _, _ := strings.Cut(text, "| instead of")
				_, after, _ := strings.Cut(text, "## Names")
				text = before + after
			}
			checkProse(t, path, text)
		})
	})
}

// walk calls visit with the path of every hand-written file of an extension.
func walk(t *testing.T, extension string, visit func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || path == "graph") {
			return filepath.SkipDir
		}
		if !entry.IsDir() && filepath.Ext(path) == extension && path != "style_test.go" {
			visit(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
