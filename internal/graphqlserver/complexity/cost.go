package complexity

import (
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
)

// Weigh fails with Exceeded where an operation has too many mutations or costs
// too much. It reads a valid operation of a document that passed Check.
//
// A field costs 1 for each time that the answer can contain it, regardless of
// @skip and @include. A list is as long as the argument first of its field; or
// else as the longest list in the arguments of its field, or of the field that
// it is in: inviting 1,000 people returns 1,000 results.
func (l Limits) Weigh(operation *ast.OperationDefinition, variables map[string]any) error {
	if operation.Operation == ast.Mutation && rootFields(operation) > Mutations {
		return exceeded("The operation has more than %d mutations.", Mutations)
	}
	w := weighing{variables, map[string]int{}}
	if cost := w.set(operation.SelectionSet, 0); cost > l.Cost {
		return exceeded("The operation costs %d; it can cost %d. Request shorter pages (first), or fewer fields in them.", cost, l.Cost)
	}
	return nil
}

func rootFields(operation *ast.OperationDefinition) (n int) {
	for range document.Fields(operation.SelectionSet) {
		n++
	}
	return n
}

type weighing struct {
	variables map[string]any
	lengths   map[string]int // of the longest list in each variable that was measured
}

// set returns the cost of the fields of one object. Its lists without a length
// of their own have the given one; 0: the default.
func (w weighing) set(set ast.SelectionSet, length int) (cost int) {
	for field := range document.Fields(set) {
		cost = sum(cost, w.field(field, length))
	}
	return cost
}

func (w weighing) field(field *ast.Field, outer int) int {
	length, given := w.length(field)
	if field.Definition.Type.Elem == nil {
		return sum(1, w.set(field.SelectionSet, length))
	}
	if !given {
		length = outer
		if length == 0 {
			length = defaultList
		}
	}
	return product(length, sum(1, w.set(field.SelectionSet, 0)))
}

// length returns the length that the arguments of a field give to lists.
func (w weighing) length(field *ast.Field) (n int, given bool) {
	if first := field.Definition.Arguments.ForName("first"); first != nil {
		return w.first(field.Arguments.ForName("first"), first.DefaultValue), true
	}
	for _, a := range field.Arguments {
		n = max(n, w.longest(a.Value))
	}
	return n, n > 0
}

func (w weighing) first(given *ast.Argument, byDefault *ast.Value) int {
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

// longest returns the length of the longest list in an argument.
func (w weighing) longest(argument *ast.Value) (n int) {
	for _, v := range document.Values(argument) {
		switch v.Kind {
		case ast.ListValue:
			n = max(n, len(v.Children))
		case ast.Variable:
			n = max(n, w.longestIn(v.Raw))
		}
	}
	return n
}

// longestIn returns the length of the longest list in a variable. It measures
// each variable once, however often it occurs.
func (w weighing) longestIn(variable string) int {
	n, known := w.lengths[variable]
	if !known {
		n = longest(w.variables[variable])
		w.lengths[variable] = n
	}
	return n
}

// longest returns the length of the longest list in the value of a variable.
func longest(value any) (n int) {
	switch v := value.(type) {
	case []any:
		n = len(v)
		for _, element := range v {
			n = max(n, longest(element))
		}
	case map[string]any:
		for _, element := range v {
			n = max(n, longest(element))
		}
	}
	return n
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
