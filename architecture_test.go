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

// Who must not import whom.
func TestImports(t *testing.T) {
	libraries := []string{"github.com/99designs/", "github.com/jmoiron/sqlx", "github.com/lib/pq", "net/http"}
	telemetry := []string{"github.com/prometheus", "go.opentelemetry.io"}
	forbidden := map[string][]string{
		"":                     append(libraries, module+"/graph", module+"/resolvers"),
		"/graph":               {module + "/resolvers", module + "/internal/gateway", "github.com/lib/pq"},
		"/web":                 {module, "github.com/", "net/http"},
		"/resolvers":           {module + "/internal/gateway", "github.com/jmoiron/sqlx", "github.com/lib/pq", "net/http"},
		"/internal/fault":      {module, "github.com/"},
		"/internal/address":    {module},
		"/internal/globalid":   {module, "github.com/99designs/"},
		"/internal/batch":      {module},
		"/internal/jwks":       {module},
		"/internal/rescue":     {module + "/internal/postgres", "github.com/"},
		"/internal/token":      {module + "/internal/postgres", module + "/internal/gateway", "net/http"},
		"/internal/cache":      {module, "github.com/"},
		"/internal/persisted":  {module + "/resolvers", module + "/graph", module + "/internal/gateway", "net/http"},
		"/internal/complexity": {module, "github.com/99designs/", "github.com/vektah/gqlparser/v2/validator"},
		"/internal/access":     domain("/internal/access"),
		"/internal/instance":   domain("/internal/instance"),
		"/internal/invitation": append(domain("/internal/invitation"), "github.com/wneessen/"),
		"/internal/space":      domain("/internal/space"),
		"/internal/account":    domain("/internal/account"),
		"/internal/membership": domain("/internal/membership"),
		"/internal/request":    domain("/internal/request", "/internal/instance", "/internal/invitation"), // what is approved is carried out
		"/internal/ratelimit":  domain("/internal/ratelimit"),
		"/internal/mailing":    domain("/internal/mailing"),
		"/internal/message":    {module + "/internal/postgres", module + "/internal/access"},
		"/internal/event":      domain("/internal/event"),
		"/internal/audit":      domain("/internal/audit"),
		"/internal/name":       {module + "/internal/postgres", module + "/internal/access"},
		"/internal/transport":  {module + "/resolvers", module + "/internal/gateway", "github.com/jmoiron/sqlx", "github.com/lib/pq"},
		"/internal/metrics":    {module, "go.opentelemetry.io", "github.com/jmoiron/sqlx", "github.com/lib/pq"},
		"/internal/tracing":    {module + "/internal/postgres", module + "/internal/outbox", module + "/resolvers", module + "/internal/gateway", "github.com/prometheus", "github.com/99designs/"},
		"/internal/gateway":    telemetry, // each of them has one package that knows it
		"/internal/postgres":   append(telemetry, module+"/internal/metrics", module+"/internal/tracing"),
		"/internal/outbox":     append(telemetry, module+"/internal/metrics", module+"/internal/tracing"),
		"/internal/mail":       append(domain("/internal/mail"), module+"/internal/access", module+"/internal/postgres"),
	}
	packages := list(t)
	for path, imports := range packages {
		rule, named := forbidden[strings.TrimPrefix(path, module)]
		if !named {
			continue
		}
		for _, i := range imports {
			if slices.ContainsFunc(rule, func(prefix string) bool {
				return i == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(i, strings.TrimSuffix(prefix, "/")+"/")
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

// A panic in a goroutine ends the program, unless the goroutine answers for it:
// by itself, or by the function of its package that it calls.
func TestEveryGoroutineAnswersForItsPanics(t *testing.T) {
	exempt := map[string]string{
		"internal/mailbox/mailbox.go":        "go-smtp answers for them, in development",
		"internal/postgres/private/child.go": "it waits for a process, in development",
	}
	for path, files := range sources(t) {
		answering := map[string]bool{}
		for _, file := range files {
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && calls(f.Body, map[string]bool{"recover": true, "rescue": true}) {
					answering[f.Name.Name] = true
				}
			}
		}
		answering["recover"], answering["rescue"] = true, true
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

// calls reports whether any function of some names, or of a package of such a
// name, is called somewhere.
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
// the gateway, and the domain's other subjects, but those that it builds on.
func domain(of ...string) []string {
	rule := []string{"github.com/prometheus", "go.opentelemetry.io", module + "/internal/metrics", module + "/internal/tracing", "github.com/99designs/", "github.com/jmoiron/sqlx", "net/http", module + "/graph", module + "/resolvers", module + "/internal/gateway"}
	for _, subject := range []string{"/internal/instance", "/internal/invitation", "/internal/membership", "/internal/request", "/internal/space"} {
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
