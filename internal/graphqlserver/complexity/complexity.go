// Package complexity measures GraphQL documents before they cost anything.
package complexity

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
)

// Limits are how much a document may ask for.
type Limits struct {
	Depth      int // of fields in fields
	Aliases    int
	Selections int // counted again in everything that leads to them
	Cost       int
}

// Mutations is how many fields a mutation may have.
const Mutations = 10

const (
	// longestName is how many octets a name may have that validation looks for in
	// the schema, and for what resembles it.
	longestName = 40
	// comparisons is how often validation may compare selections that have the
	// same name and place, for each selection that is allowed.
	comparisons = 5
)

// Exceeded is the limit that a document exceeds.
type Exceeded string

func (e Exceeded) Error() string { return string(e) }

func exceeded(format string, args ...any) error { return Exceeded(fmt.Sprintf(format, args...)) }

// Check fails with Exceeded where a document, which was parsed and not validated
// yet, is too large. It takes time in proportion to the document and the limits;
// validation would not: it visits a fragment anew for each that leads to it, and
// compares selections of the same name each with each.
func (l Limits) Check(doc *ast.QueryDocument) error {
	s := newShape(doc, l.Selections)
	selections, depth := 0, 0
	for _, set := range s.sets {
		e := s.extent(set)
		selections, depth = s.sum(selections, e.selections), max(depth, e.depth)
	}
	switch {
	case s.longName:
		return exceeded("The document asks for a name of more than %d octets; the schema has none.", longestName)
	case s.aliases > l.Aliases:
		return exceeded("The document has %d aliases; it can have %d.", s.aliases, l.Aliases)
	case selections > l.Selections:
		return exceeded("The document has more than %d selections. Those of a fragment count again in everything that it is spread in.", l.Selections)
	case depth > l.Depth:
		return exceeded("The document is %d levels deep; it can be %d.", depth, l.Depth)
	}
	left := comparisons * l.Selections
	for _, set := range s.sets {
		if left -= s.comparisons(set); left < 0 {
			return exceeded("The document asks for the same fields too often.")
		}
	}
	return nil
}
