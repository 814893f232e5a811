// Package schematest gives tests databases of their own with the gateway's
// schema and nothing in it.
package schematest

import (
	"context"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
)

// Main runs a package's tests: func TestMain(m *testing.M) { schematest.Main(m) }
// It fails where a goroutine outlives them.
func Main(m *testing.M) {
	postgrestest.Main(m, func(ctx context.Context, dsn string) error {
		_, err := postgres.Migrate(ctx, dsn, "")
		return err
	})
}

// connections are more than the calls of any test at once: those that wait for one are
// refused after two seconds, which a busy machine may need for the others.
const connections = 75

// New opens a database for this test alone, which is closed at its end. Tests
// that run in parallel may call it.
func New(t testing.TB) *postgres.DB {
	t.Helper()
	dsn := postgrestest.New(t)
	db, err := postgres.Open(dsn, postgres.Options{MaxConnections: connections, StatementTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
