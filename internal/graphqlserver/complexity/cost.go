package complexity

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/graphqlserver/document"
)

const (
	// defaultPage is the length of a page where first does not say it.
	defaultPage = 20
	// defaultList is the length of a list where nothing says it.
	defaultList = 5
	// elementCost is what an element of a list in an argument costs. Checking an address
	// takes up to twenty times as long as writing a field.
	elementCost = 20
	// octetsPerCost is how many octets of text in an argument cost as much as a field.
	octetsPerCost = 16
)

// Weigh fails with Exceeded where an operation has too many mutations or costs
// too much. It reads a valid operation of a document that passed Check.
//
// A field costs 1 for each time that the answer can contain it, regardless of
// @skip and @include. A list is as long as the argument first of its field; or
// else as the longest list in the arguments of its field, or of the field that
// it is in: inviting 1,000 people returns 1,000 results. Fields says which fields
// cost more, and which lists are longer.
//
// The arguments of a field cost elementCost for each element of their lists, and 1 for
// each octetsPerCost octets of their texts, again for each field that has them: the
// same variable can be the argument of fifty fields.
func (l Limits) Weigh(operation *ast.OperationDefinition, variables map[string]any) error {
	if operation.Operation == ast.Mutation && rootFields(operation) > Mutations {
		return exceeded("The operation has more than %d mutations.", Mutations)
	}
	w := weighing{fields: l.Fields, variables: variables, sizes: map[string]size{}}
	cost := w.set(operation.SelectionSet, 0)
	switch {
	case cost <= l.Cost:
		return nil
	case w.input > cost/2:
		return exceeded("The operation costs %d, of which its arguments cost %d; it can cost %d. Send shorter lists, or fewer fields with them in one operation.", cost, w.input, l.Cost)
	default:
		return exceeded("The operation costs %d; it can cost %d. Request shorter pages (first), or fewer fields in them.", cost, l.Cost)
	}
}

func rootFields(operation *ast.OperationDefinition) (n int) {
	for range document.Fields(operation.SelectionSet) {
		n++
	}
	return n
}

type weighing struct {
	fields    map[string]Field
	variables map[string]any
	sizes     map[string]size // of the variables that were measured
	input     int             // what the arguments of the fields cost so far
}

// size is the size of a value in an argument.
type size struct {
	longest  int // elements of its longest list
	elements int // of all its lists
	octets   int // of all its texts
}

func (s size) plus(other size) size {
	return size{max(s.longest, other.longest), s.elements + other.elements, s.octets + other.octets}
}

func (s size) cost() int { return sum(product(s.elements, elementCost), s.octets/octetsPerCost) }

// set returns the cost of the fields of one object. Its lists without a length
// of their own have the given one; 0: the default.
func (w *weighing) set(set ast.SelectionSet, length int) (cost int) {
	for field := range document.Fields(set) {
		cost = sum(cost, w.field(field, length))
	}
	return cost
}

func (w *weighing) field(field *ast.Field, outer int) int {
	arguments, own := w.arguments(field), w.own(field)
	w.input = sum(w.input, arguments.cost())
	length, given := arguments.longest, arguments.longest > 0
	if !given {
		length, given = own.Length, own.Length > 0
	}
	if first := field.Definition.Arguments.ForName("first"); first != nil {
		length, given = w.first(field.Arguments.ForName("first"), first.DefaultValue), true
	}
	if field.Definition.Type.Elem == nil {
		return sum(arguments.cost(), sum(1+own.Weight, w.set(field.SelectionSet, length)))
	}
	if !given {
		length = outer
		if length == 0 {
			length = defaultList
		}
	}
	return sum(arguments.cost(), product(length, sum(1+own.Weight, w.set(field.SelectionSet, 0))))
}

// own returns what a field of the schema costs.
func (w *weighing) own(field *ast.Field) Field {
	if len(w.fields) == 0 || field.ObjectDefinition == nil {
		return Field{}
	}
	return w.fields[field.ObjectDefinition.Name+"."+field.Name]
}

func (w *weighing) first(given *ast.Argument, byDefault *ast.Value) int {
	var value any
	if given != nil {
		value, _ = given.Value.Value(w.variables)
	}
	if value == nil && byDefault != nil {
		value, _ = byDefault.Value(nil)
	}
	n, err := strconv.Atoi(fmt.Sprint(value))
	if err != nil {
		return defaultPage
	}
	return max(n, 0)
}

// arguments returns the size of a field's arguments.
func (w *weighing) arguments(field *ast.Field) (total size) {
	for _, a := range field.Arguments {
		for _, v := range document.Values(a.Value) {
			switch v.Kind {
			case ast.ListValue:
				total = total.plus(size{len(v.Children), len(v.Children), 0})
			case ast.Variable:
				total = total.plus(w.variable(v.Raw))
			case ast.ObjectValue:
			default:
				total = total.plus(size{octets: len(v.Raw)})
			}
		}
	}
	return total
}

// variable returns the size of a variable. It measures each variable once, however
// often it occurs.
func (w *weighing) variable(name string) size {
	s, known := w.sizes[name]
	if !known {
		s = measure(w.variables[name])
		w.sizes[name] = s
	}
	return s
}

// measure returns the size of the value of a variable.
func measure(value any) (total size) {
	switch v := value.(type) {
	case string:
		total.octets = len(v)
	case json.Number:
		total.octets = len(v)
	case []any:
		total = size{len(v), len(v), 0}
		for _, element := range v {
			total = total.plus(measure(element))
		}
	case map[string]any:
		for _, element := range v {
			total = total.plus(measure(element))
		}
	}
	return total
}

// maxCost is where costs end, so that they do not overflow. It is above every
// limit.
const maxCost = 1 << 52

func sum(a, b int) int { return min(a+b, maxCost) }

func product(a, b int) int {
	if a > 0 && b > maxCost/a {
		return maxCost
	}
	return a * b
}
