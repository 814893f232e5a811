package outbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
)

func TestMain(m *testing.M) { schematest.Main(m) }

// Every row is worked on by one gateway, once, however many there are.
func TestTwoGatewaysShareTheWork(t *testing.T) {
	d := newDatabase(t)
	want := d.enqueue(1000)

	// Each begins before either goes on, so that the work is shared.
	var began sync.WaitGroup
	began.Add(2)
	var mu sync.Mutex
	done := map[uuid.UUID]int{}
	for range 2 {
		var first sync.Once
		d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error {
			first.Do(began.Done)
			began.Wait()
			mu.Lock()
			defer mu.Unlock()
			for _, j := range jobs {
				done[j.Subject]++
			}
			return make([]error, len(jobs))
		})})
	}
	d.eventually("all work", func() bool { return d.count(`state = 'SENT'`) == len(want) })
	mu.Lock()
	defer mu.Unlock()
	for _, id := range want {
		if done[id.UUID] != 1 {
			t.Errorf("a row was worked on %d times", done[id.UUID])
		}
	}
	if n := d.count(`attempts <> 1 or secret is not null or lease is not null or attempted_at is null`); n > 0 {
		t.Errorf("%d rows did not end as they should", n)
	}
}

// What a gateway that was killed had taken is left to it for its lease, and
// then taken by another.
func TestAnotherGatewayTakesOverFromOneThatVanished(t *testing.T) {
	d := newDatabase(t)
	vanished, busy := d.enqueue(1)[0], d.enqueue(1)[0]
	d.exec(`update outbox set attempts = 1, lease = gen_random_uuid(), next_attempt_at = clock_timestamp() - interval '1 second' where subject_id = $1`, vanished.UUID)
	d.exec(`update outbox set attempts = 1, lease = gen_random_uuid(), next_attempt_at = clock_timestamp() + interval '1 hour' where subject_id = $1`, busy.UUID)
	id := d.row(vanished).ID

	worked := make(chan outbox.Job, 100)
	d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error {
		for _, j := range jobs {
			select {
			case worked <- j:
			default:
			}
		}
		return make([]error, len(jobs))
	})})
	d.eventually("the vanished gateway's work", func() bool { return d.row(vanished).State == "SENT" })
	if j := <-worked; j.Subject != vanished.UUID || j.ID != id || j.Secret != secret(vanished) || j.Attempts != 2 {
		t.Errorf("the work was %+v", j)
	}
	if r := d.row(busy); len(worked) > 0 || r.State != "QUEUED" || r.Attempts != 1 || r.Lease == nil {
		t.Errorf("another gateway's work was taken from it: %+v", r)
	}
}

// A lease does not run out while its worker works, however long that takes.
func TestALeaseIsRenewed(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	id := d.enqueue(1)[0]
	working, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(release) }) }
	d.run(&outbox.Queue{Work: all(func(ctx context.Context, jobs []outbox.Job) []error {
		close(working)
		<-release
		return make([]error, len(jobs))
	})})
	t.Cleanup(end)
	<-working
	first := d.row(id)
	d.eventually("a longer lease", func() bool { return d.row(id).NextAttemptAt.After(first.NextAttemptAt) })
	if r := d.row(id); r.Attempts != 1 || *r.Lease != *first.Lease {
		t.Errorf("%s became %s", first.text(), r.text())
	}
	end()
	d.eventually("the end", func() bool { return d.row(id).State == "SENT" })
}

// What a worker had no time for goes to the next one, and counts as not tried.
func TestWhatWasNotTried(t *testing.T) {
	d := newDatabase(t)
	id := d.enqueue(1)[0]
	d.exec(`update outbox set attempts = 3, last_error = 'greylisted', reply = '450 later', attempted_at = 'yesterday'`)
	tried := make(chan outbox.Job, 10)
	d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error {
		tried <- jobs[0]
		if len(tried) == 1 {
			return []error{outbox.ErrPostponed}
		}
		if r := d.row(id); pointed(r.LastError) != "greylisted" || r.Attempts != 4 {
			t.Errorf("it became %s", r.text())
		}
		return []error{nil}
	})})
	d.eventually("another attempt", func() bool { return d.row(id).State == "SENT" })
	if first, second := <-tried, <-tried; first.Attempts != 4 || second.Attempts != 4 {
		t.Errorf("attempts %d and %d", first.Attempts, second.Attempts)
	}
}

