package outbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

const (
	// maxReserved bounds the jobs that wait in memory, and those that are about to.
	maxReserved = 2000
	// longestWait is how long the first of them may have waited where more are accepted.
	longestWait = time.Second
)

// reserved are the jobs that this gateway has enqueued itself, and attempts without a
// claim. Their rows are written with a lease, as if they were claimed at once: a claim
// costs a new version of the row, and an entry in each of its indexes.
type reserved struct {
	mu      sync.Mutex
	able    int   // workers that do not wait for the other side (Await); 0 also where the queue does not run
	stopped bool  // the queue was told to stop
	room    int   // jobs that are about to be enqueued
	waiting []Job // that no worker has begun with, in the order of their commits
}

// Reservation is what a gateway knows about jobs that it is about to enqueue and then
// attempts itself. A nil Reservation is one of no jobs.
type Reservation struct {
	queue *Queue
	jobs  []Job
	ended bool
}

// Reserve reserves jobs with an ID, a Subject and perhaps a Secret, before they are
// enqueued; all of them, or none where that is better left to a claim: the result is nil
// where this gateway does not work on the queue now, or has enough to do. Enqueue the
// jobs with the reservation's Lease, and call Attempt after the commit. Otherwise call
// Cancel, also where the outcome of the commit is unknown.
//
// The jobs are owned from now on, so that a claim of this gateway does not attempt them as well.
func (q *Queue) Reserve(jobs []Job) *Reservation {
	q.reserved.mu.Lock()
	defer q.reserved.mu.Unlock()
	r := &q.reserved
	if r.able == 0 || r.stopped || r.room+len(r.waiting)+len(jobs) > maxReserved || len(r.waiting) > 0 && time.Since(r.waiting[0].leasedAt) > longestWait {
		return nil
	}
	r.room += len(jobs)
	leased := make([]Job, len(jobs))
	now := time.Now()
	for i, job := range jobs {
		leased[i] = Job{ID: job.ID, Subject: job.Subject, Secret: job.Secret, Attempts: 1, Lease: job.ID, queue: q, leasedAt: now}
	}
	return &Reservation{queue: q, jobs: q.owned.add(leased)}
}

// Lease returns how long the jobs are this gateway's, from the time of the statement
// that inserts them: into attempts it writes 1, into lease the id of the job, and into
// next_attempt_at the end of this time. nil: the jobs are not leased.
func (r *Reservation) Lease() *float64 {
	if r == nil {
		return nil
	}
	return new(r.queue.lease().Seconds())
}

// Attempt has workers attempt the jobs, which are committed. Where the queue was told to
// stop meanwhile, it makes them due for other gateways.
func (r *Reservation) Attempt(ctx context.Context) {
	if r == nil || r.ended {
		return
	}
	r.ended = true
	q := r.queue
	q.reserved.mu.Lock()
	q.reserved.room -= len(r.jobs)
	stopped := q.reserved.stopped
	if !stopped {
		q.reserved.waiting = append(q.reserved.waiting, r.jobs...)
	}
	q.reserved.mu.Unlock()
	if stopped {
		q.postpone(ctx, r.jobs)
		return
	}
	for range min(workers, (len(r.jobs)+batchSize-1)/batchSize) {
		signal(q.wakeups().reserved)
	}
}

// Cancel ends the reservation without an attempt. If the jobs were enqueued all the same, they
// are due when their leases have ended. After Attempt it does nothing.
func (r *Reservation) Cancel() {
	if r == nil || r.ended {
		return
	}
	r.ended = true
	r.queue.reserved.mu.Lock()
	r.queue.reserved.room -= len(r.jobs)
	r.queue.reserved.mu.Unlock()
	r.queue.owned.remove(r.jobs...)
}

// count returns how many jobs wait.
func (r *reserved) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

// take takes the jobs that have waited longest, a batch at most, but none whose lease ends
// soon.
func (r *reserved) take(lease time.Duration) []Job {
	n := 0
	return r.takeWhere(func(j Job) bool {
		if n == batchSize || j.endsSoon(lease) {
			return false
		}
		n++
		return true
	})
}

// takeLate takes the jobs whose leases end soon.
func (r *reserved) takeLate(lease time.Duration) []Job {
	return r.takeWhere(func(j Job) bool { return j.endsSoon(lease) })
}

// stop takes all jobs, and has no others wait.
func (r *reserved) stop() []Job {
	r.setStopped(true)
	return r.takeWhere(func(Job) bool { return true })
}

func (r *reserved) setStopped(stopped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = stopped
}

// takeWhere takes the waiting jobs for which a function is true; it is called in their
// order.
func (r *reserved) takeWhere(is func(Job) bool) (taken []Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = slices.DeleteFunc(r.waiting, func(j Job) bool {
		take := is(j)
		if take {
			taken = append(taken, j)
		}
		return take
	})
	return taken
}

// endsSoon reports whether a third of the lease is over.
func (j Job) endsSoon(lease time.Duration) bool { return time.Since(j.leasedAt) > lease/3 }

func (r *reserved) addAble(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.able += n
}

// returnLate makes jobs due that have waited too long, until ctx ends, and then all. Any
// gateway may claim them then.
func (q *Queue) returnLate(ctx context.Context) {
	ticker := time.NewTicker(max(q.lease()/12, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			q.postpone(ctx, q.reserved.takeLate(q.lease()))
		case <-ctx.Done():
			q.postpone(ctx, q.reserved.stop())
			return
		}
	}
}

// postpone makes jobs due that were not attempted. If it fails, they are due when their leases have
// ended.
func (q *Queue) postpone(ctx context.Context, jobs []Job) {
	if len(jobs) == 0 {
		return
	}
	ctx = context.WithoutCancel(ctx)
	recovery.Do(ctx, q.Log, "outbox", func() {
		defer q.owned.remove(jobs...)
		results := make([]result, len(jobs))
		for i := range jobs {
			results[i] = result{i: i, err: ErrPostponed}
		}
		var err error
		for len(results) > 0 && err == nil {
			results, err = q.store(ctx, jobs, results)
		}
		if err != nil {
			q.logError(err)
		}
	})
}
