//go:build !pgbouncer

package testworld

import "testing"

// Pooled says that the database is reached through a pooler of connections.
const Pooled = false

// throughPooler returns the DSN of the way to the database that is to be tested:
// the server itself, unless the tests are built with the tag pgbouncer.
func throughPooler(_ testing.TB, dsn string) string { return dsn }