// What came of a job is noted while others take their time; what nothing is told
// of was not tried.
func TestOneJobTakesLong(t *testing.T) {
	d := newDatabase(t)
	quick, slow, left := d.enqueue(1)[0], d.enqueue(1)[0], d.enqueue(1)[0]
	release := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(release) }) }
	var mu sync.Mutex
	times := map[uuid.UUID]int{}
	d.run(&outbox.Queue{Work: func(_ context.Context, jobs []outbox.Job, ended func(int, error)) {
		for i, j := range jobs {
			mu.Lock()
			times[j.Subject]++
			first := times[j.Subject] == 1
			mu.Unlock()
			switch {
			case j.Subject == quick.UUID || !first:
				ended(i, nil)
				ended(i, errors.New("once is enough"))
			case j.Subject == slow.UUID:
				defer ended(i, errors.New("try later"))
			}
		}
		<-release
	}})
	t.Cleanup(end)
	d.eventually("the quick one", func() bool { return d.row(quick).State == "SENT" })
	if r := d.row(slow); r.State != "QUEUED" || r.Lease == nil {
		t.Errorf("the slow one: %s", r.text())
	}
	end()
	d.eventually("the one that was left", func() bool { return d.row(left).State == "SENT" })
	if r := d.row(left); r.Attempts != 1 {
		t.Errorf("the one that was left: %s", r.text())
	}
	if r := d.row(slow); pointed(r.LastError) != "try later" {
		t.Errorf("the slow one: %s", r.text())
	}
}

// However work is held, released, renewed and settled at once, none of it is
// done twice, and nobody waits for another one in a circle.
func TestHoldingAndReleasingWhileItIsWorkedOn(t *testing.T) {
	d := newDatabase(t)
	instance := d.instance()
	// A table in which the planner goes by the indexes.
	d.enqueueFor(d.instance(), 3000)
	d.exec(`update outbox set state = 'SENT', secret = null`)
	want := d.enqueueFor(instance, 2000)
	d.exec(`update outbox set next_attempt_at = next_attempt_at - random() * interval '1 minute' where state = 'QUEUED'`)
	d.exec(`analyze outbox`)
	var mu sync.Mutex
	done := map[uuid.UUID]int{}
	for range 2 {
		d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error {
			mu.Lock()
			defer mu.Unlock()
			for _, j := range jobs {
				done[j.Subject]++
			}
			return make([]error, len(jobs))
		})})
	}
	for d.count(`state in ('QUEUED', 'HELD')`) > 0 {
		d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return outbox.Hold(ctx, tx, instance) })
		d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return outbox.Release(ctx, tx, instance) })
	}
	mu.Lock()
	defer mu.Unlock()
	for _, id := range want {
		if done[id.UUID] != 1 {
			t.Fatalf("a row was worked on %d times", done[id.UUID])
		}
	}
	if strings.Contains(d.log.String(), "error") {
		t.Errorf("%s", d.log.String())
	}
}

// Work for an instance that is held waits until it is released, and is then
// done at once, however long the pause before its next attempt was to be.
func TestHeldWorkWaits(t *testing.T) {
	d := newDatabase(t)
	instance, other := d.instance(), d.instance()
	held, free := d.enqueueFor(instance, 1)[0], d.enqueueFor(other, 1)[0]
	d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return outbox.Hold(ctx, tx, instance) })
	d.exec(`update outbox set next_attempt_at = next_attempt_at + interval '1 hour' where subject_id = $1`, held.UUID)
	d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error { return make([]error, len(jobs)) })})
	d.eventually("the free work", func() bool { return d.row(free).State == "SENT" })
	if r := d.row(held); r.State != "HELD" || r.Secret == nil || r.Attempts != 0 {
		t.Errorf("the held work: %s", r.text())
	}
	d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return outbox.Release(ctx, tx, instance) })
	d.eventually("the released work", func() bool { return d.row(held).State == "SENT" })
}

