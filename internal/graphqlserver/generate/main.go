// Command generate writes the package graph: gqlgen's code for gqlgen.yml, in which
// plain fields and lists are resolved directly, and lists of which only plain fields are
// selected are written straight to JSON. Run it by go generate.
//
// gqlgen resolves each field of each object with a context, a field context and four
// closures of its own, and each element of a list in a goroutine. A field that only
// reads a Go field, without directives, with a value that has no error, needs none of
// that; neither does a list, because what its elements load is loaded for all of them at
// once (package batch). In a list of 400 objects with five fields, this was some 40 % of
// the server's time, by the shares of two profiles.
package main

import (
	"fmt"
	"os"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen/config"
)

func main() {
	if err := generate(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func generate() error {
	cfg, err := config.LoadConfigFromDefaultLocations()
	if err != nil {
		return err
	}
	if err := api.Generate(cfg); err != nil {
		return err
	}
	return simplify(cfg.Exec.DirName)
}
