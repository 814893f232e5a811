package outbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
)

// counter counts attempts by subject.
type counter struct {
	mu       sync.Mutex
	attempts map[uuid.UUID]int
}

func (c *counter) add(jobs []outbox.Job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.attempts == nil {
		c.attempts = map[uuid.UUID]int{}
	}
	for _, j := range jobs {
		c.attempts[j.Subject]++
	}
}

func (c *counter) of(subject uuid.UUID) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.attempts[subject]
}

func TestTwoGatewaysShareTheJobs(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subjects := d.enqueue(500)

	// Neither completes anything before both have claimed some.
	var claimed sync.WaitGroup
	claimed.Add(2)
	var done counter
	for range 2 {
		first := sync.OnceFunc(claimed.Done)
		d.start(&outbox.Queue{Work: reportAll(func(_ context.Context, jobs []outbox.Job) []error {
			first()
			claimed.Wait()
			done.add(jobs)
			return make([]error, len(jobs))
		})})
	}
	d.await("all jobs", func() bool { return d.count(`state = 'SENT'`) == len(subjects) })
	for _, s := range subjects {
		if n := done.of(s.UUID); n != 1 {
			t.Errorf("a job was attempted %d times", n)
		}
	}
	if n := d.count(`attempts <> 1 or secret is not null or lease is not null or attempted_at is null`); n > 0 {
		t.Errorf("%d rows did not end as they should", n)
	}
}

func TestExpiredLeaseIsTakenOver(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	killed, working := d.enqueue(1)[0], d.enqueue(1)[0]
	const claim = `update outbox set attempts = 1, lease = gen_random_uuid(), next_attempt_at = clock_timestamp() + $2 * interval '1 second' where subject_id = $1`
	d.exec(claim, killed.UUID, -1)
	d.exec(claim, working.UUID, 3600)
	id := d.row(killed).ID

	attempted := make(chan outbox.Job, 10)
	stop := d.start(&outbox.Queue{Work: reportAll(func(_ context.Context, jobs []outbox.Job) []error {
		for _, j := range jobs {
			attempted <- j
		}
		return make([]error, len(jobs))
	})})
	d.awaitState(killed, "SENT")
	stop()
	if j := <-attempted; j.Subject != killed.UUID || j.ID != id || j.Secret != secretOf(killed) || j.Attempts != 2 {
		t.Errorf("the job was %+v", j)
	}
	if r := d.row(working); len(attempted) > 0 || r.State != "QUEUED" || r.Attempts != 1 || r.Lease == nil {
		t.Errorf("another gateway's job was taken: %v", r)
	}
}

func TestLeaseIsRenewedDuringAnAttempt(t *testing.T) {
	t.Parallel()
	const workers, batchSize = 4, 20 // of a queue
	d := newDatabase(t)
	subject := d.enqueue(workers * batchSize)[0]
	g, _ := d.startGated(&outbox.Queue{Lease: 30 * time.Millisecond, SlowAfter: time.Hour}, always(nil))
	// Once every worker waits at the gate, none can claim a job whose lease expires
	// because a slow machine renews it late.
	for range workers {
		<-g.entered
	}
	before := d.row(subject)
	var after row
	d.await("a renewal", func() bool { after = d.row(subject); return after.NextAttemptAt.After(before.NextAttemptAt) })
	if after.Attempts != before.Attempts || *after.Lease != *before.Lease {
		t.Errorf("%v became %v", before, after)
	}
	g.open()
	d.awaitState(subject, "SENT")
}

// A gateway that was thought dead cannot change the row that another one has
// claimed meanwhile.
func TestLateOutcomeIsIgnored(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	outcomes := map[uuid.UUID]error{}
	var subjects []globalid.ID
	for _, outcome := range []error{nil, errors.New("it failed"), outbox.ErrPermanent} {
		subject := d.enqueue(1)[0]
		subjects, outcomes[subject.UUID] = append(subjects, subject), outcome
	}
	g, stop := d.startGated(&outbox.Queue{}, bySubject(outcomes))
	d.await("the claims", d.leased)
	d.exec(`update outbox set attempts = attempts + 1, lease = gen_random_uuid(), next_attempt_at = clock_timestamp() + interval '45 seconds'`)
	var want []string
	for _, s := range subjects {
		want = append(want, d.row(s).String())
	}
	g.open()
	stop()
	for i, s := range subjects {
		if got := d.row(s).String(); got != want[i] {
			t.Errorf("the outcome %v changed %s to %s", outcomes[s.UUID], want[i], got)
		}
	}
}

