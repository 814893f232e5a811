package graphqlserver

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

func TestDocumentCacheHoldsDocumentsOfTrustedPeople(t *testing.T) {
	t.Parallel()
	trusted := false
	c := NewDocumentCache(1<<20, func(context.Context) bool { return trusted })
	doc := &ast.QueryDocument{}
	for _, trusted = range []bool{false, true} {
		c.Add(t.Context(), "{name}", doc)
		if got, known := c.Get(t.Context(), "{name}"); known != trusted || known && got != doc {
			t.Errorf("trusted: %t, known: %t", trusted, known)
		}
	}
}

func TestDocumentCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := NewDocumentCache(1<<20, func(context.Context) bool { return true })
	for i := range 1000 {
		c.Add(t.Context(), fmt.Sprintf("{name(in: %q)}", strings.Repeat("x", i)), &ast.QueryDocument{})
	}
	size := 0
	for text := range c.documents.All() {
		size += documentSize(text)
	}
	if size == 0 || size > 1<<20 {
		t.Errorf("%d octets of 1 MiB", size)
	}
}

// The estimate bounds the memory: it must not be too low, whatever a document is
// made of.
func TestEstimateOfADocumentIsNotTooLow(t *testing.T) {
	for what, text := range map[string]string{
		"fields":    "{" + strings.Repeat("a ", 1000) + "}",
		"aliases":   "{" + strings.Repeat("a:b ", 600) + "}",
		"lists":     "{a(b:[" + strings.Repeat("1 ", 1000) + "])}",
		"objects":   "{a(b:" + strings.Repeat("{c:", 400) + "1" + strings.Repeat("}", 400) + ")}",
		"levels":    strings.Repeat("{a", 900) + strings.Repeat("}", 900),
		"fragments": "{a}" + strings.Repeat("fragment a on b{c}", 200),
		"strings":   `{a(b:"` + strings.Repeat("x", 10_000) + `")}`,
		"variables": "query(" + strings.Repeat("$a:b ", 400) + "){a}",
	} {
		const copies = 20
		docs := make([]*ast.QueryDocument, copies)
		before := allocated()
		for i := range docs {
			doc, err := parser.ParseQuery(&ast.Source{Input: strings.Clone(text)})
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			docs[i] = doc
		}
		if size := int(allocated()-before) / copies; size > documentSize(text) {
			t.Errorf("%s: it takes %d octets, estimated are %d", what, size, documentSize(text))
		}
		runtime.KeepAlive(docs)
	}
}

// allocated returns the memory that is in use.
func allocated() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
