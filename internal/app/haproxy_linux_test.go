//go:build haproxy

package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// balancer is an HAProxy before gateways, which asks their /readyz five times a second.
type balancer struct {
	t      *testing.T
	url    string
	socket string
}

// balance starts an HAProxy. It ends with the test.
func (w *world) balance(t *testing.T, gateways ...*process) balancer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File() // HAProxy takes the socket over
	if err != nil {
		t.Fatal(err)
	}
	b := balancer{t, "http://" + listener.Addr().String(), filepath.Join(t.TempDir(), "s")}
	configuration := fmt.Sprintf(`
global
  stats socket %s
defaults
  mode http
  timeout connect 10s
  timeout client 2m
  timeout server 2m
  timeout check 10s
  option redispatch
  retries 3
frontend in
  bind fd@3
  default_backend gateways
backend gateways
  balance roundrobin
  option httpchk GET /readyz
  http-check expect status 200
  default-server check inter 200ms fall 2 rise 1
`, b.socket)
	for i, g := range gateways {
		u, err := url.Parse(g.url)
		if err != nil {
			t.Fatal(err)
		}
		configuration += fmt.Sprintf("  server g%d %s\n", i+1, u.Host)
	}
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("haproxy", "-db", "-f", path)
	cmd.ExtraFiles = []*os.File{file}
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/bin"}
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	file.Close()
	listener.Close()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return b
}

// up returns the names of the servers to which HAProxy sends requests.
func (b balancer) up() (names string) {
	b.t.Helper()
	conn, err := net.Dial("unix", b.socket)
	if err != nil {
		return "" // it is starting
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		b.t.Fatal(err)
	}
	table, err := io.ReadAll(conn)
	if err != nil {
		b.t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		// The name is in column 2, the status in column 18.
		if fields := strings.Split(line, ","); len(fields) > 17 && fields[0] == "gateways" && strings.HasPrefix(fields[1], "g") && strings.HasPrefix(fields[17], "UP") {
			names += fields[1] + " "
		}
	}
	return strings.TrimSpace(names)
}

// A balancer keeps gateways whose requests wait for locked rows, takes those off that
// stop or whose database only reads, and no request fails for that.
func TestGatewaysBehindHAProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grantAdministrator("Mia")
	for _, who := range []string{"ada", "mia", "vic", "ed", "rita", "sam"} {
		w.as(who).Ask(ownName, nil).OK() // who signs in for the first time is written down
	}
	// The notice is long enough for HAProxy to take the gateway off before it refuses
	// connections.
	first, second := w.spawn("DATAHUB_DATABASE_CONNECTIONS=20"), w.spawn("DATAHUB_DATABASE_CONNECTIONS=20", "DATAHUB_STOP_NOTICE=10s")
	b := w.balance(t, first, second)
	through := func(who string) person {
		p := w.as(who)
		p.URL = b.url
		return p
	}
	both := func() bool { return b.up() == "g1 g2" }
	w.Eventually("both are up", both)

	release := w.holdLocks(`select from space_administrator where account_id in (select id from account where name in ('Ada', 'Mia')) for update`)
	var waiting sync.WaitGroup
	for range 20 {
		for _, who := range []string{"ada", "mia"} {
			waiting.Go(func() { through(who).invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK() })
		}
	}
	w.Eventually("requests that wait", func() bool {
		return w.Number(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) >= 10
	})
	for n := range 92 {
		through([]string{"vic", "ed", "rita", "sam"}[n%4]).Ask(ownName, nil).OK()
	}
	w.Eventually("both are up while rows are locked", both) // readiness may be late at times on a busy machine
	release()
	waiting.Wait()

	// A gateway stops amid requests.
	var asking sync.WaitGroup
	ended := make(chan struct{})
	for _, who := range []string{"vic", "ed", "rita", "sam"} {
		asking.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
					through(who).Ask(ownName, nil).OK()
				}
			}
		})
	}
	second.end(syscall.SIGTERM)
	w.Eventually("one is up", func() bool { return b.up() == "g1" })
	close(ended)
	asking.Wait()

	database := w.Text(`select quote_ident(current_database())`)
	w.Exec(`alter database ` + database + ` set default_transaction_read_only = on`)
	w.Eventually("none is up", func() bool { return b.up() == "" })
	r, err := http.Post(b.url+"/graphql", "application/json", strings.NewReader(`{"query":"{__typename}"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d while no gateway is ready", r.StatusCode)
	}
	if _, err := w.Admin.Exec(`begin read write; alter database ` + database + ` set default_transaction_read_only = off; commit`); err != nil {
		t.Fatal(err)
	}
	w.Eventually("one is up again", func() bool { return b.up() == "g1" })
	through("ada").invite("Group 1", "VIEWER", []string{"later@new.example"}).OK()
}
