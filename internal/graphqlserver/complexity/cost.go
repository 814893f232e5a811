package complexity

import (
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
)

const (
	// defaultPage is how many rows a page has where first does not say.
	defaultPage = 20
	// shortList is how many elements a list counts for that nothing else says
	// the length of.
	shortList = 5
)

// Weigh fails with Exceeded where a valid operation, in a document that Check has
// let pass, has too many mutations or costs too much. A field costs 1 each time
// that the answer can hold it, whatever @skip and @include say. A list is as long
// as first says, or as the longest list among the arguments of its field or of
// the field that it stands in: who invites 1,000 people gets 1,000 results.
func (l Limits) Weigh(operation *ast.OperationDefinition, variables map[string]any) error {
	if operation.Operation == ast.Mutation && rootFields(operation.SelectionSet) > Mutations {
		return exceeded("The operation has more than %d mutations.", Mutations)
	}
	w := weighing{variables, map[string]int{}}
	if cost := w.set(operation.SelectionSet, 0); cost > l.Cost {
		return exceeded("The operation costs %d; it can cost %d. Ask for shorter pages (first), or for less in them.", cost, l.Cost)
	}
	return nil
}

func rootFields(set ast.SelectionSet) (n int) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			n++
		case *ast.InlineFragment:
			n += rootFields(s.SelectionSet)
		case *ast.FragmentSpread:
			n += rootFields(s.Definition.SelectionSet)
		}
	}
	return n
}

type weighing struct {
	variables map[string]any
	lengths   map[string]int // of the longest lists in variables, each measured once
}

// set is what the fields of an object cost in which lists have a length; 0 where
// nothing says which.
func (w weighing) set(set ast.SelectionSet, length int) (cost int) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			cost = sum(cost, w.field(s, length))
		case *ast.InlineFragment:
			cost = sum(cost, w.set(s.SelectionSet, length))
		case *ast.FragmentSpread:
			cost = sum(cost, w.set(s.Definition.SelectionSet, length))
		}
	}
	return cost
}

func (w weighing) field(field *ast.Field, around int) int {
	length, said := w.length(field)
	if field.Definition.Type.Elem == nil {
		return sum(1, w.set(field.SelectionSet, length))
	}
	if !said {
		length = around
		if length == 0 {
			length = shortList
		}
	}
	return product(length, sum(1, w.set(field.SelectionSet, 0)))
}

// length is how long the arguments of a field say that lists are.
func (w weighing) length(field *ast.Field) (n int, said bool) {
	if first := field.Definition.Arguments.ForName("first"); first != nil {
		return w.first(field.Arguments.ForName("first"), first.DefaultValue), true
	}
	for _, a := range field.Arguments {
		n = max(n, w.longest(a.Value))
	}
	return n, n > 0
}

// longest is the length of the longest list in an argument.
func (w weighing) longest(v *ast.Value) (n int) {
	if v.Kind == ast.Variable {
		n, known := w.lengths[v.Raw]
		if !known {
			n = longest(w.variables[v.Raw])
			w.lengths[v.Raw] = n
		}
		return n
	}
	if v.Kind == ast.ListValue {
		n = len(v.Children)
	}
	for _, child := range v.Children {
		n = max(n, w.longest(child.Value))
	}
	return n
}

func (w weighing) first(given *ast.Argument, otherwise *ast.Value) int {
	var value any
	if given != nil {
		value, _ = given.Value.Value(w.variables)
	}
	if value == nil && otherwise != nil {
		value, _ = otherwise.Value(nil)
	}
	n, err := strconv.Atoi(fmt.Sprint(value))
	if err != nil {
		return defaultPage
	}
	return max(n, 0)
}

// longest is the length of the longest list in a variable's value.
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

// endless is what no cost exceeds.
const endless = 1 << 52

func sum(a, b int) int { return min(a+b, endless) }

func product(a, b int) int {
	if a > 0 && b > endless/a {
		return endless
	}
	return a * b
}
