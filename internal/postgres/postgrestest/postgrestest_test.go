package postgrestest

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// leaver is set where the test binary makes a database and is then killed.
const leaver = "DATAHUB_TEST_LEAVER"

var migrations atomic.Int64

func TestMain(m *testing.M) {
	Main(m, func(ctx context.Context, dsn string) error {
		migrations.Add(1)
		db, err := sql.Open("postgres", dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		_, err = db.ExecContext(ctx, "CREATE TABLE person (name text PRIMARY KEY)")
		return err
	})
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func read(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var value string
	if err := db.QueryRowContext(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

func TestDatabasesAreApart(t *testing.T) {
	for i := range 12 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := open(t, New(t))
			if _, err := db.ExecContext(t.Context(), "INSERT INTO person VALUES ('Ada')"); err != nil {
				t.Error(err)
			}
			if got := read(t, db, "SELECT count(*) FROM person"); got != "1" {
				t.Errorf("%s people", got)
			}
		})
	}
	t.Cleanup(func() {
		if got := migrations.Load(); got != 1 {
			t.Errorf("migrated %d times", got)
		}
	})
}

func TestTimeZoneIsNotUTC(t *testing.T) {
	t.Parallel()
	db := open(t, New(t))
	if got := read(t, db, "SHOW timezone"); got != timeZone {
		t.Errorf("time zone %s", got)
	}
	if got := read(t, db, "SHOW max_connections"); got != fmt.Sprint(connections) {
		t.Errorf("%s connections", got)
	}
}

func TestDatabaseEndsWithItsTest(t *testing.T) {
	var name string
	t.Run("test", func(inner *testing.T) {
		db := open(t, New(inner)) // open beyond the inner test
		name = read(inner, db, "SELECT current_database()")
	})
	query := "SELECT count(*) FROM pg_database WHERE datname = '" + name + "'"
	if got := read(t, current.admin, query); got != "0" {
		t.Errorf("%s is still there", name)
	}
}

func TestMigrationThatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s := &server{migrate: func(context.Context, string) error { return broken }}
	for range 2 {
		if err := s.start(); !errors.Is(err, broken) {
			t.Errorf("start: %v", err)
		}
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := os.Stat(s.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", s.dir, err)
	}
}

func TestNoServerWhereNoTestNeedsOne(t *testing.T) {
	t.Parallel()
	if err := new(server).stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// TestLeave is the part of TestSweep that runs in another process.
func TestLeave(t *testing.T) {
	if os.Getenv(leaver) == "" {
		return
	}
	New(t)
	fmt.Println("folder", current.dir)
	select {}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	New(t)
	left := leave(t)
	eventually(t, left+" is swept", func() bool {
		sweep(t.Context())
		_, err := os.Stat(left)
		return errors.Is(err, fs.ErrNotExist)
	})
	if _, err := os.Stat(filepath.Join(current.dir, "data")); err != nil {
		t.Errorf("a folder in use was swept: %v", err)
	}
}

// leave returns the folder that a killed test run leaves behind.
func leave(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestLeave$")
	cmd.Env = append(os.Environ(), leaver+"=yes")
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	folder, found := strings.CutPrefix(strings.TrimSpace(line), "folder ")
	if !found {
		t.Fatalf("it says %q (%v)", line, err)
	}
	return folder
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in a minute: %s", what)
		}
	}
}
