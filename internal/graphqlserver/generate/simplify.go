package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/imports"
)

// simplify rewrites gqlgen's files in a folder: plain fields, lists, and @defer, which
// the gateway refuses.
func simplify(folder string) error {
	paths, err := filepath.Glob(filepath.Join(folder, "*.generated.go"))
	if err != nil {
		return err
	}
	sources := make(map[string][]byte, len(paths))
	for _, path := range paths {
		if sources[path], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	simplified, err := simplifyFiles(sources)
	if err != nil {
		return err
	}
	for path, source := range simplified {
		if err := os.WriteFile(path, source, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// simplifyFiles rewrites the files that gqlgen has generated, by their paths.
func simplifyFiles(sources map[string][]byte) (map[string][]byte, error) {
	g := &generated{files: token.NewFileSet(), sources: sources, functions: map[string]*ast.FuncDecl{}, edits: map[string][]edit{}, objects: map[string]bool{}}
	for _, path := range slices.Sorted(maps.Keys(sources)) {
		file, err := parser.ParseFile(g.files, path, sources[path], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			if function, ok := d.(*ast.FuncDecl); ok {
				g.functions[function.Name.Name] = function
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g.functions)) {
		if function := g.functions[name]; function.Body != nil {
			g.writeListDirectly(function)
			ast.Inspect(function.Body, g.simplify)
		}
	}
	simplified := make(map[string][]byte, len(sources))
	for path := range sources {
		source, err := imports.Process(path, g.edited(path), nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		simplified[path] = source
	}
	return simplified, nil
}

// generated is the package that gqlgen has generated.
type generated struct {
	files     *token.FileSet
	sources   map[string][]byte        // by path
	functions map[string]*ast.FuncDecl // by name
	edits     map[string][]edit        // by path
	objects   map[string]bool          // those whose plain fields have a function; see plainObject
}

// edit replaces the octets from begin to end.
type edit struct {
	begin, end int
	text       string
}

func (g *generated) replace(begin, end token.Pos, text string) {
	path := g.files.Position(begin).Filename
	g.edits[path] = append(g.edits[path], edit{g.files.Position(begin).Offset, g.files.Position(end).Offset, text})
}

func (g *generated) insert(at token.Pos, text string) { g.replace(at, at, text) }

func (g *generated) text(n ast.Node) string {
	begin := g.files.Position(n.Pos())
	return string(g.sources[begin.Filename][begin.Offset:g.files.Position(n.End()).Offset])
}

func (g *generated) edited(path string) []byte {
	source, edits := g.sources[path], g.edits[path]
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.begin, b.begin) })
	var b []byte
	at := 0
	for _, e := range edits {
		b = append(append(b, source[at:e.begin]...), e.text...)
		at = e.end
	}
	return append(b, source[at:]...)
}

// simplify rewrites a node, and reports whether those below may be rewritten, too.
func (g *generated) simplify(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return true
	}
	switch name := g.text(call.Fun); name {
	case "graphql.NewDeferredGroup":
		g.replace(call.Pos(), call.End(), "graphql.DeferredGroup{}")
	case "data.MarshalGQL": // (&buf)
		g.replace(call.Pos(), call.End(), "graphqltypes.Marshal(data, "+g.text(call.Args[0])+")")
	case "graphql.MarshalSliceConcurrently": // (ctx, length, workerLimit, omitPanicHandler, marshalElement)
		g.replace(call.Fun.Pos(), call.Fun.End(), "graphqltypes.MarshalSlice")
		g.replace(call.Args[1].End(), call.Args[3].End(), "")
	default:
		if function, ok := g.functions[strings.TrimPrefix(name, "ec.")]; ok && len(call.Args) == 3 && g.text(call.Args[1]) == "field" {
			if plain, ok := g.plainField(function); ok {
				g.replace(call.Pos(), call.End(), plain)
				g.replace(function.Pos(), function.End(), "")
				return false
			}
		}
	}
	return true
}

// plainField returns the expression that marshals the field which a function resolves,
// where nothing but reading the Go field is needed for that.
func (g *generated) plainField(function *ast.FuncDecl) (expression string, ok bool) {
	f, ok := g.readField(function)
	if !ok || !f.scalar || f.pointer && f.nonNull { // null is an error where the field is not nullable
		return "", false
	}
	return fmt.Sprintf("%s(ctx, field.Selections, %s)", f.marshal, f.value), true
}

// field is what a function does that resolves a field by reading a Go field.
type field struct {
	value   string // the Go field: obj.Name
	marshal string // the function that marshals its value
	scalar  bool
	pointer bool
	nonNull bool
}

// readField reads a function that resolves a field. It reports false for those that do
// not only read a Go field, or a list, as errors of its elements have a path.
func (g *generated) readField(function *ast.FuncDecl) (f field, ok bool) {
	// ResolveField(ctx, operation, field, fieldContext, resolver, middleware, marshal, recover, nonNull)
	call, ok := returned(function.Body, 1).(*ast.CallExpr)
	if !ok || g.text(call.Fun) != "graphql.ResolveField" || len(call.Args) != 9 || g.text(call.Args[5]) != "nil" {
		return f, false
	}
	value, ok := returnedBy(call.Args[4], 2).(*ast.SelectorExpr)
	if !ok || g.text(value.X) != "obj" {
		return f, false
	}
	marshal, ok := returnedBy(call.Args[6], 1).(*ast.CallExpr)
	if !ok {
		return f, false
	}
	f = field{value: g.text(value), marshal: g.text(marshal.Fun), scalar: g.isScalar(call.Args[3]), nonNull: g.text(call.Args[8]) == "true"}
	switch call.Args[6].(*ast.FuncLit).Type.Params.List[2].Type.(type) {
	case *ast.ArrayType:
		return f, false
	case *ast.StarExpr:
		f.pointer = true
	}
	return f, true
}

// isScalar reports whether a function literal returns the field context of a scalar.
func (g *generated) isScalar(fieldContext ast.Expr) bool {
	call, ok := returnedBy(fieldContext, 1).(*ast.CallExpr)
	if !ok {
		return false
	}
	function, ok := g.functions[strings.TrimPrefix(g.text(call.Fun), "ec.")]
	if !ok {
		return false
	}
	call, ok = returned(function.Body, 1).(*ast.CallExpr)
	return ok && g.text(call.Fun) == "graphql.NewScalarFieldContext"
}

// returnedBy is returned for the body of a function literal.
func returnedBy(e ast.Expr, results int) ast.Expr {
	literal, ok := e.(*ast.FuncLit)
	if !ok {
		return nil
	}
	return returned(literal.Body, results)
}

// returned returns the first of the results of a body that only returns them; nil for
// any other.
func returned(body *ast.BlockStmt, results int) ast.Expr {
	if len(body.List) != 1 {
		return nil
	}
	r, ok := body.List[0].(*ast.ReturnStmt)
	if !ok || len(r.Results) != results {
		return nil
	}
	return r.Results[0]
}
