package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "alphacruncher.com/datahub-gateway"

// Packages must not import these: a path that ends in a slash stands for
// everything below it.
func TestImports(t *testing.T) {
	libraries := []string{"github.com/99designs/", "github.com/jmoiron/sqlx", "github.com/lib/pq", "net/http"}
	telemetry := []string{"github.com/prometheus/", "go.opentelemetry.io/"}
	forbidden := map[string][]string{
		"":           append(libraries, module+"/graph", module+"/resolvers"),
		"/graph":     {module + "/resolvers", module + "/internal/app", "github.com/lib/pq"},
		"/web":       {module + "/", "github.com/", "net/http"},
		"/resolvers": {module + "/internal/app", "github.com/jmoiron/sqlx", "github.com/lib/pq", "net/http"},

		"/internal/app":                       telemetry, // the package telemetry alone knows them
		"/internal/access":                    domain("/internal/access"),
		"/internal/account":                   domain("/internal/account"),
		"/internal/address":                   {module + "/"},
		"/internal/audit":                     domain("/internal/audit"),
		"/internal/batch":                     {module + "/"},
		"/internal/cache":                     {module + "/"},
		"/internal/event":                     domain("/internal/event"),
		"/internal/fault":                     {module + "/", "github.com/"},
		"/internal/graphqlserver":             {module + "/resolvers", module + "/internal/app", "github.com/jmoiron/sqlx", "github.com/lib/pq"},
		"/internal/graphqlserver/complexity":  {module + "/resolvers", module + "/graph", module + "/internal/app", "github.com/99designs/", "github.com/vektah/gqlparser/v2/validator", "net/http"},
		"/internal/graphqlserver/document":    {module + "/", "github.com/99designs/", "github.com/vektah/gqlparser/v2/validator", "net/http"},
		"/internal/graphqlserver/trusteddocs": {module + "/resolvers", module + "/graph", module + "/internal/app", "net/http"},
		"/internal/graphqltypes/globalid":     {module + "/", "github.com/99designs/"},
		"/internal/graphqltypes/relay":        {module + "/internal/postgres", module + "/internal/tenant", "github.com/99designs/"},
		"/internal/instance":                  domain("/internal/instance"),
		"/internal/keyedhash":                 domain("/internal/keyedhash"),
		"/internal/invitation":                append(domain("/internal/invitation", "/internal/membership"), "github.com/wneessen/"),
		"/internal/mail":                      append(domain("/internal/mail"), module+"/internal/postgres"),
		"/internal/membership":                domain("/internal/membership"),
		"/internal/organization":              append(domain("/internal/organization", "/internal/membership"), "github.com/lib/pq"),
		"/internal/outbox":                    append(telemetry, module+"/internal/telemetry"),
		"/internal/postgres":                  append(telemetry, module+"/internal/telemetry"),
		"/internal/privacy":                   {"github.com/prometheus/", "go.opentelemetry.io/", "github.com/99designs/", "github.com/jmoiron/sqlx", "net/http", module + "/graph", module + "/resolvers", module + "/internal/app"},
		"/internal/ratelimit":                 domain("/internal/ratelimit"),
		"/internal/request":                   domain("/internal/request", "/internal/instance", "/internal/invitation", "/internal/membership", "/internal/space"), // an approval performs what was requested
		"/internal/roster":                    domain("/internal/instance", "/internal/invitation", "/internal/membership", "/internal/roster"),
		"/internal/state":                     {module + "/", "github.com/"},
		"/internal/space":                     domain("/internal/space", "/internal/instance", "/internal/membership", "/internal/organization"),
		"/internal/telemetry":                 {module + "/internal/postgres", module + "/internal/outbox", module + "/resolvers", module + "/internal/app", "github.com/99designs/", "github.com/jmoiron/sqlx", "github.com/lib/pq"},
		"/internal/telemetry/recovery":        {module + "/internal/postgres", "github.com/"},
		"/internal/tenant":                    append(domain("/internal/tenant"), module+"/internal/access"),
		"/internal/text":                      {module + "/internal/postgres", module + "/internal/tenant"},
		"/internal/token":                     {module + "/internal/postgres", module + "/internal/app", "net/http"},
		"/internal/token/jwks":                {module + "/"},
	}
	packages := list(t)
	for path, imports := range packages {
		for _, i := range imports {
			if forTests(i) && !forTests(path) {
				t.Errorf("%s imports %s, which is for tests", path, i)
			}
		}
		rule, named := forbidden[strings.TrimPrefix(path, module)]
		if !named {
			continue
		}
		for _, i := range imports {
			if slices.ContainsFunc(rule, func(prefix string) bool {
				return i == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(i, prefix)
			}) {
				t.Errorf("%s imports %s", path, i)
			}
		}
	}
	for path := range forbidden {
		if _, found := packages[module+path]; !found {
			t.Errorf("there is no package %s", module+path)
		}
	}
}

