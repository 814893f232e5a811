// Package testworld is the demo world on a database of its own, for tests of
// the domain's packages beside their code.
//
// A package's external tests (package invitation_test) start it once and then
// take a world for each test:
//
//	func TestMain(m *testing.M) { testworld.Main(m) }
//
//	func TestInviteRefusesDistributedInstance(t *testing.T) {
//		t.Parallel()
//		w := testworld.New(t)
//		invitations := w.Services().Invitations
//		_, err := invitations.Invite(t.Context(), w.User("ada"), invitation.InviteUsersInput{
//			InstanceID: w.Instance("Distributed"), Emails: []string{"zoe@new.example"}, Role: tenant.Viewer})
//		…
//	}
//
// A world has the people and places of [demo.LoadWorld], without its examples. Add
// what else a test needs with NewOrganization, NewSpace, NewInstance, User,
// Grant and Revoke, and read what the code under test stored with Text, Number
// and Lines. Advance lets time pass without waiting. Mails delivers what is
// queued, over SMTP, and returns it.
//
// All tests of a package share one PostgreSQL server, which the first New
// starts. Worlds are clones of one migrated database and share nothing, so
// every test that uses one can call t.Parallel.
//
// Package apptest runs gateways on such a world, for tests over HTTP.
//
// The package imports the domain's packages. Their internal tests (package
// invitation) can therefore not import it; those that need only tables use
// [schematest].
package testworld

import (
	"context"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
)

// Role is the database role that World.DB connects as. It has the privileges
// that the migrations grant to a gateway, and no others.
const Role = "test_gateway"

// connections bound the pools of one world, of which there are as many at once
// as there are parallel tests.
const connections = 25

// statementTimeout lets a test fill its database with many rows in one statement,
// on a slow machine.
const statementTimeout = 5 * time.Minute

// Main runs a package's tests. It ends with an error where a goroutine outlives
// them.
func Main(m *testing.M) { postgrestest.Main(m, load) }

// MainEmpty is Main for a package that also has tests on a schema with nothing in it: on
// databases of schematest.New. Each New loads the demo world, which takes longer.
func MainEmpty(m *testing.M) {
	loadsInNew = true
	postgrestest.Main(m, migrate)
}

var loadsInNew bool

// load migrates the database that worlds are cloned from, and loads the demo
// world.
func load(ctx context.Context, dsn string) error {
	if err := migrate(ctx, dsn); err != nil {
		return err
	}
	db, err := open(dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return demo.LoadWorld(ctx, db)
}

func migrate(ctx context.Context, dsn string) error {
	db, err := open(dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.Exec(ctx, `create role `+Role+` login`); err != nil {
		return err
	}
	if _, err := postgres.Migrate(ctx, dsn, Role); err != nil {
		return err
	}
	_, err = db.Exec(ctx, advance)
	return err
}

// World is a database with the demo world, for one test.
type World struct {
	// DB is the database, with the privileges of a gateway.
	DB *postgres.DB
	// DSN connects to the same database as its superuser.
	DSN string

	t          testing.TB
	gatewayDSN string
	admin      *postgres.DB // as the superuser
	mails      mailServer
}

// New makes a world. It ends with the test, which fails where its database
// cannot be made.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{t: t, DSN: postgrestest.New(t)}
	w.gatewayDSN = throughPooler(t, strings.Replace(w.DSN, "user=postgres", "user="+Role, 1))
	w.admin = w.Open(w.DSN)
	if loadsInNew {
		if err := demo.LoadWorld(t.Context(), w.admin); err != nil {
			t.Fatal(err)
		}
	}
	w.DB = w.Open(w.GatewayDSN())
	return w
}

// GatewayDSN connects to the world's database as Role.
func (w *World) GatewayDSN() string { return w.gatewayDSN }

// Open opens a pool of connections that is closed at the end of the test.
func (w *World) Open(dsn string) *postgres.DB {
	w.t.Helper()
	db, err := open(dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { db.Close() })
	return db
}

func open(dsn string) (*postgres.DB, error) {
	return postgres.Open(dsn, postgres.Options{MaxConnections: connections, StatementTimeout: statementTimeout})
}

// Exec runs a statement as the superuser.
func (w *World) Exec(query string, args ...any) {
	w.t.Helper()
	if _, err := w.admin.Exec(w.t.Context(), query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}

// Text returns the one value that a query selects.
func (w *World) Text(query string, args ...any) (value string) {
	w.t.Helper()
	w.get(&value, query, args...)
	return value
}

// Number returns the one number that a query selects.
func (w *World) Number(query string, args ...any) (n int) {
	w.t.Helper()
	w.get(&n, query, args...)
	return n
}

// Lines returns the values of the one column that a query selects.
func (w *World) Lines(query string, args ...any) (lines []string) {
	w.t.Helper()
	if err := w.admin.Select(w.t.Context(), &lines, query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return lines
}

func (w *World) get(dest any, query string, args ...any) {
	w.t.Helper()
	if err := w.admin.Get(w.t.Context(), dest, query, args...); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
}
