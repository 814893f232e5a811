// Package postgrestest gives tests databases of their own, on a PostgreSQL that
// is started for a package's tests and ends with them.
//
// Its time zone is not UTC, so that a time which loses its zone on the way to the
// database or back is noticed. Nothing is written durably.
package postgrestest

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"alphacruncher.com/datahub-gateway/internal/postgres/embedded"
)

// current is the server of the package whose tests run.
var current *server

// Main runs a package's tests:
//
//	func TestMain(m *testing.M) { postgrestest.Main(m, migrate) }
//
// migrate makes the tables in an empty database, and must have closed its
// connections when it returns. It is called once, by the first New: where no
// test needs a database, no server is started.
//
// The run fails where a goroutine outlives the tests. Tests can run in parallel,
// so only Main can tell.
func Main(m *testing.M, migrate func(ctx context.Context, dsn string) error) {
	current = &server{migrate: migrate}
	embedded.ClearEnvironment()
	code := m.Run()
	if err := current.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "postgrestest:", err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := findLeak(); err != nil {
			fmt.Fprintln(os.Stderr, "postgrestest: a test left something running:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// findLeak returns an error where goroutines do not end. The workers of a closed
// http.Transport and the like need a moment, and on a busy machine more than goleak
// gives them.
func findLeak() (err error) {
	for end := time.Now().Add(leakLimit); ; {
		if err = goleak.Find(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// New clones the migrated database for this test, and returns the DSN. The clone is
// dropped at the end of the test, with all of its connections. It is safe for
// parallel tests.
func New(t testing.TB) string {
	t.Helper()
	if current == nil {
		t.Fatal("postgrestest.New without postgrestest.Main")
	}
	if err := current.start(); err != nil {
		t.Fatalf("postgrestest: %v", err)
	}
	name, err := current.clone(t.Context())
	if err != nil {
		t.Fatalf("postgrestest: cloning a database: %v", err)
	}
	t.Cleanup(func() {
		if err := current.drop(name); err != nil {
			t.Errorf("postgrestest: dropping a database: %v", err)
		}
	})
	// A slow machine takes its time to connect. What is written last counts.
	return current.postgres.DSN(name) + " connect_timeout=60"
}
