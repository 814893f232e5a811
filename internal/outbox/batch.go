package outbox

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

// completeDelay is how long an outcome waits for other outcomes, to be stored
// together with them.
const completeDelay = 100 * time.Millisecond

// completeTries is how often the queue tries to store outcomes before it leaves the
// jobs to the end of their lease.
const completeTries = 3

// outcomes are the names of outcomes in logs and metrics, by the state that an
// attempt leads to.
var outcomes = map[string]string{
	"SENT": "sent", "QUEUED": "delayed", "HELD": "delayed", "FAILED": "failed", "DROPPED": "dropped", "UNCERTAIN": "uncertain"}

// result is the outcome of one attempt.
type result struct {
	i    int // of the job in its batch
	err  error
	took time.Duration // since the start of the batch
}

// runBatch claims due jobs, attempts them and stores the outcomes. It returns the
// number of claimed jobs. What it has begun it finishes, even if stop ends.
func (q *Queue) runBatch(stop context.Context) (int, error) {
	ctx := context.WithoutCancel(stop)
	jobs, err := q.claim(ctx)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	start := time.Now()
	if q.Observer != nil {
		var end func()
		ctx, end = q.Observer.Batch(ctx, q.Kind, len(jobs))
		defer end()
	}
	if len(jobs) == batchSize {
		q.Wake() // another worker can share what is left
	}
	attempted := make(chan struct{})
	results := make(chan result, len(jobs))
	var storing sync.WaitGroup
	storing.Go(func() { q.keepLeases(ctx, jobs, attempted) })
	storing.Go(func() { q.storeResults(ctx, jobs, results) })
	q.attempt(ctx, stop, jobs, func(i int, err error) { results <- result{i, err, time.Since(start)} })
	close(attempted)
	close(results)
	storing.Wait()
	return len(jobs), nil
}

// attempt calls Work for the jobs whose last attempt was not lost. The context of Work
// ends after Timeout or, once stop has ended, after StopTimeout.
func (q *Queue) attempt(ctx, stop context.Context, jobs []Job, report func(int, error)) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(q.Timeout, defaultTimeout))
	defer cancel()
	timers := make(chan *time.Timer, 1)
	cancelStop := context.AfterFunc(stop, func() {
		timers <- time.AfterFunc(cmp.Or(q.StopTimeout, defaultStopTimeout), cancel)
	})
	defer func() {
		if stopped := !cancelStop(); stopped {
			(<-timers).Stop()
		}
		if p := recover(); p != nil {
			recovery.Log(ctx, q.Log, "outbox", p)
			for i := range jobs {
				report(i, errors.New("the gateway failed"))
			}
		}
	}()
	var due []Job
	var indexes []int
	for i, job := range jobs {
		if job.Lost {
			report(i, errLost)
			continue
		}
		due, indexes = append(due, job), append(indexes, i)
	}
	if len(due) > 0 {
		q.Work(ctx, due, func(i int, err error) { report(indexes[i], err) })
	}
}

// storeResults stores results soon after they come, so that a slow job does not
// delay what is known about the others. It returns when results is closed. If it
// fails, the leases expire and the jobs are attempted again.
func (q *Queue) storeResults(ctx context.Context, jobs []Job, results <-chan result) {
	recovery.Do(ctx, q.Log, "outbox", func() { q.collect(ctx, jobs, results) })
	for range results { // after a panic: Work must not block in report
	}
}

func (q *Queue) collect(ctx context.Context, jobs []Job, results <-chan result) {
	open := make(map[int]bool, len(jobs)) // the jobs without a result
	for i := range jobs {
		open[i] = true
	}
	var collected []result
	timer := time.NewTimer(completeDelay)
	defer timer.Stop()
	for {
		select {
		case r, more := <-results:
			if !more {
				for i := range open {
					collected = append(collected, result{i: i, err: ErrPostponed})
				}
				q.store(ctx, jobs, collected)
				return
			}
			if !open[r.i] {
				continue
			}
			delete(open, r.i)
			if collected = append(collected, r); len(collected) == 1 {
				timer.Reset(completeDelay)
			}
		case <-timer.C:
			q.store(ctx, jobs, collected)
			collected = nil
		}
	}
}

// store completes jobs, and tells the log and the observer.
func (q *Queue) store(ctx context.Context, jobs []Job, results []result) {
	var states map[uuid.UUID]string
	for range completeTries {
		var err error
		if states, err = q.complete(ctx, jobs, results); err == nil {
			break
		}
		q.logError(err)
	}
	for _, r := range results {
		q.announce(ctx, jobs[r.i], r, states[jobs[r.i].ID])
	}
}

// announce tells the log and the observer about an attempt that led to a state; ""
// where no state could be stored. The error is left out: a mail server may quote
// the address in it.
func (q *Queue) announce(ctx context.Context, job Job, r result, state string) {
	if errors.Is(r.err, ErrPostponed) || errors.Is(r.err, ErrBusy) {
		return
	}
	if panicked := new(*recovery.Error); errors.As(r.err, panicked) {
		recovery.Log(ctx, q.Log, "outbox", *panicked)
	}
	if state == "" {
		state = outcomeOf(job, r.err).state
	}
	outcome := outcomes[state]
	if errors.Is(r.err, ErrUncertain) {
		outcome = "uncertain"
	}
	q.Log.InfoContext(ctx, "job", "kind", q.Kind, "job", job.ID.String(), "outcome", outcome, "attempts", job.Attempts,
		"milliseconds", float64(r.took.Microseconds())/1000)
	if q.Observer != nil {
		q.Observer.Job(ctx, q.Kind, job.ID, outcome, r.took)
	}
}
