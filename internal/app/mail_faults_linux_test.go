package app_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"alphacruncher.com/datahub-gateway/internal/app/apptest"
	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/embedded"
)

// addresses returns n addresses of a domain.
func addresses(domain string, n int) (emails []string) {
	for i := range n {
		emails = append(emails, fmt.Sprintf("p%d@%s", i, domain))
	}
	return emails
}

// The mail server never answers for one domain. Mails to others that were queued
// later are sent meanwhile.
func TestHangingDomainDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	for _, gateways := range []int{1, 2} {
		t.Run(fmt.Sprintf("gateways=%d", gateways), func(t *testing.T) {
			t.Parallel()
			const hanging, others = 200, 100
			s := apptest.NewMailServer(t)
			release := make(chan struct{})
			goOn := sync.OnceFunc(func() { close(release) })
			s.OnRcpt(func(to string) error {
				if strings.HasSuffix(to, "@hangs.example") {
					<-release
				}
				return nil
			})
			w := newWorld(t)
			if err := w.Gateway.Stop(); err != nil {
				t.Fatal(err)
			}
			var processes []*process
			for range gateways {
				processes = append(processes, w.spawn("DATAHUB_SMTP_URL=smtp://"+s.Addr, "DATAHUB_PUBLIC_URL=https://datahub.example"))
			}
			t.Cleanup(goOn)
			ada := w.as("ada").through(processes[0])
			ada.invite("Group 1", "VIEWER", addresses("hangs.example", hanging)).OK()
			ada.invite("Group 1", "VIEWER", addresses("answers.example", others)).OK()
			began := time.Now()
			const sent = `select count(*) from outbox o join invitation i on i.id = o.subject_id where o.state = 'SENT' and i.email like $1`
			w.Eventually("all mails to the other domain", func() bool { return w.Number(sent, "%@answers.example") == others })
			t.Logf("%d mails were sent in %v, while %d to another domain hang", others, time.Since(began).Round(time.Millisecond), hanging)
			if n := w.Number(sent, "%@hangs.example"); n > 0 {
				t.Errorf("%d mails did not hang", n)
			}
			goOn()
			w.Eventually("all mails", func() bool {
				w.tryNow()
				return w.Number(sent, "%") == hanging+others
			})
			if n := len(s.Attempts()); n != hanging+others {
				t.Errorf("%d copies", n-hanging-others)
			}
			for _, p := range processes {
				p.end(syscall.SIGTERM)
			}
		})
	}
}

// The mail server is away while mails are queued. That is no failure of theirs: once
// it is back, all are sent without a pause.
func TestMailServerThatComesBack(t *testing.T) {
	t.Parallel()
	const people = 300
	s := apptest.NewMailServer(t)
	s.Stop()
	w := newWorld(t, s.Use, measured)
	w.as("ada").invite("Group 1", "VIEWER", addresses("new.example", people)).OK()
	const line = "mail server cannot be reached"
	w.Await(line, func() bool { return len(w.Log.Lines(line)) > 0 })
	if reachable := w.scrape()["datahub_mail_server_reachable"]; reachable != 0 {
		t.Errorf("the gauge is %v", reachable)
	}
	w.Eventually("a mail server", func() bool { return s.Listen() == nil })
	t.Cleanup(s.Stop)
	began := time.Now()
	w.sent(people)
	t.Logf("%d mails were sent %v after the mail server was back", people, time.Since(began).Round(time.Millisecond))
	if n := w.Number(`select count(*) from outbox where attempts <> 1`); n > 0 {
		t.Errorf("%d mails do not count one attempt", n)
	}
	away, back := w.Log.Lines(line), w.Log.Lines("mail server can be reached again")
	if len(away) != 1 || away[0]["level"] != "WARN" || away[0]["problem"] != "UNREACHABLE" || len(back) != 1 || back[0]["level"] != "INFO" {
		t.Errorf("%v, %v", away, back)
	}
	if reachable := w.scrape()["datahub_mail_server_reachable"]; reachable != 1 {
		t.Errorf("the gauge is %v", reachable)
	}
}

