// Package complexity limits how large a GraphQL document is and how much its
// operations cost, before they are validated and executed.
package complexity

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
)

// Limits are the limits of a document.
type Limits struct {
	Depth      int // levels of fields
	Aliases    int
	Selections int // those of a fragment count again for each spread
	Cost       int // see Weigh
	// Fields are the fields that cost more than others: "Invitation.message".
	Fields map[string]Field
}

// Field is what a field of the schema costs.
type Field struct {
	Length int // elements of its list, where no argument says it; 0: as other lists
	Weight int // what it costs beside 1, for each time that the answer can contain it
}

// Mutations is the limit of fields of a mutation.
const Mutations = 10

const (
	// maxNameLength is the limit of a name of the schema, in octets. Validation
	// compares unknown names with all names of the schema, to find similar ones.
	maxNameLength = 40
	// maxComparisons is the limit of comparisons, for each selection that is allowed, of
	// selections with the same name and place. Validation compares each with each.
	maxComparisons = 5
)

// Exceeded is the error for a document that exceeds a limit.
type Exceeded string

func (e Exceeded) Error() string { return string(e) }

func exceeded(format string, args ...any) error { return Exceeded(fmt.Sprintf(format, args...)) }

// Check fails with Exceeded where a document is too large. It reads a document
// that was parsed and not validated yet, in time that is linear in its size and
// the limits. Validation is not linear: it visits a fragment again for each
// spread, and compares selections of the same name with each other.
func (l Limits) Check(doc *ast.QueryDocument) error {
	s := newShape(doc, l.Selections)
	selections, depth := 0, 0
	for _, set := range s.sets {
		e := s.extent(set)
		selections, depth = s.sum(selections, e.selections), max(depth, e.depth)
	}
	switch {
	case s.longName:
		return exceeded("The document has a name of more than %d octets; no name in the schema is that long.", maxNameLength)
	case s.aliases > l.Aliases:
		return exceeded("The document has %d aliases; it can have %d.", s.aliases, l.Aliases)
	case selections > l.Selections:
		return exceeded("The document has more than %d selections. Those of a fragment count again for each spread.", l.Selections)
	case depth > l.Depth:
		return exceeded("The document is %d levels deep; it can be %d.", depth, l.Depth)
	}
	left := maxComparisons * l.Selections
	for _, set := range s.sets {
		if left -= s.comparisons(set); left < 0 {
			return exceeded("The document selects the same fields too often.")
		}
	}
	return nil
}
