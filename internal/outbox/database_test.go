package outbox_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

const (
	kind = "test"
	// poll is how often the queues of tests look for due jobs.
	poll = 10 * time.Millisecond
	// watchdog ends a test that waits for something that never happens.
	watchdog = 2 * time.Minute
	// lease is longer than any test: where it expires by itself, a job is attempted again.
	lease = time.Hour
)

// database is a database with queues that work on it.
type database struct {
	t      *testing.T
	tests  *postgres.DB // for what the test itself does
	queues *postgres.DB
	log    *signallingLog
}

// newDatabase opens a database of its own for the test. Each statement of its queues
// sends a signal when it has ended, and so does each line of their log.
func newDatabase(t *testing.T) *database {
	t.Helper()
	d := &database{t: t, log: &signallingLog{next: make(chan struct{})}}
	dsn := postgrestest.New(t)
	open := func(o postgres.Options) *postgres.DB {
		o.MaxConnections, o.StatementTimeout = 12, watchdog
		db, err := postgres.Open(dsn, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	d.tests = open(postgres.Options{})
	d.queues = open(postgres.Options{Statement: func(context.Context, string) func(error) {
		return func(error) { d.log.signal() }
	}})
	return d
}

// start runs a queue until stop is called or the test ends.
func (d *database) start(q *outbox.Queue) (stop func()) {
	d.t.Helper()
	q.DB, q.Kind, q.Log = d.queues, kind, slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if q.PollInterval == 0 {
		q.PollInterval = poll
	}
	if q.Lease == 0 {
		q.Lease = lease
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { q.Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	d.t.Cleanup(stop)
	return stop
}

// await waits until a condition holds. It checks the condition after each signal of
// the queues.
func (d *database) await(what string, condition func() bool) {
	d.t.Helper()
	timeout := time.After(watchdog)
	for {
		signal := d.log.wait() // before the check, so that no signal is missed
		if condition() {
			return
		}
		select {
		case <-signal:
		case <-timeout:
			d.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// awaitState waits until the job of a subject is in a state, and returns its row.
func (d *database) awaitState(subject globalid.ID, state string) (r row) {
	d.t.Helper()
	d.await("the state "+state, func() bool {
		r = d.row(subject)
		return r.State == state && r.Lease == nil
	})
	return r
}

// enqueue enqueues a job for each of n new subjects.
func (d *database) enqueue(n int) (subjects []globalid.ID) {
	d.t.Helper()
	return d.enqueueFor(globalid.ID{}, n)
}

func (d *database) enqueueFor(instance globalid.ID, n int) (subjects []globalid.ID) {
	d.t.Helper()
	var tasks []outbox.Task
	for range n {
		subject := globalid.New(globalid.Invitation)
		subjects = append(subjects, subject)
		tasks = append(tasks, outbox.Task{Subject: subject.UUID, Instance: instance.UUID, Secret: secretOf(subject)})
	}
	d.enqueueTasks(tasks...)
	return subjects
}

func (d *database) enqueueTasks(tasks ...outbox.Task) {
	d.t.Helper()
	d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return outbox.Enqueue(ctx, tx, kind, tasks) })
}

func secretOf(subject globalid.ID) string { return "secret of " + subject.String() }

// newInstance writes an instance that jobs can be for.
func (d *database) newInstance() globalid.ID {
	d.t.Helper()
	space, instance := globalid.New(globalid.Space), globalid.New(globalid.Instance)
	d.inTx(func(ctx context.Context, tx *postgres.Tx) error { // the schema demands both special instances
		_, err := tx.Exec(ctx, `
			with o as (insert into organization (id, name) values ($1::uuid, $1::uuid::text)),
			     s as (insert into space (id, organization_id, name) values ($1::uuid, $1::uuid, $1::uuid::text))
			insert into instance (id, space_id, name, kind)
			values (gen_random_uuid(), $1, 'Master', 'MASTER'), (gen_random_uuid(), $1, 'Distributed', 'DISTRIBUTED'), ($2, $1, 'Group 1', 'WORKING')`, space.UUID, instance.UUID)
		return err
	})
	return instance
}

func (d *database) hold(instance globalid.ID) {
	d.t.Helper()
	d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return outbox.Hold(ctx, tx, instance) })
}

func (d *database) release(instance globalid.ID) {
	d.t.Helper()
	d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return outbox.Release(ctx, tx, instance) })
}

func (d *database) inTx(do func(context.Context, *postgres.Tx) error) {
	d.t.Helper()
	if err := d.tests.InTx(d.t.Context(), func(tx *postgres.Tx) error { return do(d.t.Context(), tx) }); err != nil {
		d.t.Fatal(err)
	}
}

// endPauses makes delayed jobs due.
func (d *database) endPauses() {
	d.t.Helper()
	d.exec(`update outbox set next_attempt_at = clock_timestamp() where state = 'QUEUED' and lease is null`)
}

type row struct {
	ID            uuid.UUID  `db:"id"`
	State         string     `db:"state"`
	Secret        *string    `db:"secret"`
	LastError     *string    `db:"last_error"`
	Reply         *string    `db:"reply"`
	Problem       *string    `db:"problem"`
	Submitted     bool       `db:"submitted"`
	Uncertain     int        `db:"uncertain"`
	AttemptedAt   *time.Time `db:"attempted_at"`
	Attempts      int        `db:"attempts"`
	Lease         *uuid.UUID `db:"lease"`
	NextAttemptAt time.Time  `db:"next_attempt_at"`
	Now           time.Time  `db:"now"`
}

func (r row) String() string {
	return fmt.Sprintf("%s: %s, secret: %t, error %q, reply %q, %d attempts, lease %v until %v",
		r.ID, r.State, r.Secret != nil, value(r.LastError), value(r.Reply), r.Attempts, r.Lease, r.NextAttemptAt)
}

// row reads the job of a subject.
func (d *database) row(subject globalid.ID) (r row) {
	d.t.Helper()
	err := d.tests.Get(context.Background(), &r, `
		select id, state, secret, last_error, reply, problem, submitted, uncertain, attempted_at, attempts, lease, next_attempt_at, clock_timestamp() as now
		from outbox where subject_id = $1`, subject.UUID)
	if err != nil {
		d.t.Error(err)
	}
	return r
}

func (d *database) count(where string) (n int) {
	d.t.Helper()
	if err := d.tests.Get(context.Background(), &n, `select count(*) from outbox where `+where); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (d *database) exec(statement string, args ...any) {
	d.t.Helper()
	if _, err := d.tests.Exec(context.Background(), statement, args...); err != nil {
		d.t.Fatalf("%s: %v", statement, err)
	}
}

// leased reports whether all jobs are claimed.
func (d *database) leased() bool { return d.count(`lease is null`) == 0 }

// reportAll makes work of a function that returns the outcomes of all jobs.
func reportAll(work func(context.Context, []outbox.Job) []error) outbox.WorkFunc {
	return func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
		for i, err := range work(ctx, jobs) {
			report(i, err)
		}
	}
}

// always makes work that ends each job with the same outcome.
func always(outcome error) outbox.WorkFunc {
	return func(_ context.Context, jobs []outbox.Job, report func(int, error)) {
		for i := range jobs {
			report(i, outcome)
		}
	}
}

// bySubject makes work that ends each job with the outcome of its subject.
func bySubject(outcomes map[uuid.UUID]error) outbox.WorkFunc {
	return func(_ context.Context, jobs []outbox.Job, report func(int, error)) {
		for i, job := range jobs {
			report(i, outcomes[job.Subject])
		}
	}
}

// gate is work that waits in the middle. A test that fails does not leave it waiting.
type gate struct {
	entered chan context.Context // receives the context of the work
	open    func()               // lets the work go on
}

// startGated runs a queue whose work passes a gate before it goes on.
func (d *database) startGated(q *outbox.Queue, work outbox.WorkFunc) (g *gate, stop func()) {
	d.t.Helper()
	opened := make(chan struct{})
	g = &gate{entered: make(chan context.Context, 100), open: sync.OnceFunc(func() { close(opened) })}
	q.Work = func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
		g.entered <- ctx
		<-opened
		work(ctx, jobs, report)
	}
	stop = d.start(q)
	d.t.Cleanup(g.open) // runs before the cleanup that stops the queue
	return g, stop
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// signallingLog is a log that can be read while it is written. It sends a signal for
// each line, and for each call of signal.
type signallingLog struct {
	mu   sync.Mutex
	text bytes.Buffer
	next chan struct{} // closed by the next signal
}

func (l *signallingLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	_, _ = l.text.Write(p)
	l.mu.Unlock()
	l.signal()
	return len(p), nil
}

func (l *signallingLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *signallingLog) signal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.next)
	l.next = make(chan struct{})
}

// wait returns a channel that the next signal closes.
func (l *signallingLog) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}
