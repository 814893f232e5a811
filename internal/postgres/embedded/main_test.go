package embedded

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// gatewayDir is set where the test binary plays a gateway: it runs a server on
// the folder named until it is killed.
const gatewayDir = "DATAHUB_TEST_GATEWAY_DIR"

const patience = time.Minute

func TestMain(m *testing.M) {
	if dir := os.Getenv(gatewayDir); dir != "" {
		playGateway(dir)
	}
	os.Exit(m.Run())
}

func playGateway(dir string) {
	if _, err := Start(context.Background(), Options{Dir: dir, Durable: true}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	select {}
}

// gateway is another process with a server.
type gateway struct {
	*exec.Cmd
	output *bufio.Reader
}

func startGateway(t *testing.T, dir string) *gateway {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Cmd: exec.Command(program)}
	g.Env = append(os.Environ(), gatewayDir+"="+dir)
	output, err := g.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	g.output = bufio.NewReader(output)
	t.Cleanup(func() { g.end(syscall.SIGKILL) })
	return g
}

func (g *gateway) awaitReady(t *testing.T) {
	t.Helper()
	if line, err := g.output.ReadString('\n'); line != "ready\n" {
		rest, _ := io.ReadAll(g.output)
		t.Fatalf("the gateway says %q %s (%v)", line, rest, err)
	}
}

// end returns when the process is gone.
func (g *gateway) end(signal syscall.Signal) {
	_ = g.Process.Signal(signal)
	_ = g.Wait()
}

// dataFolder is the path of a folder to be made, in a place that PostgreSQL's
// user can reach: t.TempDir's are closed to others.
func dataFolder(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("/tmp", "datahub-private-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(parent, "postgres")
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	var log bytes.Buffer
	s, err := Start(t.Context(), Options{Dir: dir, Log: &log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Stop()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func open(t *testing.T, s *Server) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", s.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func read(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var value string
	if err := db.QueryRowContext(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return value
}

// eventually polls what happens without this process being told.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(pollInterval) {
		if time.Now().After(deadline) {
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

func eventuallyDeserted(t *testing.T, dir string) {
	t.Helper()
	eventually(t, "no process works in "+dir, func() bool { return len(processesIn(t, dir)) == 0 })
}

func wantOneLine(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %v", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q lacks %q", err, word)
		}
	}
}
