package embedded

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	s := start(t, dir)
	db := open(t, s)
	for query, want := range map[string]string{
		"SHOW listen_addresses": "",
		"SHOW timezone":         "UTC",
		"SHOW server_encoding":  "UTF8",
		"SHOW max_connections":  "100",
		"SHOW fsync":            "off",
		"SELECT current_user":   "postgres",
		"SELECT datcollate FROM pg_database WHERE datname = 'postgres'": "C",
	} {
		if got := read(t, db, query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	select {
	case <-s.Done():
		t.Error("done while running")
	default:
	}

	stop(t, s) // with a connection open
	stop(t, s)
	select {
	case <-s.Done():
	default:
		t.Error("not done when stopped")
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("a connection after the end")
	}
	if left := processesIn(t, dir); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
}

func TestDurable(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Options{Dir: dataFolder(t), Durable: true, MaxConnections: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	db := open(t, s)
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		if got := read(t, db, "SHOW "+setting); got != "on" {
			t.Errorf("%s: %s", setting, got)
		}
	}
	if got := read(t, db, "SHOW max_connections"); got != "7" {
		t.Errorf("max_connections: %s", got)
	}
}

func TestDSNQuotes(t *testing.T) {
	t.Parallel()
	s := start(t, dataFolder(t)+` of Ada's \ folder`)
	const name = `a 'b' \c`
	execute(t, open(t, s), `CREATE DATABASE "`+name+`"`)
	db, err := sql.Open("postgres", s.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if got := read(t, db, "SELECT current_database()"); got != name {
		t.Errorf("connected to %q", got)
	}
}

func TestDataSurvivesRestart(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	s := start(t, dir)
	execute(t, open(t, s), "CREATE TABLE kept AS SELECT 'here' AS word")
	stop(t, s)

	s = start(t, dir)
	if got := read(t, open(t, s), "SELECT word FROM kept"); got != "here" {
		t.Errorf("kept %q", got)
	}
}

func TestNothingOutlivesItsGateway(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := dataFolder(t)
			g := startGateway(t, dir)
			g.awaitReady(t)
			g.end(signal)
			eventuallyDeserted(t, dir)
		})
	}
}

func TestStartAtOnceAfterAKill(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := dataFolder(t)
			s := start(t, dir)
			execute(t, open(t, s), "CREATE TABLE kept AS SELECT 'here' AS word")
			stop(t, s)

			for range 3 {
				g := startGateway(t, dir)
				g.awaitReady(t)
				g.end(signal)
				s = start(t, dir)
				if got := read(t, open(t, s), "SELECT word FROM kept"); got != "here" {
					t.Errorf("kept %q", got)
				}
				stop(t, s)
			}
			eventuallyDeserted(t, dir)
		})
	}
}

func TestStartAfterAKillDuringInitdb(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	for _, sign := range []string{"", "PG_VERSION", "global/pg_control"} {
		g := startGateway(t, dir)
		eventually(t, "initdb gets as far as "+sign, func() bool {
			found, _ := filepath.Glob(filepath.Join(dir, initialisingName+"*", sign))
			return len(found) > 0
		})
		g.end(syscall.SIGKILL)
		if _, err := os.Stat(filepath.Join(dir, dataName)); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("initdb was finished already: %v", err)
		}
	}
	eventuallyDeserted(t, dir)

	open(t, start(t, dir))
	if left, _ := filepath.Glob(filepath.Join(dir, initialisingName+"*")); len(left) > 0 {
		t.Errorf("left unswept: %v", left)
	}
}

func TestTwoServersOnOneFolder(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	g := startGateway(t, dir)
	g.awaitReady(t)

	begin := time.Now()
	_, err := Start(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrInUse) {
		t.Errorf("not ErrInUse: %v", err)
	}
	wantOneLine(t, err, "another gateway", dir)
	if took := time.Since(begin); took >= predecessorEnd {
		t.Errorf("took %v, as if it had waited for the other's end", took)
	}
	if err := Remove(t.Context(), dir); !errors.Is(err, ErrInUse) {
		t.Errorf("Remove: not ErrInUse: %v", err)
	}

	g.end(syscall.SIGKILL)
	start(t, dir)
	_, err = Start(t.Context(), Options{Dir: dir})
	wantOneLine(t, err, "another gateway", dir)
}

func TestPredecessorThatStays(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	s := start(t, dir)
	defer stop(t, s)
	orphaned := &folder{path: s.folder.path}
	ctx, cancel := context.WithTimeout(t.Context(), 5*pollInterval)
	defer cancel()
	if err := orphaned.awaitPredecessor(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("did not wait: %v", err)
	}
}

