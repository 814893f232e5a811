package graphqlserver

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/cache"
)

// DocumentCache holds the documents that were parsed and validated, by their
// text. It stores those of people for whom trusts reports true, so that
// strangers cannot fill it.
type DocumentCache struct {
	documents *otter.Cache[string, *ast.QueryDocument]
	trusts    func(context.Context) bool
}

var _ graphql.Cache[*ast.QueryDocument] = DocumentCache{}

// NewDocumentCache returns a cache of documents that have an estimated size
// together, in octets.
func NewDocumentCache(octets int, trusts func(context.Context) bool) DocumentCache {
	weigh := func(text string, _ *ast.QueryDocument) int { return documentSize(text) }
	return DocumentCache{cache.ByWeight(octets, weigh), trusts}
}

// Get implements graphql.Cache.
func (c DocumentCache) Get(_ context.Context, text string) (*ast.QueryDocument, bool) {
	return c.documents.GetIfPresent(text)
}

// Add implements graphql.Cache.
func (c DocumentCache) Add(ctx context.Context, text string, doc *ast.QueryDocument) {
	if c.trusts(ctx) {
		c.documents.SetIfAbsent(text, doc)
	}
}

// documentSize estimates the memory that a document takes, in octets and rather
// too high: its text, and a node for each word and each punctuator in it.
func documentSize(text string) int {
	const node = 300
	nodes, inWord := 1, false
	for _, c := range []byte(text) {
		word := c == '_' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if word && !inWord || !word && c > ' ' && c != ',' {
			nodes++
		}
		inWord = word
	}
	return len(text) + node*nodes
}