func TestWakeStartsJobsBeforeTheNextPoll(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	first := d.enqueue(1)[0]
	q := &outbox.Queue{Work: always(nil), PollInterval: time.Hour}
	d.start(q)
	d.awaitState(first, "SENT")
	second := d.enqueue(1)[0]
	for range 100 { // it never blocks
		q.Wake()
	}
	d.awaitState(second, "SENT")
}

// Jobs of many small requests share a claim: there is one in 50 milliseconds.
func TestWakesShareAClaim(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	var batches atomic.Int64
	q := &outbox.Queue{PollInterval: time.Hour, Work: func(_ context.Context, jobs []outbox.Job, report func(int, error)) {
		batches.Add(1)
		for i := range jobs {
			report(i, nil)
		}
	}}
	d.start(q)
	began := time.Now()
	const requests = 19 // fewer than a full batch, after which the next one begins at once
	for range requests {
		d.enqueue(1)
		q.Wake()
	}
	d.await("all jobs", func() bool { return d.count(`state = 'SENT'`) == requests })
	const atStart = 1 // claim
	if most := int64(time.Since(began)/(50*time.Millisecond)) + 1 + atStart; batches.Load() > most {
		t.Errorf("%d batches for %d requests, at most %d", batches.Load(), requests, most)
	}
}

func TestFastJobsAreStoredWhileASlowOneRuns(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	fast, slow, unreported := d.enqueue(1)[0], d.enqueue(1)[0], d.enqueue(1)[0]
	opened := make(chan struct{})
	open := sync.OnceFunc(func() { close(opened) })
	var attempts counter
	d.start(&outbox.Queue{Work: func(_ context.Context, jobs []outbox.Job, report func(int, error)) {
		attempts.add(jobs)
		for i, j := range jobs {
			switch {
			case j.Subject == slow.UUID: // perhaps again, on a slow machine
				defer report(i, errors.New("try later"))
			case j.Subject == fast.UUID || attempts.of(j.Subject) > 1:
				report(i, nil)
				report(i, errors.New("the first report counts"))
			}
		}
		<-opened
	}})
	t.Cleanup(open)
	d.awaitState(fast, "SENT")
	if r := d.row(slow); r.State != "QUEUED" || r.Lease == nil {
		t.Errorf("the slow job: %v", r)
	}
	open()
	if r := d.awaitState(unreported, "SENT"); r.Attempts != 1 {
		t.Errorf("the job that was not reported counts as attempted: %v", r)
	}
	d.await("the slow job's outcome", func() bool { return value(d.row(slow).LastError) == "try later" })
}

// A server that takes minutes for some mails does not stop the others.
func TestSlowBatchesDoNotBlockOthers(t *testing.T) {
	t.Parallel()
	const slow = 12 // batches, more than there are workers
	d := newDatabase(t)
	release, working := make(chan struct{}), make(chan struct{}, slow)
	d.start(&outbox.Queue{SlowAfter: time.Millisecond, Work: func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
		if jobs[0].Secret == "slow" {
			working <- struct{}{}
			<-release
		}
		always(nil)(ctx, jobs, report)
	}})
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	for range slow {
		d.enqueueTasks(outbox.Task{Subject: globalid.New(globalid.Invitation).UUID, Secret: "slow"})
		<-working // alone in its batch
	}
	d.awaitState(d.enqueue(1)[0], "SENT")
	if n := d.count(`lease is not null`); n != slow {
		t.Errorf("%d of %d slow jobs are leased", n, slow)
	}
}

func TestPanicIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subject := d.enqueue(1)[0]
	var fixed atomic.Bool
	d.start(&outbox.Queue{Work: func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
		if !fixed.Load() {
			panic("no mail today")
		}
		always(nil)(ctx, jobs, report)
	}})
	var r row
	d.await("the failure", func() bool { r = d.row(subject); return r.Attempts > 0 && r.Lease == nil })
	if r.State != "QUEUED" || r.Secret == nil || r.LastError == nil || strings.Contains(*r.LastError, "no mail today") {
		t.Errorf("after the panic: %v", r)
	}
	if !strings.Contains(d.log.String(), "no mail today") {
		t.Errorf("the log does not name the panic: %s", d.log.String())
	}
	fixed.Store(true)
	d.endPauses()
	if r := d.awaitState(subject, "SENT"); r.LastError != nil || r.Attempts < 2 {
		t.Errorf("after another attempt: %v", r)
	}
}

