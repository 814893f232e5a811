package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
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
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		simplified, err := simplifyFile(path, source)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := os.WriteFile(path, simplified, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// simplifyFile rewrites a file that gqlgen has generated.
func simplifyFile(path string, source []byte) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &generatedFile{source: source, files: files, functions: map[string]*ast.FuncDecl{}}
	for _, d := range file.Decls {
		if function, ok := d.(*ast.FuncDecl); ok {
			f.functions[function.Name.Name] = function
		}
	}
	for _, function := range f.functions {
		if function.Body != nil {
			ast.Inspect(function.Body, f.simplify)
		}
	}
	return imports.Process(path, f.edited(), nil)
}

type generatedFile struct {
	source    []byte
	files     *token.FileSet
	functions map[string]*ast.FuncDecl
	edits     []edit
}

// edit replaces the octets from begin to end.
type edit struct {
	begin, end int
	text       string
}

func (f *generatedFile) replace(begin, end token.Pos, text string) {
	f.edits = append(f.edits, edit{f.files.Position(begin).Offset, f.files.Position(end).Offset, text})
}

func (f *generatedFile) text(n ast.Node) string {
	return string(f.source[f.files.Position(n.Pos()).Offset:f.files.Position(n.End()).Offset])
}

func (f *generatedFile) edited() []byte {
	slices.SortFunc(f.edits, func(a, b edit) int { return cmp.Compare(a.begin, b.begin) })
	var b []byte
	at := 0
	for _, e := range f.edits {
		b = append(append(b, f.source[at:e.begin]...), e.text...)
		at = e.end
	}
	return append(b, f.source[at:]...)
}

// simplify rewrites a node, and reports whether those below may be rewritten, too.
func (f *generatedFile) simplify(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return true
	}
	switch name := f.text(call.Fun); name {
	case "graphql.NewDeferredGroup":
		f.replace(call.Pos(), call.End(), "graphql.DeferredGroup{}")
	case "graphql.MarshalSliceConcurrently": // (ctx, length, workerLimit, omitPanicHandler, marshalElement)
		f.replace(call.Fun.Pos(), call.Fun.End(), "graphqltypes.MarshalSlice")
		f.replace(call.Args[1].End(), call.Args[3].End(), "")
	default:
		if function, ok := f.functions[strings.TrimPrefix(name, "ec.")]; ok && len(call.Args) == 3 && f.text(call.Args[1]) == "field" {
			if plain, ok := f.plainField(function); ok {
				f.replace(call.Pos(), call.End(), plain)
				f.replace(function.Pos(), function.End(), "")
				return false
			}
		}
	}
	return true
}

// plainField returns the expression that marshals the field which a function resolves,
// where nothing but reading the Go field is needed for that.
func (f *generatedFile) plainField(function *ast.FuncDecl) (expression string, ok bool) {
	// ResolveField(ctx, operation, field, fieldContext, resolver, middleware, marshal, recover, nonNull)
	call, ok := returned(function.Body, 1).(*ast.CallExpr)
	if !ok || f.text(call.Fun) != "graphql.ResolveField" || len(call.Args) != 9 || f.text(call.Args[5]) != "nil" || !f.isScalar(call.Args[3]) {
		return "", false
	}
	value, ok := returnedBy(call.Args[4], 2).(*ast.SelectorExpr)
	if !ok || f.text(value.X) != "obj" {
		return "", false
	}
	marshal, ok := returnedBy(call.Args[6], 1).(*ast.CallExpr)
	if !ok {
		return "", false
	}
	switch call.Args[6].(*ast.FuncLit).Type.Params.List[2].Type.(type) {
	case *ast.ArrayType: // errors of its elements have a path
		return "", false
	case *ast.StarExpr: // it is an error where the field is not nullable
		if f.text(call.Args[8]) == "true" {
			return "", false
		}
	}
	return fmt.Sprintf("%s(ctx, field.Selections, %s)", f.text(marshal.Fun), f.text(value)), true
}

// isScalar reports whether a function literal returns the field context of a scalar.
func (f *generatedFile) isScalar(fieldContext ast.Expr) bool {
	call, ok := returnedBy(fieldContext, 1).(*ast.CallExpr)
	if !ok {
		return false
	}
	function, ok := f.functions[strings.TrimPrefix(f.text(call.Fun), "ec.")]
	if !ok {
		return false
	}
	call, ok = returned(function.Body, 1).(*ast.CallExpr)
	return ok && f.text(call.Fun) == "graphql.NewScalarFieldContext"
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
