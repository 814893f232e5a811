// Package schematest gives tests databases of their own with the gateway's
// schema and nothing in it.
package schematest

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
)

// Main runs a package's tests: func TestMain(m *testing.M) { schematest.Main(m) }
func Main(m *testing.M) {
	postgrestest.Main(m, func(ctx context.Context, dsn string) error {
		_, err := postgres.Migrate(ctx, dsn, "")
		return err
	})
}

// New opens a database for this test alone. At the end of the test nothing
// that works on it may be left running.
func New(t testing.TB) *postgres.DB {
	t.Helper()
	dsn := postgrestest.New(t)
	before := goleak.IgnoreCurrent()
	db, err := postgres.Open(dsn, postgres.Options{MaxConnections: 25, StatementTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		goleak.VerifyNone(t, before)
	})
	return db
}