// forTests reports whether a package of this module, by its import path or its
// folder, is imported by tests alone.
func forTests(path string) bool {
	folder := strings.TrimPrefix(path, module+"/")
	return strings.HasPrefix(folder, "internal/") && (strings.HasSuffix(folder, "test") || strings.HasSuffix(folder, "/testworld"))
}

// A panic in a goroutine ends the program, unless the goroutine answers for it:
// by itself, or by the function of its package that it calls.
func TestEveryGoroutineAnswersForItsPanics(t *testing.T) {
	exempt := map[string]string{
		"internal/mail/mailbox/mailbox.go":    "go-smtp answers for them, in development",
		"internal/postgres/embedded/child.go": "it waits for a process, in development",
	}
	for path, files := range sources(t) {
		if forTests(path) {
			continue
		}
		answering := map[string]bool{}
		for _, file := range files {
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && calls(f.Body, map[string]bool{"recover": true, "recovery": true}) {
					answering[f.Name.Name] = true
				}
			}
		}
		answering["recover"], answering["recovery"] = true, true
		for name, file := range files {
			ast.Inspect(file, func(n ast.Node) bool {
				begins := false
				switch n := n.(type) {
				case *ast.GoStmt:
					begins = true
				case *ast.CallExpr:
					called, ok := n.Fun.(*ast.SelectorExpr)
					begins = ok && called.Sel.Name == "Go"
				}
				if begins && !calls(n, answering) && exempt[filepath.Join(path, name)] == "" {
					t.Errorf("%s/%s begins a goroutine that does not answer for its panics", path, name)
				}
				return true
			})
		}
	}
}

// calls reports whether a function with one of the names, or of a package with one
// of them, is called in a node.
func calls(in ast.Node, names map[string]bool) (found bool) {
	ast.Inspect(in, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch f := call.Fun.(type) {
		case *ast.Ident:
			found = found || names[f.Name]
		case *ast.SelectorExpr:
			of, _ := f.X.(*ast.Ident)
			found = found || names[f.Sel.Name] || of != nil && names[of.Name]
		}
		return true
	})
	return found
}

// sources are the hand-written files, without tests, by folder and name.
func sources(t *testing.T) map[string]map[string]*ast.File {
	t.Helper()
	all := map[string]map[string]*ast.File{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "graph/") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		dir, name := filepath.Split(path)
		if dir = filepath.Clean(dir); all[dir] == nil {
			all[dir] = map[string]*ast.File{}
		}
		all[dir][name] = file
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// domain is what a package of the domain must not import: the API's packages,
// the gateway, and the domain's other subjects, except those that it builds on.
// What grants a role builds on membership: all roles are granted there.
func domain(of ...string) []string {
	rule := []string{"github.com/prometheus/", "go.opentelemetry.io/", module + "/internal/telemetry", "github.com/99designs/", "github.com/jmoiron/sqlx", "net/http", module + "/graph", module + "/resolvers", module + "/internal/app"}
	for _, subject := range []string{"/internal/instance", "/internal/invitation", "/internal/membership", "/internal/organization", "/internal/request", "/internal/roster", "/internal/space"} {
		if !slices.Contains(of, subject) {
			rule = append(rule, module+subject)
		}
	}
	return rule
}

func list(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string][]string{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[p.ImportPath] = p.Imports
	}
}
