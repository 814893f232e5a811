package complexity

import "github.com/vektah/gqlparser/v2/ast"

// shape is what a document looks like, whatever its schema.
type shape struct {
	sets      []ast.SelectionSet // of all operations and fragments
	fragments map[string]*ast.FragmentDefinition
	most      int // selections; more are not counted

	known    map[string]extent // of fragments; those under way have no end
	aliases  int
	longName bool
}

// extent is how much a selection set comes to, with all its fragments.
type extent struct{ selections, depth int }

func newShape(doc *ast.QueryDocument, most int) *shape {
	s := &shape{fragments: map[string]*ast.FragmentDefinition{}, most: most, known: map[string]extent{}}
	for _, o := range doc.Operations {
		s.sets = append(s.sets, o.SelectionSet)
		s.directives(o.Directives)
		for _, v := range o.VariableDefinitions {
			s.name(v.Type.Name())
			s.directives(v.Directives)
			s.value(v.DefaultValue)
		}
	}
	for _, f := range doc.Fragments {
		s.sets = append(s.sets, f.SelectionSet)
		if s.fragments[f.Name] == nil { // as validation takes the first
			s.fragments[f.Name] = f
		}
		s.name(f.TypeCondition)
		s.directives(f.Directives)
	}
	for _, set := range s.sets {
		s.words(set)
	}
	return s
}

// words notes the aliases in a selection set, and the names that are the schema's.
func (s *shape) words(set ast.SelectionSet) {
	for _, selection := range set {
		switch n := selection.(type) {
		case *ast.Field:
			if n.Alias != n.Name {
				s.aliases++
			}
			s.name(n.Name)
			s.arguments(n.Arguments)
			s.directives(n.Directives)
			s.words(n.SelectionSet)
		case *ast.InlineFragment:
			s.name(n.TypeCondition)
			s.directives(n.Directives)
			s.words(n.SelectionSet)
		case *ast.FragmentSpread:
			s.directives(n.Directives)
		}
	}
}

func (s *shape) name(name string) { s.longName = s.longName || len(name) > longestName }

func (s *shape) directives(list ast.DirectiveList) {
	for _, d := range list {
		s.name(d.Name)
		s.arguments(d.Arguments)
	}
}

func (s *shape) arguments(list ast.ArgumentList) {
	for _, a := range list {
		s.name(a.Name)
		s.value(a.Value)
	}
}

func (s *shape) value(v *ast.Value) {
	if v == nil {
		return
	}
	if v.Kind == ast.EnumValue {
		s.name(v.Raw)
	}
	for _, child := range v.Children {
		s.name(child.Name)
		s.value(child.Value)
	}
}

// extent measures a selection set, each fragment once. One within itself has no
// end.
func (s *shape) extent(set ast.SelectionSet) (e extent) {
	for _, selection := range set {
		var in extent
		own := 1
		switch n := selection.(type) {
		case *ast.Field:
			in = s.extent(n.SelectionSet)
			in.depth++
			own += weight(n.Arguments, n.Directives)
		case *ast.InlineFragment:
			in = s.extent(n.SelectionSet)
			own += weight(nil, n.Directives)
		case *ast.FragmentSpread:
			in = s.spread(n.Name)
			own += weight(nil, n.Directives)
		}
		e.selections = s.sum(e.selections, s.sum(own, in.selections))
		e.depth = max(e.depth, in.depth)
	}
	return e
}

func (s *shape) spread(name string) extent {
	if e, known := s.known[name]; known {
		return e
	}
	f := s.fragments[name]
	if f == nil {
		return extent{}
	}
	s.known[name] = extent{selections: s.most + 1}
	e := s.extent(f.SelectionSet)
	s.known[name] = e
	return e
}

func (s *shape) sum(a, b int) int { return min(a+b, s.most+1) }

// weight is how much there is beside the selection itself, since a list of values
// in a fragment is long wherever that is spread. A value is looked at in a quarter
// of the time that a selection takes.
func weight(arguments ast.ArgumentList, directives ast.DirectiveList) (n int) {
	for _, a := range arguments {
		n += values(a.Value)
	}
	for _, d := range directives {
		n += 4 + 4*weight(d.Arguments, nil)
	}
	return n / 4
}

func values(v *ast.Value) int {
	n := 1
	for _, child := range v.Children {
		n += values(child.Value)
	}
	return n
}

// comparisons is how many pairs of selections have one name and place in the
// answer. The sets are small by now when their fragments are written out.
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
