package app_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// programVariable is set where the test binary runs as the program.
const programVariable = "DATAHUB_TEST_PROGRAM"

// beProgram runs the program, and does not return, where programVariable is
// set.
func beProgram() {
	if os.Getenv(programVariable) == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(app.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// process is a gateway in a process of its own.
type process struct {
	t       testing.TB
	cmd     *exec.Cmd
	url     string
	metrics string // the address of the metrics; "" where they are off
	// ended is closed when the process has ended.
	ended chan struct{}
}

// spawn starts the program on the world's database, without limits that a slow machine
// meets by itself.
func (w *world) spawn(settings ...string) *process {
	w.t.Helper()
	p := &process{t: w.t, cmd: exec.Command(os.Args[0], "serve"), ended: make(chan struct{})}
	// No limit that a slow machine meets by itself, as in apptest.World.Settings.
	p.cmd.Env = append(os.Environ(), programVariable+"=1", "DATABASE_URL="+w.GatewayDSN(), "DATAHUB_DEVELOPMENT=true",
		"DATAHUB_DATA_DIR="+w.DataDir, "DATAHUB_ADDR=127.0.0.1:0", "DATAHUB_DATABASE_CONNECTIONS=100",
		"DATAHUB_REQUEST_TIMEOUT="+apptest.Patience.String(), "DATAHUB_STATEMENT_TIMEOUT="+apptest.Patience.String(), "DATAHUB_LOCK_TIMEOUT="+apptest.Patience.String())
	p.cmd.Env = append(p.cmd.Env, settings...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.Stderr = w.t.Output()
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for !strings.HasPrefix(lines.Text(), "Tokens") && lines.Scan() {
		if _, url, found := strings.Cut(lines.Text(), "listens on "); found {
			p.url = url
		}
		if _, url, found := strings.Cut(lines.Text(), "  Metrics "); found {
			p.metrics = strings.TrimSpace(url)
		}
	}
	go func() {
		for lines.Scan() { // so that printing never blocks the process
		}
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	w.t.Cleanup(func() { p.end(syscall.SIGKILL) })
	if p.url == "" {
		w.t.Fatal("the program did not start")
	}
	return p
}

func (p *process) end(signal syscall.Signal) {
	p.t.Helper()
	_ = p.cmd.Process.Signal(signal)
	select {
	case <-p.ended:
	case <-time.After(apptest.Patience):
		p.t.Errorf("a gateway does not end")
	}
}

// through returns the person in front of another gateway.
func (p person) through(g *process) person {
	p.URL = g.url
	return p
}

// A gateway is killed while it sends a thousand mails. The other one sends the
// rest: every address has one pending invitation and at least one mail, and
// copies of a mail have the same Message-ID.
func TestKilledGatewayLosesNoMail(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	var first sync.Once
	answered, killed := make(chan struct{}), make(chan struct{})
	var doomed *process
	s.OnData(func(a apptest.Attempt) error {
		if a.Number == 300 {
			first.Do(func() {
				<-answered
				doomed.end(syscall.SIGKILL)
				close(killed)
			})
		}
		return nil
	})
	w := newWorld(t)
	// The world's own gateway would send to its mailbox.
	if err := w.Gateway.Stop(); err != nil {
		t.Fatal(err)
	}
	settings := []string{"DATAHUB_SMTP_URL=smtp://" + s.Addr, "DATAHUB_PUBLIC_URL=https://datahub.example"}
	doomed = w.spawn(settings...)
	other := w.spawn(settings...)
	const people = 1000
	emails := make([]string, people)
	for i := range emails {
		emails[i] = fmt.Sprintf("p%d@new.example", i)
	}
	w.as("ada").through(doomed).invite("Group 1", "VIEWER", emails, "idempotencyKey", "k").OK()
	close(answered)
	<-killed
	// The other gateway knows the answer to the key.
	if got := w.as("ada").through(other).invite("Group 1", "VIEWER", emails, "idempotencyKey", "k").OK().Every("outcome", "inviteUsers", "results"); got[0] != "INVITED" || got[people-1] != "INVITED" {
		t.Errorf("the retry: %v", got[:10])
	}
	w.Eventually("the last mail", func() bool { return w.Number(`select count(*) from outbox where state <> 'SENT'`) == 0 })
	figures := w.compareLedger(s.Attempts())
	if figures.live != people || figures.mailed != people || figures.failed != 0 {
		t.Errorf("%+v", figures)
	}
	t.Logf("%+v, %d of them after the other gateway had died", figures, w.Number(`select count(*) from outbox where attempts > 1`))
	for _, email := range []string{"p0@new.example", "p500@new.example", "p999@new.example"} {
		w.as(email).through(other).accept("token", s.Token(email)).OK()
	}
	other.end(syscall.SIGTERM)
}

// A gateway is killed while it waits for the answer to one mail, and before it has
// given another one to the server. The other gateway sends the second one soon, and
// the first one hours later.
func TestKilledGatewayMayHaveSentAMail(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	release := make(chan struct{})
	s.OnData(func(a apptest.Attempt) error {
		if a.To == "given@new.example" {
			<-release
		}
		return nil
	})
	s.OnRcpt(func(to string) error {
		if to == "waiting@new.example" {
			<-release
		}
		return nil
	})
	w := newWorld(t)
	if err := w.Gateway.Stop(); err != nil {
		t.Fatal(err)
	}
	settings := []string{"DATAHUB_SMTP_URL=smtp://" + s.Addr, "DATAHUB_PUBLIC_URL=https://datahub.example"}
	doomed := w.spawn(settings...)
	ada := w.as("ada").through(doomed)
	for _, email := range []string{"given@new.example", "waiting@new.example"} {
		ada.invite("Group 1", "VIEWER", []string{email}).OK()
	}
	w.Eventually("one mail on the wire, and another one claimed", func() bool {
		return w.Number(`select count(*) from outbox where submitted`) == 1 && w.Number(`select count(*) from outbox where lease is null`) == 0
	})
	doomed.end(syscall.SIGKILL)
	close(release)
	w.Exec(`update outbox set next_attempt_at = clock_timestamp()`) // the leases expire
	other := w.spawn(settings...)
	w.Eventually("the outcomes", func() bool { return w.Number(`select count(*) from outbox where lease is not null`) == 0 })
	states := map[string]string{}
	for _, row := range w.outbox() {
		states[row.Email] = row.State
	}
	if states["waiting@new.example"] != "SENT" || states["given@new.example"] != "QUEUED" {
		t.Errorf("%v", states)
	}
	if d := w.as("ada").through(other).delivery("Group 1", "given@new.example"); d["status"] != "UNCERTAIN" {
		t.Errorf("%v", d)
	}
	given := 0
	for _, a := range s.Attempts() {
		if a.To == "given@new.example" {
			given++
		}
	}
	if given != 1 {
		t.Errorf("%d copies", given)
	}
	other.end(syscall.SIGTERM)
}

func TestSubscriptionsSeeChangesOfOtherProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.spawn(), w.spawn()
	ada := w.as("ada")
	for transport, watch := range watchers {
		s := watch(ada.through(one), w.instance("Group 1"))
		email := strings.ToLower(transport) + "@new.example"
		ada.through(two).invite("Group 1", "VIEWER", []string{email}).OK()
		s.expect("CREATED "+email, "SENT "+email)
		ada.through(two).revoke([]string{w.invitationOf(email)}).OK()
		s.expect("REVOKED " + email)
		s.stop()
	}
}

// The operator decides when the program collects its heap.
func TestGarbageCollection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for variable, want := range map[string]map[string]float64{
		"GOGC=":               {"go_gc_gogc_percent": 100},
		"GOGC=50":             {"go_gc_gogc_percent": 50},
		"GOMEMLIMIT=77000000": {"go_gc_gomemlimit_bytes": 77_000_000},
	} {
		g := w.spawn("DATAHUB_METRICS_ADDR=127.0.0.1:0", variable)
		metrics := w.scrapeAt(g.metrics)
		for name, value := range want {
			if metrics[name] != value {
				t.Errorf("%s: %s is %v", variable, name, metrics[name])
			}
		}
		g.end(syscall.SIGTERM)
	}
}

// A gateway's memory does not grow with the number of different documents.
func TestDocumentsDoNotFillTheMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// In a process of its own, the heap is the gateway's. With frequent
	// collections it is little more than what the gateway keeps.
	g := w.spawn("DATAHUB_METRICS_ADDR=127.0.0.1:0", "GOGC=50", "DATAHUB_MAX_UNKNOWN_TOKENS_PER_PERSON=1000")
	ada := w.as("ada").through(g)
	heap := func() float64 { return w.scrapeAt(g.metrics)["go_memstats_next_gc_bytes"] / 1.5 }
	ada.Ask(ownName, nil).OK()
	before := heap()
	for what, selections := range map[string]string{
		"fields":    strings.Repeat("viewer { id } ", 60),
		"fragments": "viewer {" + strings.Repeat("...{id}", 90) + "}",
		"arguments": strings.Repeat("viewer { spaces(first: 1) { totalCount } } ", 40),
		"a text":    `invitation(token: "` + strings.Repeat("x", 50_000) + `") { email }`,
		"a list":    "checkEmails(emails: [" + strings.Repeat(`"",`, 1800) + "]) { index }",
	} {
		for i := range 700 {
			query := fmt.Sprintf("query Q%d {%s}", i, selections)
			if a := ada.Send(ada.Post(byHash(hashOf(query), query))); what != "a list" {
				a.OK()
			}
		}
		if grown := heap() - before; grown > 32<<20 {
			t.Errorf("after 700 documents of %s the gateway has %.0f MiB more", what, grown/(1<<20))
		}
	}
}