// Work that is under way when it is held comes to its end, or is held then.
func TestHoldingWorkThatIsUnderWay(t *testing.T) {
	for want, result := range map[string]error{
		"SENT": nil, "FAILED": outbox.ErrPermanent, "DROPPED": outbox.ErrDropped, "HELD": errors.New("try later"),
	} {
		t.Run(want, func(t *testing.T) {
			d := newDatabase(t)
			instance := d.instance()
			id := d.enqueueFor(instance, 1)[0]
			working, release := make(chan struct{}), make(chan struct{})
			stop := d.run(&outbox.Queue{Work: all(func(context.Context, []outbox.Job) []error {
				close(working)
				<-release
				return []error{result}
			})})
			<-working
			d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return outbox.Hold(ctx, tx, instance) })
			close(release)
			stop()
			if r := d.row(id); r.State != want || r.Lease != nil || (r.Secret != nil) != (want == "HELD") {
				t.Errorf("it ended as %s", r.text())
			}
		})
	}
}

// refusal is an error with what the other side said.
type refusal string

func (r refusal) Error() string { return "refused: " + string(r) }
func (r refusal) Reply() string { return string(r) }

func TestWhatTheOtherSideSaid(t *testing.T) {
	d := newDatabase(t)
	id := d.enqueue(1)[0]
	var mended atomic.Bool
	d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error {
		if mended.Load() {
			return []error{nil}
		}
		return []error{fmt.Errorf("%w: %w", errors.New("mail"), refusal("451 4.7.1 later,\r\nsays "+jobs[0].Secret))}
	})})
	d.eventually("a reply", func() bool { return d.row(id).Reply != nil })
	if r := d.row(id); *r.Reply != "451 4.7.1 later,  says …" || r.AttemptedAt == nil {
		t.Errorf("%s", r.text())
	}
	mended.Store(true)
	d.hurry()
	d.eventually("success", func() bool { return d.row(id).State == "SENT" })
	if r := d.row(id); r.Reply != nil || r.LastError != nil {
		t.Errorf("%s", r.text())
	}
}

func TestAPanicIsSurvived(t *testing.T) {
	d := newDatabase(t)
	id := d.enqueue(1)[0]
	var mended atomic.Bool
	d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error {
		if !mended.Load() {
			panic("no mail today")
		}
		return make([]error, len(jobs))
	})})
	var r row
	d.eventually("a note of the failure", func() bool { r = d.row(id); return r.Attempts > 0 && r.Lease == nil })
	if r.State != "QUEUED" || r.Secret == nil || r.LastError == nil || strings.Contains(*r.LastError, "no mail today") {
		t.Errorf("after the panic: %+v", r)
	}
	if !strings.Contains(d.log.String(), "no mail today") {
		t.Errorf("the log does not tell of the panic: %s", d.log.String())
	}
	mended.Store(true)
	d.hurry()
	d.eventually("another attempt", func() bool { return d.row(id).State == "SENT" })
	if r := d.row(id); r.LastError != nil || r.Attempts < 2 {
		t.Errorf("after another attempt: %+v", r)
	}
}