// killableDatabase is a PostgreSQL of the test's own, with the demo world.
type killableDatabase struct {
	t      *testing.T
	dir    string
	server *embedded.Server
	admin  *sqlx.DB
}

func newKillableDatabase(t *testing.T) *killableDatabase {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "datahub-killed-") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	d := &killableDatabase{t: t, dir: dir}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d.start()
	t.Cleanup(func() { _ = d.server.Stop() })
	if _, err := postgres.Migrate(t.Context(), d.dsn(), ""); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(d.dsn(), postgres.Options{MaxConnections: 1, StatementTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := demo.Load(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	if d.admin, err = sqlx.Open("postgres", d.dsn()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.admin.Close() })
	return d
}

func (d *killableDatabase) dsn() string { return d.server.DSN("postgres") }

// start starts the server. What it has committed survives a kill.
func (d *killableDatabase) start() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), apptest.Patience)
	defer cancel()
	var err error
	if d.server, err = embedded.Start(ctx, embedded.Options{Dir: d.dir, Durable: true}); err != nil {
		d.t.Fatal(err)
	}
}

// kill ends the server without notice.
func (d *killableDatabase) kill() {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.dir, "data", "postmaster.pid"))
	if err != nil {
		d.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		d.t.Fatal(err)
	}
	<-d.server.Done()
	_ = d.server.Stop() // frees the folder
}

// The database is killed again and again while gateways send. They live on, and know
// what they have sent.
func TestKilledDatabaseMakesNoCopies(t *testing.T) {
	t.Parallel()
	for _, gateways := range []int{1, 2} {
		t.Run(fmt.Sprintf("gateways=%d", gateways), func(t *testing.T) {
			t.Parallel()
			const people, kills = 1000, 5
			s := apptest.NewMailServer(t)
			d := newKillableDatabase(t)
			reached := make(chan struct{}, 1)
			next := people / (kills + 1)
			var mu sync.Mutex
			s.OnData(func(a apptest.Attempt) error {
				mu.Lock()
				defer mu.Unlock()
				if a.Number >= next {
					next = a.Number + people/(kills+1)
					select {
					case reached <- struct{}{}:
					default:
					}
				}
				return nil
			})
			w := newWorld(t)
			var processes []*process
			for range gateways {
				processes = append(processes, w.spawn("DATABASE_URL="+d.dsn(), "DATAHUB_SMTP_URL=smtp://"+s.Addr, "DATAHUB_PUBLIC_URL=https://datahub.example"))
			}
			var instance string
			if err := d.admin.Get(&instance, `select 'instance_' || replace(i.id::text, '-', '') from instance i join space s on s.id = i.space_id where s.name = 'Econometrics 2026' and i.name = 'Group 1'`); err != nil {
				t.Fatal(err)
			}
			w.as("ada").through(processes[0]).invite(instance, "VIEWER", addresses("new.example", people)).OK()
			began := time.Now()
			for range kills {
				<-reached
				d.kill()
				d.start()
			}
			w.Eventually("the last mail", func() bool {
				var open int
				return d.admin.Get(&open, `select count(*) from outbox where state <> 'SENT'`) == nil && open == 0
			})
			copies := map[string]int{}
			for _, a := range s.Attempts() {
				copies[a.To]++
			}
			more := len(s.Attempts()) - people
			t.Logf("%d mails, %d kills of the database: %d copies, the last mail after %v", people, kills, more, time.Since(began).Round(time.Millisecond))
			if len(copies) != people || more != 0 {
				t.Errorf("%d people have a mail, and there are %d copies", len(copies), more)
			}
			for _, p := range processes {
				p.end(syscall.SIGTERM)
			}
		})
	}
}
