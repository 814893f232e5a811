package outbox

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

const (
	// completeDelay is how long an outcome waits for other outcomes, to be stored
	// together with them.
	completeDelay = 100 * time.Millisecond
	// longestStorePause bounds the pauses between the tries to store outcomes, which
	// begin with completeDelay and double.
	longestStorePause = time.Second
	// completeTries is how often the queue tries to store outcomes after the time to stop.
	completeTries = 3
)

// outcomes are the names of outcomes in logs and metrics, by the state that an
// attempt leads to.
var outcomes = map[string]string{
	stateSent: "sent", stateQueued: "delayed", stateHeld: "delayed", stateFailed: "failed", stateDropped: "dropped", stateUncertain: "uncertain"}

// result is the outcome of one attempt.
type result struct {
	i    int // of the job in its batch
	err  error
	took time.Duration // since the start of the batch
}

// runBatch claims due jobs, or takes those that wait in memory, attempts them and stores
// the outcomes. It returns their number. What it has begun it finishes, even if stop ends.
func (q *Queue) runBatch(stop context.Context, slow chan<- struct{}, claim bool) (int, error) {
	ctx := context.WithoutCancel(stop)
	if !claim {
		jobs := q.reserved.take(q.lease())
		q.runJobs(ctx, stop, slow, jobs)
		return len(jobs), nil
	}
	jobs, claimed, err := q.claim(ctx)
	if err != nil {
		return 0, err
	}
	if claimed == batchSize {
		signal(q.wakeups().more) // another worker can share what is left
	}
	q.runJobs(ctx, stop, slow, jobs)
	return claimed, nil
}

// runJobs attempts leased jobs and stores the outcomes.
func (q *Queue) runJobs(ctx, stop context.Context, slow chan<- struct{}, jobs []Job) {
	if len(jobs) == 0 {
		return
	}
	defer q.owned.remove(jobs...)
	start := time.Now()
	if q.Observer != nil {
		var end func()
		ctx, end = q.Observer.Batch(ctx, q.Kind, len(jobs))
		defer end()
	}
	ending, cancel := q.afterStop(ctx, stop)
	defer cancel()
	results, stored := make(chan result, 2*len(jobs)), make(chan struct{})
	var storing sync.WaitGroup
	storing.Go(func() { q.keepLeases(ctx, jobs, stored) })
	storing.Go(func() {
		defer close(stored)
		q.storeResults(ctx, ending, jobs, results, slow)
	})
	q.attempt(ending, jobs, func(i int, err error) { results <- result{i, err, time.Since(start)} })
	close(results)
	storing.Wait()
}

// afterStop returns a context that ends StopTimeout after stop.
func (q *Queue) afterStop(ctx, stop context.Context) (_ context.Context, cancel func()) {
	ctx, end := context.WithCancel(ctx)
	timers := make(chan *time.Timer, 1)
	keep := context.AfterFunc(stop, func() { timers <- time.AfterFunc(cmp.Or(q.StopTimeout, defaultStopTimeout), end) })
	return ctx, func() {
		if stopped := !keep(); stopped {
			(<-timers).Stop()
		}
		end()
	}
}

// attempt calls Work for the jobs whose last attempt was not lost. The context of Work
// ends after Timeout, or with ctx.
func (q *Queue) attempt(ctx context.Context, jobs []Job, report func(int, error)) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(q.Timeout, defaultTimeout))
	defer cancel()
	defer func() {
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
// delay what is known about the others. While the database does not take them, it
// keeps them and tries again: otherwise the jobs would be attempted again. It returns
// when results is closed and all are stored, or when ending has ended.
func (q *Queue) storeResults(ctx, ending context.Context, jobs []Job, results <-chan result, slow chan<- struct{}) {
	recovery.Do(ctx, q.Log, "outbox", func() { q.collect(ctx, ending, jobs, results, slow) })
	for range results { // after a panic: Work must not block in report
	}
}

func (q *Queue) collect(ctx, ending context.Context, jobs []Job, results <-chan result, slow chan<- struct{}) {
	open := make(map[int]bool, len(jobs)) // the jobs without a result
	for i := range jobs {
		open[i] = true
	}
	takesLong := map[int]bool{} // of those
	var collected []result
	tries := 0 // since the last success
	timer := time.NewTimer(completeDelay)
	defer timer.Stop()
	for results != nil || len(collected) > 0 {
		select {
		case r, more := <-results:
			if !more {
				results = nil
				for i := range open {
					collected = append(collected, result{i: i, err: ErrPostponed})
				}
				timer.Reset(0)
				continue
			}
			if !open[r.i] {
				continue
			}
			if errors.Is(r.err, ErrSlow) {
				takesLong[r.i] = true
				if len(takesLong) == len(open) {
					select {
					case slow <- struct{}{}:
					default:
					}
				}
				continue
			}
			delete(open, r.i)
			delete(takesLong, r.i)
			if collected = append(collected, r); len(collected) == 1 {
				timer.Reset(completeDelay)
			}
		case <-timer.C:
			left, err := q.store(ctx, jobs, collected)
			if err == nil {
				collected, tries = left, 0
				if len(left) > 0 {
					timer.Reset(0)
				}
				continue
			}
			if tries++; tries == 1 {
				q.logError(err)
			}
			if tries >= completeTries && ending.Err() != nil {
				for _, r := range collected {
					q.announce(ctx, jobs[r.i], r, "")
				}
				collected = nil
				continue
			}
			timer.Reset(min(longestStorePause, completeDelay<<min(tries-1, 10)))
		}
	}
}

// store completes jobs, and tells the log and the observer. It returns the results
// that have to be stored with a newer lease.
func (q *Queue) store(ctx context.Context, batch []Job, results []result) (left []result, err error) {
	if len(results) == 0 {
		return nil, nil
	}
	jobs := make([]Job, len(results))
	for i, r := range results {
		jobs[i] = batch[r.i]
	}
	ended := q.owned.beginStoring(jobs)
	leases, again := q.owned.leases(jobs)
	states, err := q.complete(ctx, jobs, leases, again, results)
	ended(states)
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		state, stored := states[jobs[i].ID]
		if !stored && !q.owned.removeUnlessClaimed(jobs[i], leases[i]) {
			left = append(left, r)
			continue
		}
		q.announce(ctx, jobs[i], r, state)
	}
	return left, nil
}

// announce tells the log and the observer about an attempt that led to a state; ""
// where no state could be stored. The error is left out: a mail server may quote
// the address in it.
func (q *Queue) announce(ctx context.Context, job Job, r result, state string) {
	if errors.Is(r.err, ErrPostponed) || errors.Is(r.err, ErrBusy) || errors.Is(r.err, ErrUnavailable) {
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