// Whoever comes back after another gateway has taken over the work has nothing
// more to say about it, whatever came of it.
func TestALateWorkerChangesNothing(t *testing.T) {
	for what, result := range map[string]error{"success": nil, "failure": errors.New("it failed"), "the end": outbox.ErrPermanent} {
		t.Run(what, func(t *testing.T) {
			d := newDatabase(t)
			id := d.enqueue(1)[0]
			working, release := make(chan struct{}), make(chan struct{})
			stop := d.run(&outbox.Queue{Work: all(func(context.Context, []outbox.Job) []error {
				close(working)
				<-release
				return []error{result}
			})})
			<-working
			// This is how another gateway takes a row.
			d.exec(`update outbox set attempts = attempts + 1, lease = gen_random_uuid(), next_attempt_at = clock_timestamp() + interval '45 seconds'`)
			want := d.row(id)
			close(release)
			stop()
			if got := d.row(id); got.text() != want.text() {
				t.Errorf("it changed %s to %s", want.text(), got.text())
			}
		})
	}
}

func TestHowAJobEnds(t *testing.T) {
	const day = 24 * time.Hour
	for what, c := range map[string]struct {
		age       time.Duration
		result    error
		state     string
		lastError string
	}{
		"success":                      {0, nil, "SENT", ""},
		"late success":                 {3 * day, nil, "SENT", ""},
		"failure":                      {0, errors.New("try later"), "QUEUED", "try later"},
		"failure, nearly two days old": {2*day - 10*time.Minute, errors.New("try later"), "QUEUED", "try later"},
		"failure, two days old":        {2*day + time.Minute, errors.New("try later"), "FAILED", "try later"},
		"never":                        {0, fmt.Errorf("%w: no such person", outbox.ErrPermanent), "FAILED", "outbox: will never succeed: no such person"},
		"nothing to do":                {0, fmt.Errorf("%w: it was revoked", outbox.ErrDropped), "DROPPED", ""},
		"nothing to do, two days old":  {3 * day, outbox.ErrDropped, "DROPPED", ""},
		"what PostgreSQL refuses":      {0, errors.New("a\x00b\xffc\nd"), "QUEUED", "abc d"},
		"a long story":                 {0, errors.New(strings.Repeat("é", 400)), "QUEUED", strings.Repeat("é", 250)},
	} {
		t.Run(what, func(t *testing.T) {
			d := newDatabase(t)
			id := d.enqueue(1)[0]
			d.exec(`update outbox set created_at = clock_timestamp() - $1 * interval '1 second'`, c.age.Seconds())
			stop := d.run(&outbox.Queue{Work: all(func(context.Context, []outbox.Job) []error { return []error{c.result} })})
			d.eventually("a result", func() bool { r := d.row(id); return r.Attempts > 0 && r.Lease == nil })
			stop()
			r := d.row(id)
			if r.State != c.state || pointed(r.LastError) != c.lastError {
				t.Errorf("it ended as %s", r.text())
			}
			if ended := c.state != "QUEUED"; ended != (r.Secret == nil) {
				t.Errorf("it ended as %s", r.text())
			}
		})
	}
}

// The pauses grow, so that a server in trouble is left alone, up to an hour
// and a half, so that two days are many attempts.
func TestPausesGrow(t *testing.T) {
	d := newDatabase(t)
	ids := d.enqueue(30)
	for i, id := range ids {
		d.exec(`update outbox set attempts = $2 where subject_id = $1`, id.UUID, i)
	}
	stop := d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error {
		return slices.Repeat([]error{errors.New("try later")}, len(jobs))
	})})
	d.eventually("30 failures", func() bool { return d.count(`last_error is not null`) == len(ids) })
	stop()
	for _, id := range ids {
		r := d.row(id)
		middle := min(time.Hour, 5*time.Second<<min(r.Attempts-1, 20))
		// A minute is more than the time since the failure.
		if pause := r.NextAttemptAt.Sub(r.Now); pause > middle*3/2 || pause < middle/2-time.Minute {
			t.Errorf("after attempt %d a pause of %v", r.Attempts, pause)
		}
	}
}

