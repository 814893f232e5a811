// Package apptest runs gateways on a world of package testworld, and talks to
// them over HTTP as clients do.
//
//	func TestMain(m *testing.M) { apptest.Main(m) }
//
//	func TestViewerIsTheTokensPerson(t *testing.T) {
//		t.Parallel()
//		w := apptest.New(t)
//		name := w.As("ada").Ask(`{ viewer { name } }`, nil).OK().At("viewer", "name")
//		…
//	}
//
// New starts one gateway; Start starts further ones on the same database. All of
// them stop with the test, which fails where one of them panicked. What they log
// wakes Await, so that no test polls for what a gateway does by itself:
//
//	w.Await("the purge", func() bool { return w.Number(`select count(*) from instance`) == 6 })
//
// AwaitMails and AwaitToken wait for the outbox, and read the mailbox of
// development. A MailServer takes the mails instead, and misbehaves on demand.
package apptest

import (
	"context"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/testworld"
	"alphacruncher.com/datahub-gateway/internal/token"
)

// parallel is how many tests run at once: they wait for databases, mails and
// deadlines more than they compute.
const parallel = "8"

// requestsAtOnce is how many requests a world's clients send at once without
// opening new connections.
const requestsAtOnce = 50

// Issuer is the issuer of development tokens.
var Issuer = token.Issuer{Name: "datahub-development", Audience: "datahub-gateway"}

// Main runs a package's tests, eight at once unless the command line says
// otherwise. It ends with an error where a goroutine outlives them.
func Main(m *testing.M) {
	flag.Parse()
	if !given("test.parallel") {
		if err := flag.Set("test.parallel", parallel); err != nil {
			panic(err)
		}
	}
	// Tracers read it from the environment, which tests in parallel share.
	if err := os.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20"); err != nil { // milliseconds
		panic(err)
	}
	testworld.Main(m)
}

// given reports whether a flag is on the command line.
func given(name string) (given bool) {
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// World is a world with a gateway.
type World struct {
	*testworld.World
	T testing.TB
	// Admin is a pool of the database's superuser, for transactions that a test
	// holds open.
	Admin   *sqlx.DB
	DataDir string
	Key     *token.Key   // signs development tokens
	HTTP    *http.Client // of this world alone
	Gateway *app.Gateway // the first
	Log     *Log         // of the first gateway

	began  time.Time // no gateway has done anything before
	logged Notifier  // about each line that a gateway logs
}

// New makes a world with a gateway, whose settings can be changed.
func New(t testing.TB, change ...func(*app.Settings)) *World {
	t.Helper()
	of := testworld.New(t)
	db, err := sqlx.Open("postgres", of.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	transport := &http.Transport{MaxIdleConnsPerHost: requestsAtOnce, ResponseHeaderTimeout: Patience}
	t.Cleanup(transport.CloseIdleConnections)
	w := &World{World: of, T: t, began: time.Now(), Admin: db, DataDir: t.TempDir(), HTTP: &http.Client{Transport: transport}}
	if w.Key, err = token.OpenKey(w.DataDir, Issuer); err != nil {
		t.Fatal(err)
	}
	w.Gateway, w.Log = w.Start(change...)
	return w
}

// Settings are those of a gateway in development on the world's database.
func (w *World) Settings(change ...func(*app.Settings)) app.Settings {
	w.T.Helper()
	s := app.DefaultSettings()
	s.Addr = "127.0.0.1:0"
	// No limit that a slow machine meets by itself. Connections are more than the
	// requests of any test at once: those that wait for one would be refused.
	s.DatabaseURL, s.DatabaseConnections = w.GatewayDSN(), 100
	s.RequestTimeout, s.StatementTimeout, s.LockTimeout = Patience, Patience, Patience
	s.Development, s.DataDir = true, w.DataDir
	s.JWTIssuer, s.JWTAudience = Issuer.Name, Issuer.Audience
	s.MaxParallel = 100
	for _, c := range change {
		c(&s)
	}
	if err := s.Validate(); err != nil {
		w.T.Fatal(err)
	}
	return s
}

// Start starts another gateway. It stops at the end of the test, which fails
// where it panicked or could not clean up its database.
func (w *World) Start(change ...func(*app.Settings)) (*app.Gateway, *Log) {
	w.T.Helper()
	log := &Log{Written: &w.logged}
	g, err := app.Start(context.Background(), w.Settings(change...), slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() {
		w.HTTP.CloseIdleConnections()
		if err := g.Stop(); err != nil {
			w.T.Error(err)
		}
		if panicked := log.Lines("panic"); len(panicked) > 0 {
			w.T.Errorf("the gateway panicked: %v", panicked)
		}
		for _, line := range log.Lines("housekeeping") {
			if line["error"] != nil && !log.DatabaseWasAway {
				w.T.Errorf("%v", line)
			}
		}
	})
	return g, log
}

// Await waits for a condition that the world's gateways bring about and log. It
// evaluates the condition again after each line of their logs; the line of a mail
// or a request comes after what it says is stored.
func (w *World) Await(what string, condition func() bool) {
	w.T.Helper()
	w.logged.Await(w.T, what, condition)
}

// longestPause is how long Eventually leaves between two evaluations.
const longestPause = 100 * time.Millisecond

// Eventually waits for a condition that nothing announces, like the database's
// sessions that wait for a lock. Use Await where a gateway logs something.
func (w *World) Eventually(what string, condition func() bool) {
	w.T.Helper()
	end, pause := time.Now().Add(Patience), time.Millisecond
	for !condition() {
		if time.Now().After(end) {
			w.T.Fatalf("in %v it did not come to %s", Patience, what)
		}
		time.Sleep(pause)
		pause = min(2*pause, longestPause)
	}
}
