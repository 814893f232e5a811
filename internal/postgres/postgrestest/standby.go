package postgrestest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lib/pq"
)

// standbyPatience ends what would hang.
const standbyPatience = 2 * time.Minute

// NewStandby starts a server that follows the one of a DSN of New, and returns the DSN
// of the same database there: it can be read, and not written before pg_promote(). It
// ends with the test. It needs pg_basebackup, which packages install with the server.
func NewStandby(t testing.TB, dsn string) string {
	t.Helper()
	primary, err := pq.NewConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(current.dir), "datahub-standby-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	account := ownerOfServer(t)
	if account != nil {
		if err := os.Chown(dir, int(account.Uid), int(account.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	port := fmt.Sprint(primary.Port)
	// Not t.Context(), which ends before cleanups that still need the server.
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, serverProgram(t, name), args...)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
		return cmd
	}
	data := filepath.Join(dir, "data")
	backup := run("pg_basebackup", "-h", primary.Host, "-p", port, "-U", primary.User, "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	if says, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, says)
	}
	server := run("postgres", "-D", data, "-k", dir, "-p", port, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", fmt.Sprintf("max_connections=%d", connections))
	var says bytes.Buffer
	server.Stdout, server.Stderr = &says, &says
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGQUIT) } // at once; it ends its children
	server.WaitDelay = standbyPatience
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = server.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	through := strings.Replace(dsn, "'"+primary.Host+"'", "'"+dir+"'", 1)
	for end := time.Now().Add(standbyPatience); ; time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			t.Fatalf("the standby has ended:\n%s", says.String())
		default:
		}
		if answers(through) {
			return through
		}
		if time.Now().After(end) {
			t.Fatal("the standby does not answer")
		}
	}
}

func answers(dsn string) bool {
	c, err := pq.Open(dsn)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// ownerOfServer returns the user that the package's server runs as; nil where it is this
// process's own.
func ownerOfServer(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Join(current.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
}

// serverProgram returns the path of one of PostgreSQL's programs, of the newest version
// that is installed.
func serverProgram(t testing.TB, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) == 0 {
		t.Fatalf("%s is not installed", name)
	}
	return slices.MaxFunc(found, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
}
