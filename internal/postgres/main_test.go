package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) {
	postgrestest.Main(m, func(ctx context.Context, dsn string) error {
		_, err := postgres.Migrate(ctx, dsn, "")
		return err
	})
}

// patience ends what would hang; nothing that works comes near it, on a busy machine
// either.
const patience = 2 * time.Minute

func withPatience(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// newDatabase is a migrated database. At its end the test must have left
// nothing running.
func newDatabase(t testing.TB) string {
	t.Helper()
	dsn := postgrestest.New(t)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	return dsn
}

var empties atomic.Int64

// newEmptyDatabase is a database without any table.
func newEmptyDatabase(t testing.TB) string {
	t.Helper()
	dsn := newDatabase(t)
	name := fmt.Sprintf("empty_%d", empties.Add(1))
	admin := connect(t, dsn)
	execute(t, admin, `create database `+name)
	t.Cleanup(func() { execute(t, admin, `drop database `+name+` with (force)`) })
	return dsn + " dbname=" + name
}

// connect is a way to the database that the package under test has no part in.
func connect(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// read is the one value that a query gives.
func read[T any](t testing.TB, db *sql.DB, query string, args ...any) (value T) {
	t.Helper()
	if err := db.QueryRow(query, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func open(t testing.TB, dsn string, o postgres.Options) *postgres.DB {
	t.Helper()
	if o.MaxConnections == 0 {
		o.MaxConnections = 1
	}
	if o.StatementTimeout == 0 {
		o.StatementTimeout = patience
	}
	db, err := postgres.Open(dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not come to %s", what)
		}
	}
}