func TestRunFinishesWhatHasBegun(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subject := d.enqueue(1)[0]
	g, stop := d.startGated(&outbox.Queue{Timeout: time.Hour, StopTimeout: time.Hour}, always(nil))
	ctx := <-g.entered
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	d.start(&outbox.Queue{Work: always(nil)})() // an idle queue stops at once
	select {
	case <-stopped:
		t.Error("Run did not wait for the attempt")
	default:
	}
	if ctx.Err() != nil {
		t.Errorf("the attempt was interrupted: %v", ctx.Err())
	}
	g.open()
	<-stopped
	if r := d.row(subject); r.State != "SENT" {
		t.Errorf("the job that had begun: %v", r)
	}
}

func TestContextOfWorkEnds(t *testing.T) {
	t.Parallel()
	untilItsEnd := reportAll(func(ctx context.Context, jobs []outbox.Job) []error {
		<-ctx.Done()
		return slices.Repeat([]error{ctx.Err()}, len(jobs))
	})
	t.Run("after Timeout", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		subject := d.enqueue(1)[0]
		d.start(&outbox.Queue{Work: untilItsEnd, Timeout: time.Millisecond, StopTimeout: time.Hour})
		d.await("the timeout", func() bool { return value(d.row(subject).LastError) == "context deadline exceeded" })
	})
	t.Run("after StopTimeout", func(t *testing.T) {
		t.Parallel()
		d := newDatabase(t)
		subject := d.enqueue(1)[0]
		begun := make(chan struct{}, 100)
		stop := d.start(&outbox.Queue{Timeout: time.Hour, StopTimeout: time.Millisecond,
			Work: func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
				begun <- struct{}{}
				untilItsEnd(ctx, jobs, report)
			}})
		<-begun
		stop()
		if r := d.row(subject); value(r.LastError) != "context canceled" || r.Lease != nil {
			t.Errorf("%v", r)
		}
	})
}

func TestQueueSurvivesAnUnreachableDatabase(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	d.exec(`alter table outbox rename to elsewhere`)
	began := time.Now()
	d.start(&outbox.Queue{Work: always(nil), PollInterval: 10 * time.Millisecond})
	d.await("many claims that fail", func() bool { return strings.Count(d.log.String(), `"msg":"outbox"`) > 20 })
	if n := strings.Count(d.log.String(), `"level":"ERROR"`); n == 0 || n > 1+int(time.Since(began)/(10*time.Second)) {
		t.Errorf("%d of them are logged as errors", n)
	}
	d.exec(`alter table elsewhere rename to outbox`)
	d.awaitState(d.enqueue(1)[0], "SENT")
}

// outcomes is an observer that collects what it is told.
type outcomes struct {
	mu      sync.Mutex
	batches []int
	ended   int
	jobs    map[uuid.UUID]string
}

type batchKey struct{}

func (o *outcomes) Batch(ctx context.Context, kind string, jobs int) (context.Context, func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.batches = append(o.batches, jobs)
	return context.WithValue(ctx, batchKey{}, kind), func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.ended++
	}
}

func (o *outcomes) Job(ctx context.Context, kind string, job uuid.UUID, outcome string, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ctx.Value(batchKey{}) != kind || took <= 0 {
		outcome += ", not in its batch"
	}
	o.jobs[job] = outcome
}

func TestObserverIsToldTheOutcomes(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subjects := d.enqueue(7)
	results := map[uuid.UUID]error{}
	for i, err := range []error{nil, outbox.ErrDropped, outbox.ErrPermanent, errors.New("try later"), outbox.ErrUncertain, outbox.ErrPostponed, outbox.ErrBusy} {
		results[subjects[i].UUID] = err
	}
	observer := &outcomes{jobs: map[uuid.UUID]string{}}
	stop := d.start(&outbox.Queue{Observer: observer, Work: func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
		if ctx.Value(batchKey{}) != kind {
			t.Error("Work does not run with the context of the batch")
		}
		bySubject(results)(ctx, jobs, report)
	}})
	d.await("five outcomes", func() bool { return d.count(`attempted_at is not null`) == 5 })
	stop()
	// The postponed job may come again.
	if len(observer.batches) == 0 || observer.ended != len(observer.batches) {
		t.Errorf("batches of %v jobs, %d ended", observer.batches, observer.ended)
	}
	for i, want := range []string{"sent", "dropped", "failed", "delayed", "uncertain", "", ""} {
		if got := observer.jobs[d.row(subjects[i]).ID]; got != want {
			t.Errorf("%v: outcome %q, want %q", results[subjects[i].UUID], got, want)
		}
	}
}
