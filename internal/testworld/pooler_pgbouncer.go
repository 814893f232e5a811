//go:build pgbouncer

package testworld

import (
	"cmp"
	"os"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/postgres/pgbouncertest"
)

// Pooled says that the database is reached through a pooler of connections.
const Pooled = true

// throughPooler puts a PgBouncer before the database. The variable PGBOUNCER_MODE
// is "transaction", as which it counts where it is not set, or "session".
func throughPooler(t testing.TB, dsn string) string {
	mode := cmp.Or(os.Getenv("PGBOUNCER_MODE"), pgbouncertest.Transaction)
	return pgbouncertest.New(t, dsn, mode, "default_pool_size = 60")
}
