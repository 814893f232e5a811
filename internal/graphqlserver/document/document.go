// Package document iterates over the parts of GraphQL documents.
package document

import (
	"iter"

	"github.com/vektah/gqlparser/v2/ast"
)

// Selections returns an iterator over the selections of a set and those below
// them, in the order of the document. The selections of a fragment follow its
// first spread. In a document that was not validated, spreads do not refer to
// their fragments yet, and are not followed.
func Selections(set ast.SelectionSet) iter.Seq[ast.Selection] {
	return func(yield func(ast.Selection) bool) {
		walker{yield, map[*ast.FragmentDefinition]bool{}}.walk(set)
	}
}

type walker struct {
	yield func(ast.Selection) bool
	seen  map[*ast.FragmentDefinition]bool
}

// walk reports whether the iteration goes on.
func (w walker) walk(set ast.SelectionSet) bool {
	for _, selection := range set {
		if !w.yield(selection) || !w.walk(w.below(selection)) {
			return false
		}
	}
	return true
}

func (w walker) below(selection ast.Selection) ast.SelectionSet {
	switch s := selection.(type) {
	case *ast.Field:
		return s.SelectionSet
	case *ast.InlineFragment:
		return s.SelectionSet
	case *ast.FragmentSpread:
		if s.Definition != nil && !w.seen[s.Definition] {
			w.seen[s.Definition] = true
			return s.Definition.SelectionSet
		}
	}
	return nil
}

// Fields returns an iterator over the fields that a set selects of its object:
// its own and those of its fragments, again for each spread. The document must
// be valid.
func Fields(set ast.SelectionSet) iter.Seq[*ast.Field] {
	return func(yield func(*ast.Field) bool) { fields(set, yield) }
}

// fields reports whether the iteration goes on.
func fields(set ast.SelectionSet, yield func(*ast.Field) bool) bool {
	for _, selection := range set {
		more := true
		switch s := selection.(type) {
		case *ast.Field:
			more = yield(s)
		case *ast.InlineFragment:
			more = fields(s.SelectionSet, yield)
		case *ast.FragmentSpread:
			more = fields(s.Definition.SelectionSet, yield)
		}
		if !more {
			return false
		}
	}
	return true
}

// Directives returns the directives of a selection.
func Directives(selection ast.Selection) ast.DirectiveList {
	switch s := selection.(type) {
	case *ast.Field:
		return s.Directives
	case *ast.InlineFragment:
		return s.Directives
	case *ast.FragmentSpread:
		return s.Directives
	}
	return nil
}

// Values returns an iterator over a value and the values within it, each with
// its path: the names of fields and the indexes of elements. Clone a path to
// keep it.
func Values(value *ast.Value) iter.Seq2[[]any, *ast.Value] {
	return func(yield func([]any, *ast.Value) bool) {
		if value != nil {
			values(nil, value, yield)
		}
	}
}

// values reports whether the iteration goes on.
func values(path []any, value *ast.Value, yield func([]any, *ast.Value) bool) bool {
	if !yield(path, value) {
		return false
	}
	for i, child := range value.Children {
		var step any = child.Name
		if value.Kind == ast.ListValue {
			step = i
		}
		if !values(append(path, step), child.Value, yield) {
			return false
		}
	}
	return true
}