// The mail server's words can quote the mail, and with it the link.
func TestTheSecretIsNotKeptInAnError(t *testing.T) {
	d := newDatabase(t)
	id := d.enqueue(1)[0]
	d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error {
		return []error{fmt.Errorf("%w: 554 spam: %s see https://datahub.example/#%s", outbox.ErrPermanent, strings.Repeat("x", 400), jobs[0].Secret)}
	})})
	d.eventually("the end", func() bool { return d.row(id).State == "FAILED" })
	// Not even its beginning, where the error is cut.
	if got := pointed(d.row(id).LastError); strings.Contains(got, secret(id)[:10]) || !strings.Contains(got, "554 spam") {
		t.Errorf("the error says %q", got)
	}
}

// A queue that is told to end does so at once, but for work that has begun.
func TestRunWaitsForWorkThatHasBegun(t *testing.T) {
	d := newDatabase(t)
	id := d.enqueue(1)[0]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	working, release := make(chan context.Context), make(chan struct{})
	ended, idle := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		d.queue(&outbox.Queue{Work: all(func(ctx context.Context, _ []outbox.Job) []error {
			working <- ctx
			<-release
			return []error{ctx.Err()}
		})}).Run(ctx)
	}()
	at := <-working
	go func() {
		defer close(idle)
		d.queue(&outbox.Queue{Kind: "nothing"}).Run(ctx)
	}()
	cancel()
	d.wait(idle)
	select {
	case <-ended:
		t.Error("it did not wait")
	default:
	}
	if at.Err() != nil {
		t.Errorf("the work was cut off: %v", at.Err())
	}
	if _, bounded := at.Deadline(); !bounded {
		t.Error("the work may take for ever")
	}
	close(release)
	d.wait(ended)
	if r := d.row(id); r.State != "SENT" {
		t.Errorf("the work that had begun: %s", r.text())
	}
}

// A database that cannot be reached for a while is no reason to end.
func TestTheDatabaseIsAwayForAWhile(t *testing.T) {
	d := newDatabase(t)
	d.exec(`alter table outbox rename to elsewhere`)
	d.run(&outbox.Queue{Work: all(func(_ context.Context, jobs []outbox.Job) []error { return make([]error, len(jobs)) })})
	d.eventually("a complaint", func() bool { return strings.Contains(d.log.String(), `"msg":"outbox"`) })
	d.exec(`alter table elsewhere rename to outbox`)
	id := d.enqueue(1)[0]
	d.eventually("the work", func() bool { return d.row(id).State == "SENT" })
}

// database is one with an outbox, on which queues of this test run.
type database struct {
	t   *testing.T
	db  *postgres.DB
	log *buffer
}

