package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
)

// A list of objects is written straight to JSON where only plain fields of them are
// selected: see package plain, which needs a function for each type that knows its plain
// fields.

// parameterV matches the value in the functions that marshal values.
var parameterV = regexp.MustCompile(`\bv\b`)

// marshalElements matches the names of functions that marshal a list whose elements are
// pointers and not null: of the type, and what marshals an element.
var marshalElements = regexp.MustCompile(`^marshalN(\w+?)2ᚕᚖ(.+)ᚄ$`)

// writeListDirectly has a function that marshals a list of objects try package plain
// first.
func (g *generated) writeListDirectly(function *ast.FuncDecl) {
	name := marshalElements.FindStringSubmatch(function.Name.Name)
	if name == nil {
		return
	}
	object, ok := g.objectOf("ec.marshalN" + name[1] + "2ᚖ" + name[2])
	if !ok || !g.plainObject(object) {
		return
	}
	g.insert(function.Body.Lbrace+1, fmt.Sprintf(`
	if list := plain.List(ec.OperationContext, sel, %s, plain%s, v); list != nil {
		return list
	}`, implementors(object), object))
}

// objectOf returns the object that a function marshals, a pointer.
func (g *generated) objectOf(marshal string) (object string, ok bool) {
	function := g.functions[strings.TrimPrefix(marshal, "ec.")]
	if function == nil {
		return "", false
	}
	last, ok := function.Body.List[len(function.Body.List)-1].(*ast.ReturnStmt)
	if !ok || len(last.Results) != 1 {
		return "", false
	}
	call, ok := last.Results[0].(*ast.CallExpr)
	if !ok || len(call.Args) != 3 || g.text(call.Args[2]) != "v" {
		return "", false
	}
	return strings.CutPrefix(g.text(call.Fun), "ec._")
}

// implementors returns the name of the variable that has the names of an object's type
// and interfaces.
func implementors(object string) string {
	return strings.ToLower(object[:1]) + object[1:] + "Implementors"
}

// plainObject writes the function that returns how the plain fields of an object are
// written, once. It reports false for an interface, and where no field is plain.
func (g *generated) plainObject(object string) bool {
	if has, known := g.objects[object]; known {
		return has
	}
	g.objects[object] = true // for fields whose type is the object
	function := g.functions["_"+object]
	params := function.Type.Params.List
	of, ok := params[len(params)-1].Type.(*ast.StarExpr)
	if !ok {
		g.objects[object] = false
		return false
	}
	goType := g.text(of.X)
	var cases strings.Builder
	ast.Inspect(function.Body, func(n ast.Node) bool {
		clause, ok := n.(*ast.CaseClause)
		if !ok || len(clause.List) != 1 || len(clause.Body) == 0 {
			return true
		}
		if assign, ok := clause.Body[0].(*ast.AssignStmt); ok && len(assign.Rhs) == 1 {
			if body := g.writer(assign.Rhs[0], goType); body != "" {
				fmt.Fprintf(&cases, "\tcase %s:\n%s\n", g.text(clause.List[0]), body)
			}
		}
		return false
	})
	g.insert(function.End(), fmt.Sprintf(`

func plain%s(of *graphql.OperationContext, field graphql.CollectedField) plain.Writer[%s] {
	switch field.Name {
%s	}
	return nil
}
`, object, goType, cases.String()))
	return true
}

// writer returns the statements that return how a field is written, by the expression
// that resolves it; "" where the field is not plain.
func (g *generated) writer(resolve ast.Expr, goType string) string {
	call, ok := resolve.(*ast.CallExpr)
	if !ok {
		return ""
	}
	write := func(body string) string {
		return fmt.Sprintf("return func(b *bytes.Buffer, obj *%s) bool { %s }", goType, body)
	}
	if g.text(call.Fun) == "graphql.MarshalString" { // __typename
		return write("return plain.Value(b, " + g.text(call) + ")")
	}
	function := g.functions[strings.TrimPrefix(g.text(call.Fun), "ec.")]
	if function == nil || len(call.Args) != 3 || g.text(call.Args[1]) != "field" {
		return ""
	}
	f, ok := g.readField(function)
	if !ok {
		return ""
	}
	ifNull := ""
	if f.pointer {
		ifNull = fmt.Sprintf("if %s == nil { return plain.Null(b) }; ", f.value)
		if f.nonNull {
			ifNull = fmt.Sprintf("if %s == nil { return false }; ", f.value)
		}
	}
	if f.scalar {
		if value := g.writeScalar(f); value != "" {
			return write(ifNull + value)
		}
		return ""
	}
	object, ok := g.objectOf(f.marshal)
	if !ok || !f.pointer || !g.plainObject(object) {
		return ""
	}
	return fmt.Sprintf("value := plain.Compile(of, field.Selections, %s, plain%s)\nif value == nil { return nil }\n", implementors(object), object) +
		write(fmt.Sprintf("%sreturn value.Write(b, %s)", ifNull, f.value))
}

// writeScalar returns the statements that write the value of a field, which is not nil,
// by what its marshal function does: "return v", or "res := marshal(v)" with v, *v or a
// conversion of them.
func (g *generated) writeScalar(f field) (statements string) {
	function := g.functions[strings.TrimPrefix(f.marshal, "ec.")]
	if function == nil {
		return ""
	}
	for _, statement := range function.Body.List {
		switch s := statement.(type) {
		case *ast.AssignStmt:
			call, ok := s.Rhs[0].(*ast.CallExpr)
			if s.Tok != token.DEFINE || !ok || len(call.Args) != 1 {
				continue
			}
			return fmt.Sprintf("return plain.Value(b, %s(%s))", g.text(call.Fun), parameterV.ReplaceAllString(g.text(call.Args[0]), f.value))
		case *ast.ReturnStmt:
			if g.text(s.Results[0]) == "v" {
				return f.value + ".MarshalGQL(b); return true"
			}
		}
	}
	return ""
}
