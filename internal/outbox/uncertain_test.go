package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/outbox"
)

// problem is an error that names what failed.
type problem string

func (p problem) Error() string   { return "it failed: " + string(p) }
func (p problem) Problem() string { return string(p) }

// Each attempt may have done the work once more.
func TestUncertainAttemptsAreThreeAndHoursApart(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subject := d.enqueue(1)[0]
	d.start(&outbox.Queue{Work: always(fmt.Errorf("%w: %w", outbox.ErrUncertain, problem("NOT_CONFIRMED")))})
	for uncertain, least := range []time.Duration{2 * time.Hour, 4 * time.Hour} {
		var r row
		d.await("an attempt", func() bool { r = d.row(subject); return r.Uncertain == uncertain+1 })
		if r.State != "QUEUED" || r.Lease != nil || r.Secret == nil || r.Attempts != uncertain+1 || value(r.Problem) != "NOT_CONFIRMED" || r.AttemptedAt == nil {
			t.Errorf("after %d attempts: %v", uncertain+1, r)
		}
		// The row is read less than a minute after the attempt.
		if pause := r.NextAttemptAt.Sub(r.Now); pause < least-time.Minute || pause > 3*least {
			t.Errorf("after %d attempts a pause of %v", uncertain+1, pause)
		}
		d.endPauses()
	}
	if r := d.awaitState(subject, "UNCERTAIN"); r.Uncertain != 3 || r.Attempts != 3 || r.Secret != nil {
		t.Errorf("%v", r)
	}
}

func TestOutcomesAfterAnUncertainAttempt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		age       time.Duration
		outcome   error
		state     string
		uncertain int
	}{
		"success":                 {0, nil, "SENT", 1},
		"permanent failure":       {0, outbox.ErrPermanent, "FAILED", 1},
		"nothing to do":           {0, outbox.ErrDropped, "DROPPED", 1},
		"failure":                 {0, errors.New("try later"), "QUEUED", 1},
		"not attempted":           {0, outbox.ErrBusy, "QUEUED", 1},
		"failure, two days old":   {49 * time.Hour, errors.New("try later"), "UNCERTAIN", 1},
		"uncertain, two days old": {49 * time.Hour, outbox.ErrUncertain, "UNCERTAIN", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t)
			subject := d.enqueue(1)[0]
			d.exec(`update outbox set attempts = 1, uncertain = 1, last_error = 'x', created_at = clock_timestamp() - $1 * interval '1 second'`, c.age.Seconds())
			before := d.row(subject).NextAttemptAt
			d.start(&outbox.Queue{Work: always(c.outcome)})
			var r row
			d.await("the outcome", func() bool { r = d.row(subject); return r.Lease == nil && r.NextAttemptAt.After(before) })
			if r.State != c.state || r.Uncertain != c.uncertain {
				t.Errorf("%v", r)
			}
		})
	}
}

// A gateway is killed after it has marked one of two jobs.
func TestLeaseOfASubmittedJobExpires(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	submitted, other := d.enqueue(1)[0], d.enqueue(1)[0]
	g, stop := d.startGated(&outbox.Queue{}, always(nil))
	d.await("the claims", d.leased)
	<-g.entered
	d.exec(`update outbox set submitted = subject_id = $1, lease = gen_random_uuid(), next_attempt_at = clock_timestamp() + interval '1 hour'`, submitted.UUID)
	g.open()
	stop() // it was taken for dead
	d.exec(`update outbox set next_attempt_at = clock_timestamp() - interval '1 second'`)

	var attempted counter
	d.start(&outbox.Queue{Work: func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
		attempted.add(jobs)
		always(nil)(ctx, jobs, report)
	}})
	if r := d.awaitState(other, "SENT"); r.Attempts != 2 {
		t.Errorf("the job without the mark: %v", r)
	}
	var r row
	d.await("an uncertain attempt", func() bool { r = d.row(submitted); return r.Uncertain == 1 })
	if r.State != "QUEUED" || r.Attempts != 1 || r.Submitted || r.Lease != nil || r.NextAttemptAt.Sub(r.Now) < time.Hour || attempted.of(submitted.UUID) > 0 {
		t.Errorf("the job with the mark: %v, attempted again %d times", r, attempted.of(submitted.UUID))
	}
	d.endPauses()
	if r := d.awaitState(submitted, "SENT"); r.Attempts != 2 {
		t.Errorf("hours later: %v", r)
	}
}

