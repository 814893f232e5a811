package complexity

import (
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/graphqlserver/document"
)

// shape is the shape of a document, independent of the schema.
type shape struct {
	sets          []ast.SelectionSet // of all operations and fragments
	fragments     map[string]*ast.FragmentDefinition
	maxSelections int

	extents  map[string]extent // of fragments
	aliases  int
	longName bool
}

// extent is the size of a selection set including its fragments.
type extent struct {
	selections int // at most one more than allowed
	depth      int
}

func newShape(doc *ast.QueryDocument, maxSelections int) *shape {
	s := &shape{fragments: map[string]*ast.FragmentDefinition{}, maxSelections: maxSelections, extents: map[string]extent{}}
	for _, o := range doc.Operations {
		s.sets = append(s.sets, o.SelectionSet)
		s.readDirectives(o.Directives)
		for _, v := range o.VariableDefinitions {
			s.readName(v.Type.Name())
			s.readDirectives(v.Directives)
			s.readValue(v.DefaultValue)
		}
	}
	for _, f := range doc.Fragments {
		s.sets = append(s.sets, f.SelectionSet)
		if s.fragments[f.Name] == nil { // validation takes the first one, too
			s.fragments[f.Name] = f
		}
		s.readName(f.TypeCondition)
		s.readDirectives(f.Directives)
	}
	for _, set := range s.sets {
		s.readSelections(set)
	}
	return s
}

// readSelections reads the aliases and the names of the schema in a selection
// set. Its fragments are sets of their own.
func (s *shape) readSelections(set ast.SelectionSet) {
	for selection := range document.Selections(set) {
		switch n := selection.(type) {
		case *ast.Field:
			if n.Alias != n.Name {
				s.aliases++
			}
			s.readName(n.Name)
			s.readArguments(n.Arguments)
		case *ast.InlineFragment:
			s.readName(n.TypeCondition)
		}
		s.readDirectives(document.Directives(selection))
	}
}

func (s *shape) readName(name string) { s.longName = s.longName || len(name) > maxNameLength }

func (s *shape) readDirectives(list ast.DirectiveList) {
	for _, d := range list {
		s.readName(d.Name)
		s.readArguments(d.Arguments)
	}
}

func (s *shape) readArguments(list ast.ArgumentList) {
	for _, a := range list {
		s.readName(a.Name)
		s.readValue(a.Value)
	}
}

func (s *shape) readValue(value *ast.Value) {
	for _, v := range document.Values(value) {
		if v.Kind == ast.EnumValue {
			s.readName(v.Raw)
		}
		for _, child := range v.Children {
			s.readName(child.Name)
		}
	}
}

// extent measures a selection set, and each fragment once.
func (s *shape) extent(set ast.SelectionSet) (e extent) {
	for _, selection := range set {
		var inner extent
		own := 1
		switch n := selection.(type) {
		case *ast.Field:
			inner = s.extent(n.SelectionSet)
			inner.depth++
			own += weight(n.Arguments, n.Directives)
		case *ast.InlineFragment:
			inner = s.extent(n.SelectionSet)
			own += weight(nil, n.Directives)
		case *ast.FragmentSpread:
			inner = s.fragment(n.Name)
			own += weight(nil, n.Directives)
		}
		e.selections = s.sum(e.selections, s.sum(own, inner.selections))
		e.depth = max(e.depth, inner.depth)
	}
	return e
}

// fragment returns the extent of a fragment. One that spreads itself is too
// large.
func (s *shape) fragment(name string) extent {
	if e, known := s.extents[name]; known {
		return e
	}
	f := s.fragments[name]
	if f == nil {
		return extent{}
	}
	s.extents[name] = extent{selections: s.maxSelections + 1} // while it is measured
	e := s.extent(f.SelectionSet)
	s.extents[name] = e
	return e
}

func (s *shape) sum(a, b int) int { return min(a+b, s.maxSelections+1) }

// weight returns what the arguments and directives of a selection count, in
// selections: a long list of values in a fragment costs again for each spread.
// Validating a value takes a quarter of the time of a selection.
func weight(arguments ast.ArgumentList, directives ast.DirectiveList) (n int) {
	for _, a := range arguments {
		for range document.Values(a.Value) {
			n++
		}
	}
	for _, d := range directives {
		n += 4 + 4*weight(d.Arguments, nil)
	}
	return n / 4
}

// comparisons returns the number of pairs of selections that validation compares:
// those with the same name and the same place in the answer. Check limits the
// number of selections first, since this visits a fragment for each spread.
func (s *shape) comparisons(sets ...ast.SelectionSet) (pairs int) {
	fields := map[string]int{}
	below := map[string][]ast.SelectionSet{}
	spreads := 0
	var collect func(ast.SelectionSet)
	collect = func(set ast.SelectionSet) {
		for _, selection := range set {
			switch n := selection.(type) {
			case *ast.Field:
				fields[n.Alias]++
				if len(n.SelectionSet) > 0 {
					below[n.Alias] = append(below[n.Alias], n.SelectionSet)
				}
			case *ast.InlineFragment:
				collect(n.SelectionSet)
			case *ast.FragmentSpread:
				if f := s.fragments[n.Name]; f != nil {
					spreads++
					collect(f.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		collect(set)
	}
	pairs = spreads * spreads / 2
	for name, n := range fields {
		pairs += n * (n - 1) / 2
		if len(below[name]) > 0 {
			pairs += s.comparisons(below[name]...)
		}
	}
	return pairs
}
