//go:build generate

package main

import (
	_ "github.com/99designs/gqlgen"
	_ "golang.org/x/vuln/cmd/govulncheck"
	_ "honnef.co/go/tools/cmd/staticcheck"
)

//go:generate go run ./internal/graphqlserver/generate
