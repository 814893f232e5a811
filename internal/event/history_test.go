package event

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/embedded"
)

// newDir returns a folder that the user PostgreSQL runs as can enter.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "datahub-history-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// startServer starts a server whose folder is dir, with the gateway's schema.
func startServer(t *testing.T, dir string) (*embedded.Server, *postgres.DB) {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	if _, err := postgres.Migrate(t.Context(), server.DSN("postgres"), ""); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(server.DSN("postgres"), postgres.Options{MaxConnections: 10, StatementTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return server, db
}

// moveTo lets the feed read another database, as if it had the address of the first.
func (w *world) moveTo(db *postgres.DB) {
	w.t.Helper()
	if err := w.feed.exclusively(w.t.Context(), func(context.Context) error {
		w.feed.db, w.db = db, db
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) lagged(watch *Watch) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	_, err := watch.Next(ctx)
	if f, ok := err.(*fault.Fault); !ok || f.Code != fault.Unavailable {
		w.t.Errorf("%v", err)
	}
}

// burn lets a cluster use transaction ids.
func burn(t *testing.T, db *postgres.DB, transactions int) {
	t.Helper()
	if err := db.InTx(t.Context(), func(tx *postgres.Tx) error {
		_, err := tx.Exec(t.Context(), fmt.Sprintf(`
			do $$ begin
				for i in 1 .. %d loop
					begin
						create temporary table burnt (); raise sqlstate 'P0001';
					exception when sqlstate 'P0001' then
					end;
				end loop;
			end $$`, transactions))
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// A dump is restored into a new cluster, whose transaction ids begin again: those who
// watch learn that they may have missed changes, and nobody is told of the old ones,
// neither at once nor when the cluster reaches their ids.
func TestDumpRestoredIntoAnotherCluster(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	oldServer, old := startServer(t, filepath.Join(dir, "old"))
	newServer, restored := startServer(t, filepath.Join(dir, "new"))
	w := newWorldOn(t, old)
	burn(t, old, 2_000)
	watch := w.watch()
	w.insert("BEFORE", 1)
	if got := next(t, watch)[0].Change; got != "BEFORE" {
		t.Fatal(got)
	}
	dump := filepath.Join(dir, "dump")
	for _, args := range [][]string{
		{"pg_dump", "--format=custom", "--file=" + dump, oldServer.DSN("postgres")},
		{"pg_restore", "--clean", "--if-exists", "--single-transaction", "--dbname=" + newServer.DSN("postgres"), dump},
	} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, output)
		}
	}
	w.moveTo(restored)
	w.lagged(watch)

	later := w.watch()
	for n := range 3 {
		burn(t, restored, 1_000) // to the ids of the old events, and beyond
		change := fmt.Sprint("AFTER ", n)
		w.insert(change, 1)
		if got := next(t, later); len(got) != 1 || got[0].Change != change {
			t.Fatalf("%+v", got)
		}
	}
}

// A cluster goes back to an earlier moment and takes another timeline, as after a point
// in time restore, or when a standby without the last transactions takes over: those
// who watch learn that they may have missed changes, and are told of the next ones.
func TestClusterWithoutTheLastTransactions(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	server, db := startServer(t, first)
	w := newWorldOn(t, db)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.CommandContext(t.Context(), "cp", "-a", first, second).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	_, db = startServer(t, first)
	w.moveTo(db)
	lost := w.watch()
	burn(t, db, 1_000)
	w.insert("LOST", 1)
	if got := next(t, lost)[0].Change; got != "LOST" {
		t.Fatal(got)
	}

	// Recovery that finds no more WAL ends at once, on another timeline. Before that, the
	// server accepts no connection: it would only read.
	for name, content := range map[string]string{"recovery.signal": "", "postgresql.auto.conf": "restore_command = 'false'\nhot_standby = off\n"} {
		path := filepath.Join(second, "data", name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o666); err != nil { // for the user PostgreSQL runs as
			t.Fatal(err)
		}
	}
	_, db = startServer(t, second)
	w.moveTo(db)
	w.lagged(lost)
	later := w.watch()
	w.insert("AFTER", 1)
	if got := next(t, later); len(got) != 1 || got[0].Change != "AFTER" {
		t.Fatalf("%+v", got)
	}
}
