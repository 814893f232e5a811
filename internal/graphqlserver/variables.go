package graphqlserver

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// maxPathName limits how much of a key of a variable's value an error repeats, in
// octets.
const maxPathName = 40

// explainVariables says errors of gqlparser about the values of variables in the
// schema's words: where the value is, and what is expected there. gqlparser says what
// Go has made of the JSON, and quotes it.
func explainVariables(schema *ast.Schema, operation *ast.OperationDefinition, variables map[string]any, errs gqlerror.List) {
	if operation == nil {
		return
	}
	for _, err := range errs {
		if len(err.Path) < 2 || err.Path[0] != ast.PathName("variable") {
			continue
		}
		name, _ := err.Path[1].(ast.PathName)
		definition := operation.VariableDefinitions.ForName(string(name))
		if definition == nil {
			continue
		}
		p := place{schema: schema, expected: definition.Type, text: pathName(string(name))}
		p.value, p.found = variables[string(name)]
		steps := 2
		for _, step := range err.Path[2:] {
			if !p.step(step) {
				break
			}
			steps++
		}
		err.Path, err.Message = err.Path[:steps], p.message()
	}
}

// place is a place in the value of a variable.
type place struct {
	schema   *ast.Schema
	text     string    // input.emails[3]
	expected *ast.Type // nil where the schema has no such field
	parent   string    // the type of the object that has the field
	value    any
	found    bool
}

// step goes to an element or to a field. It reports false where the value has none,
// because it is no list: GraphQL then takes it for the only element.
func (p *place) step(step ast.PathElement) bool {
	switch step := step.(type) {
	case ast.PathIndex:
		list, isList := p.value.([]any)
		if !isList || int(step) >= len(list) || p.expected == nil || p.expected.Elem == nil {
			return false
		}
		p.text += fmt.Sprintf("[%d]", step)
		p.value, p.expected = list[step], p.expected.Elem
	case ast.PathName:
		if p.expected == nil {
			return false
		}
		object, _ := p.value.(map[string]any)
		p.text += "." + pathName(string(step))
		p.value, p.found = object[string(step)]
		p.parent = p.expected.Name()
		field := p.schema.Types[p.parent].Fields.ForName(string(step))
		if p.expected = nil; field != nil {
			p.expected = field.Type
		}
	}
	return true
}

func (p *place) message() string {
	switch {
	case p.expected == nil:
		return fmt.Sprintf("In the variables, %s is not a field of %s.", p.text, p.parent)
	case !p.found:
		return fmt.Sprintf("In the variables, %s is missing. It must be %s.", p.text, p.want())
	case p.value == nil:
		return fmt.Sprintf("In the variables, %s must not be null. It must be %s.", p.text, p.want())
	}
	return fmt.Sprintf("In the variables, %s must be %s.", p.text, p.want())
}

// want says which values are allowed, with the name of the type.
func (p *place) want() string {
	if p.expected.Elem != nil {
		return "a list (" + p.expected.String() + ")"
	}
	words := map[string]string{
		"Int":     "a whole number of 32 bits",
		"Float":   "a number",
		"Boolean": "true or false",
		"ID":      "a string or a whole number",
		"String":  "a string",
	}[p.expected.NamedType]
	if words == "" {
		words = map[ast.DefinitionKind]string{ast.Enum: "a value of the enum", ast.InputObject: "an object"}[p.schema.Types[p.expected.NamedType].Kind]
	}
	return strings.TrimSpace(words + " (" + p.expected.String() + ")")
}

// pathName cuts a key, which the client chose.
func pathName(name string) string {
	if len(name) <= maxPathName {
		return name
	}
	cut := maxPathName
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "…"
}