func newDatabase(t *testing.T) database {
	t.Helper()
	dsn := postgrestest.New(t)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	db, err := postgres.Open(dsn, postgres.Options{MaxConnections: 20, StatementTimeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return database{t, db, &buffer{}}
}

const kind = "test"

func secret(subject globalid.ID) string { return "secret of " + subject.String() }

// enqueue asks for work on n new subjects.
func (d database) enqueue(n int) (subjects []globalid.ID) {
	d.t.Helper()
	return d.enqueueFor(globalid.ID{}, n)
}

func (d database) enqueueFor(instance globalid.ID, n int) (subjects []globalid.ID) {
	d.t.Helper()
	var tasks []outbox.Task
	for range n {
		subject := globalid.New(globalid.Invitation)
		subjects = append(subjects, subject)
		tasks = append(tasks, outbox.Task{Subject: subject.UUID, Instance: instance.UUID, Secret: secret(subject)})
	}
	d.inTx(func(ctx context.Context, tx *postgres.Tx) error { return outbox.Enqueue(ctx, tx, kind, tasks) })
	return subjects
}

// instance makes an instance.
func (d database) instance() globalid.ID {
	d.t.Helper()
	space, instance := globalid.New(globalid.Space), globalid.New(globalid.Instance)
	d.inTx(func(ctx context.Context, tx *postgres.Tx) error {
		for _, q := range []string{
			`insert into organization (id, name) values ($1::uuid, $1::uuid::text)`,
			`insert into space (id, organization_id, name) values ($1::uuid, $1::uuid, $1::uuid::text)`,
			`insert into instance (id, space_id, name, kind) values ($2, $1, 'Master', 'MASTER'), (gen_random_uuid(), $1, 'Distributed', 'DISTRIBUTED')`,
		} {
			args := []any{space.UUID, instance.UUID}
			if !strings.Contains(q, "$2") {
				args = args[:1]
			}
			if _, err := tx.Exec(ctx, q, args...); err != nil {
				return err
			}
		}
		return nil
	})
	return instance
}

func (d database) inTx(do func(context.Context, *postgres.Tx) error) {
	d.t.Helper()
	if err := d.db.InTx(d.t.Context(), func(tx *postgres.Tx) error { return do(d.t.Context(), tx) }); err != nil {
		d.t.Fatal(err)
	}
}

func (d database) queue(q *outbox.Queue) *outbox.Queue {
	q.DB, q.Log = d.db, slog.New(slog.NewJSONHandler(d.log, nil))
	if q.Kind == "" {
		q.Kind = kind
	}
	return q
}

// run runs a queue until stop, or else the end of the test.
func (d database) run(q *outbox.Queue) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { d.queue(q).Run(ctx) })
	stop = func() { cancel(); running.Wait() }
	d.t.Cleanup(stop)
	return stop
}

// all is the work of somebody who tells what came of all jobs in the end.
func all(work func(context.Context, []outbox.Job) []error) func(context.Context, []outbox.Job, func(int, error)) {
	return func(ctx context.Context, jobs []outbox.Job, ended func(int, error)) {
		for i, err := range work(ctx, jobs) {
			ended(i, err)
		}
	}
}

// hurry ends every pause.
func (d database) hurry() {
	d.t.Helper()
	d.exec(`update outbox set next_attempt_at = clock_timestamp() where state = 'QUEUED' and lease is null`)
}

type row struct {
	ID            uuid.UUID  `db:"id"`
	State         string     `db:"state"`
	Secret        *string    `db:"secret"`
	LastError     *string    `db:"last_error"`
	Reply         *string    `db:"reply"`
	AttemptedAt   *time.Time `db:"attempted_at"`
	Attempts      int        `db:"attempts"`
	Lease         *uuid.UUID `db:"lease"`
	NextAttemptAt time.Time  `db:"next_attempt_at"`
	Now           time.Time  `db:"now"`
}

func (r row) text() string {
	return fmt.Sprint(r.ID, r.State, r.Secret != nil, pointed(r.LastError), pointed(r.Reply), r.Attempts, r.Lease, r.NextAttemptAt)
}

func (d database) row(subject globalid.ID) (r row) {
	d.t.Helper()
	err := d.db.Get(context.Background(), &r, `
		select id, state, secret, last_error, reply, attempted_at, attempts, lease, next_attempt_at, clock_timestamp() as now
		from outbox where subject_id = $1`, subject.UUID)
	if err != nil {
		d.t.Error(err)
	}
	return r
}

func (d database) count(where string) (n int) {
	d.t.Helper()
	if err := d.db.Get(context.Background(), &n, `select count(*) from outbox where `+where); err != nil {
		d.t.Error(err)
	}
	return n
}

func (d database) exec(query string, args ...any) {
	d.t.Helper()
	if _, err := d.db.Exec(context.Background(), query, args...); err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
}

// eventually waits for what the queues bring about by themselves.
func (d database) eventually(what string, condition func() bool) {
	d.t.Helper()
	for end := time.Now().Add(30 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			d.t.Fatalf("it did not come to %s", what)
		}
	}
}

func (d database) wait(end <-chan struct{}) {
	d.t.Helper()
	select {
	case <-end:
	case <-time.After(30 * time.Second):
		d.t.Fatal("a queue did not end")
	}
}

func pointed(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
