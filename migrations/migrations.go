// Package migrations holds the database's schema as numbered SQL, applied in
// order and never changed once released.
//
// Constraints are named, because the gateway recognises a violated rule by
// the constraint's name. A migration that older gateways cannot live with
// raises schema_requirement.oldest_gateway to its own number.
package migrations

import "embed"

// Files are the migrations in SQL, named NUMBER_what_they_do.sql. Those in Go, which
// are named alike, are in [InGo].
//
//go:embed *.sql
var Files embed.FS
