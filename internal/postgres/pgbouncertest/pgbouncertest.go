// Package pgbouncertest runs PgBouncer before a test's database.
package pgbouncertest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lib/pq"
)

// The modes in which PgBouncer pools.
const (
	Session     = "session"
	Transaction = "transaction"
)

const port = "6432"

// New starts a PgBouncer before the server of a DSN, and returns the DSN that goes
// through it. It ends with the test. Each of the further lines is a setting of
// PgBouncer, as "name = value". PgBouncer has to be installed.
func New(t testing.TB, dsn, mode string, settings ...string) string {
	t.Helper()
	server, err := pq.NewConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir, which the user that PgBouncer runs as cannot enter.
	dir, err := os.MkdirTemp("", "pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	account := credential(t, dir)

	users := filepath.Join(dir, "users")
	configuration := filepath.Join(dir, "pgbouncer.ini")
	write(t, users, fmt.Sprintf("%q \"\"\n", server.User))
	write(t, configuration, strings.Join(append([]string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%d", server.Host, server.Port),
		"[pgbouncer]",
		"pool_mode = " + mode,
		"auth_type = trust",
		"auth_file = " + users,
		"unix_socket_dir = " + dir,
		"listen_port = " + port,
		"max_client_conn = 500",
		"default_pool_size = 10",
	}, settings...), "\n")+"\n")

	cmd := exec.Command("pgbouncer", configuration)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := awaitReady(output); err != nil {
		t.Fatal(err)
	}
	var drain sync.WaitGroup
	drain.Go(func() { _, _ = io.Copy(t.Output(), output) })
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		drain.Wait()
		_ = cmd.Wait()
		if !cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
			t.Errorf("pgbouncer ended by itself: %v", cmd.ProcessState)
		}
	})
	return fmt.Sprintf("%s host=%s port=%s", dsn, dir, port)
}

// awaitReady returns when PgBouncer says that it is up.
func awaitReady(output io.Reader) error {
	var lines []string
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		lines = append(lines, scanner.Text())
		if strings.Contains(scanner.Text(), "process up") {
			return nil
		}
	}
	return fmt.Errorf("pgbouncer ended at its start:\n%s", strings.Join(lines, "\n"))
}

// credential returns the user to run as, who owns the folder afterwards. PgBouncer
// does not run as root.
func credential(t testing.TB, dir string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	postgres, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(postgres.Uid)
	gid, _ := strconv.Atoi(postgres.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