func TestPredecessorsIdIsSomebodyElses(t *testing.T) {
	t.Parallel()
	f := &folder{path: t.TempDir()}
	if err := os.Mkdir(f.data(), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"1\n", "", "nonsense", "99999999\n"} {
		if err := os.WriteFile(filepath.Join(f.data(), "postmaster.pid"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if f.hasPredecessor() {
			t.Errorf("%q taken for a postgres", content)
		}
	}
}

func TestServerThatCrashes(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	s, err := Start(t.Context(), Options{Dir: dir, Durable: true})
	if err != nil {
		t.Fatal(err)
	}
	execute(t, open(t, s), "CREATE TABLE kept AS SELECT 'here' AS word")
	if err := s.child.process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("not done")
	}
	if err := s.Stop(); err == nil {
		t.Error("Stop is silent about it")
	}
	eventuallyDeserted(t, dir)
	s = start(t, dir)
	if got := read(t, open(t, s), "SELECT word FROM kept"); got != "here" {
		t.Errorf("kept %q", got)
	}
	if log := s.log.String(); strings.Contains(log, "not yet accepting") {
		t.Errorf("refused connections fill the log:\n%s", log)
	}
}

func TestTerminalDoesNotReachIt(t *testing.T) {
	t.Parallel()
	s := start(t, dataFolder(t))
	group, err := syscall.Getpgid(s.child.process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if group == syscall.Getpgrp() {
		t.Error("it is in this process's group")
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	for name, dir := range map[string]string{
		"long":  filepath.Join(dataFolder(t), strings.Repeat("x", socketLimit)),
		"comma": dataFolder(t) + ",b",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, dir)
			short := s.socket.path
			if filepath.Dir(short) != "/tmp" {
				t.Fatalf("the socket lies in %s", short)
			}
			read(t, open(t, s), "SELECT 1")
			stop(t, s)
			if _, err := os.Lstat(short); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is left: %v", short, err)
			}

			if err := os.Mkdir(short, 0o700); err != nil { // as a SIGKILL leaves it
				t.Fatal(err)
			}
			stop(t, start(t, dir))

			if err := os.Symlink(dir, short); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(short)
			_, err := Start(t.Context(), Options{Dir: dir})
			wantOneLine(t, err, short, "somebody else")
		})
	}
}

func TestLongestPathThatFits(t *testing.T) {
	t.Parallel()
	parent := filepath.Dir(dataFolder(t))
	dir := filepath.Join(parent, strings.Repeat("x", socketLimit-len(parent+"//"+socketName)))
	s := start(t, dir)
	if s.socket.path != dir {
		t.Errorf("the socket lies in %s", s.socket.path)
	}
}

func TestFolderOutOfReach(t *testing.T) {
	t.Parallel()
	closed := filepath.Dir(dataFolder(t))
	mode := fs.FileMode(0o700)
	if os.Geteuid() != 0 {
		mode = 0
	}
	if err := os.Chmod(closed, mode); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: filepath.Join(closed, "a", "b")})
	wantOneLine(t, err, closed)
	if os.Geteuid() == 0 {
		wantOneLine(t, err, "postgres")
		if _, err := os.Stat(filepath.Join(closed, "a")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a folder was made in vain: %v", err)
		}
	}
}

func TestFolderOfSomethingElse(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	precious := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	wantOneLine(t, err, dir, "neither empty")
	wantOneLine(t, Remove(t.Context(), dir), dir, "neither empty")
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	_, err = Start(t.Context(), Options{})
	wantOneLine(t, err, "no data folder")
}

func TestFailureShowsTheLog(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	s := start(t, dir)
	stop(t, s)
	if err := os.WriteFile(filepath.Join(s.folder.data(), "postgresql.conf"), []byte("nonsense = 'x'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "nonsense"`) {
		t.Errorf("the error does not say what PostgreSQL says: %v", err)
	}
	if err := Remove(t.Context(), dir); err != nil {
		t.Errorf("the failed start holds the folder: %v", err)
	}
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	for _, limit := range []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond} {
		dir := dataFolder(t)
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		_, err := Start(ctx, Options{Dir: dir, Durable: true})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", limit, err)
		}
		eventuallyDeserted(t, dir)
		stop(t, start(t, dir))
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	dir := dataFolder(t)
	for range 2 {
		stop(t, start(t, dir))
		if err := Remove(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("it is still there: %v", err)
		}
	}
	if err := Remove(t.Context(), dir); err != nil {
		t.Errorf("a folder that does not exist: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Remove(t.Context(), dir); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
}
