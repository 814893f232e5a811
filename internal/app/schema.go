package app

import (
	"io"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2/formatter"

	"alphacruncher.com/datahub-gateway/graph"
)

// schemaCommand prints the schema as SDL.
type schemaCommand struct{}

func (schemaCommand) Run(t terminal) error {
	_, err := io.WriteString(t.out, schemaText())
	return err
}

// schemaText returns the schema as SDL. Everybody may request it, so it is written once.
var schemaText = sync.OnceValue(func() string {
	var b strings.Builder
	formatter.NewFormatter(&b, formatter.WithIndent("  ")).FormatSchema(graph.NewExecutableSchema(graph.Config{}).Schema())
	return b.String()
})