func TestMarkIsOfOneLease(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	mine, taken := d.enqueue(1)[0], d.enqueue(1)[0]
	release := make(chan struct{})
	marked := make(chan struct{}, 2)
	d.start(&outbox.Queue{Work: func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
		for _, job := range jobs {
			if job.Subject == taken.UUID {
				d.exec(`update outbox set lease = gen_random_uuid() where subject_id = $1`, taken.UUID)
			}
			if err := job.MarkSubmitted(ctx); err != nil {
				t.Error(err)
			}
			marked <- struct{}{}
		}
		<-release
		always(nil)(ctx, jobs, report)
	}})
	open := sync.OnceFunc(func() { close(release) })
	t.Cleanup(open)
	<-marked
	<-marked
	if !d.row(mine).Submitted || d.row(taken).Submitted {
		t.Errorf("%v, %v", d.row(mine), d.row(taken))
	}
	open()
	if r := d.awaitState(mine, "SENT"); r.Submitted {
		t.Errorf("%v", r)
	}
	if err := (outbox.Job{ID: uuid.New()}).MarkSubmitted(t.Context()); err != nil {
		t.Errorf("a job of no queue: %v", err)
	}
}

func TestReleaseKeepsThePauseOfAnUncertainJob(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	instance := d.newInstance()
	subject, delayed := d.enqueueFor(instance, 1)[0], d.enqueueFor(instance, 1)[0]
	d.exec(`update outbox set attempts = 1, uncertain = (subject_id = $1)::int, next_attempt_at = clock_timestamp() + interval '5 hours'`, subject.UUID)
	d.hold(instance)
	d.release(instance)
	if r := d.row(subject); r.State != "QUEUED" || r.NextAttemptAt.Sub(r.Now) < 4*time.Hour {
		t.Errorf("the uncertain one: %v", r)
	}
	if r := d.row(delayed); r.State != "QUEUED" || r.NextAttemptAt.After(r.Now) {
		t.Errorf("the other one: %v", r)
	}
}

// Even a job that is two days old waits until the other side is back.
func TestJobIsNotCountedWhileTheOtherSideIsAway(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subject := d.enqueue(1)[0]
	d.exec(`update outbox set created_at = clock_timestamp() - interval '3 days'`)
	var away atomic.Bool
	back := make(chan struct{})
	goOn := sync.OnceFunc(func() { away.Store(false); close(back) })
	d.start(&outbox.Queue{
		Await: func(ctx context.Context) {
			if away.Load() {
				select {
				case <-back:
				case <-ctx.Done():
				}
			}
		},
		Work: func(ctx context.Context, jobs []outbox.Job, report func(int, error)) {
			select {
			case <-back:
				always(nil)(ctx, jobs, report)
			default:
				away.Store(true)
				always(outbox.ErrUnavailable)(ctx, jobs, report)
			}
		},
	})
	t.Cleanup(goOn)
	var r row
	d.await("the outcome", func() bool { r = d.row(subject); return r.Lease == nil && r.LastError != nil })
	if r.State != "QUEUED" || r.Attempts != 0 || r.NextAttemptAt.After(r.Now) {
		t.Errorf("%v", r)
	}
	goOn()
	if r := d.awaitState(subject, "SENT"); r.Attempts != 1 {
		t.Errorf("%v", r)
	}
}

func TestJobThatWaitsForOthersIsNotCounted(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	subject := d.enqueue(1)[0]
	before := d.row(subject).NextAttemptAt
	d.start(&outbox.Queue{Work: always(outbox.ErrBusy)})
	var r row
	d.await("the outcome", func() bool { r = d.row(subject); return r.Lease == nil && r.NextAttemptAt.After(before) })
	if r.State != "QUEUED" || r.Attempts != 0 || r.AttemptedAt != nil || r.LastError != nil || r.NextAttemptAt.Sub(before) < 15*time.Second {
		t.Errorf("%v", r)
	}
}
