package outbox

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

// Defaults of a Queue's settings.
const (
	defaultLease        = 20 * time.Second
	defaultTimeout      = time.Minute
	defaultStopTimeout  = 15 * time.Second
	defaultPollInterval = time.Second
	defaultSlowAfter    = 5 * time.Second
)

const (
	workers = 4
	// wakeInterval is the least time between two claims because of Wake, so that many
	// small requests share a claim.
	wakeInterval = 50 * time.Millisecond
	// maxSlow is how many batches may take longer than SlowAfter beside those of the
	// workers.
	maxSlow = 32
	// statementTimeout bounds each statement, because none of them ends with Run's
	// context.
	statementTimeout = 10 * time.Second
	// claimErrorInterval is the least time between two errors of claims in the log: while
	// the database is away or only reads, every worker fails with every poll.
	claimErrorInterval = 10 * time.Second
)

// WorkFunc attempts jobs. It calls report with the index and the outcome of a job
// as soon as the outcome is known: nil, or an error (see ErrDropped and its
// neighbours). A job that it does not report was not attempted. It may call report
// concurrently; the first report of a job counts.
type WorkFunc func(ctx context.Context, jobs []Job, report func(i int, err error))

// Queue works on the jobs of one kind. Set its fields before the first call.
type Queue struct {
	DB   *postgres.DB
	Log  *slog.Logger
	Kind string
	Work WorkFunc

	// Await waits, before jobs are claimed, while none could be attempted, until its context
	// ends. Optional.
	Await func(context.Context)

	// Observer is told about attempts. Optional.
	Observer Observer

	// Lease is how long a claimed job is this gateway's without a renewal, and so
	// how long its jobs wait after the gateway was killed. Leases are renewed after
	// a third of it. 0: 20 seconds.
	Lease time.Duration
	// Timeout is when the context of Work ends. 0: a minute.
	Timeout time.Duration
	// StopTimeout is when the context of Work ends after Run was told to stop, if
	// Timeout is not over before. 0: 15 seconds.
	StopTimeout time.Duration
	// PollInterval is how often, on average, each worker looks for jobs that became
	// due without a Wake: by the end of a pause or lease, or through another
	// gateway. 0: a second.
	PollInterval time.Duration
	// SlowAfter is when a worker leaves a batch that is still running to itself, and
	// goes on with the next one. 0: five seconds.
	SlowAfter time.Duration

	once     sync.Once
	woken    *wakeups // see wakeups
	owned    owned
	reserved reserved
}

// wakeups are what workers wait for.
type wakeups struct {
	due      chan struct{}  // jobs have become due
	more     chan struct{}  // a batch was full: there may be more jobs
	reserved chan struct{}  // jobs wait in memory
	pace     *rate.Limiter  // of the batches because of due or reserved
	errors   rate.Sometimes // the errors of claims that are logged as such
}

// Observer is told what a queue does. Its methods may be called concurrently.
type Observer interface {
	// Batch is called before jobs are attempted together. The attempts run with the
	// context that it returns; end is called after them.
	Batch(ctx context.Context, kind string, jobs int) (_ context.Context, end func())
	// Job is called after the outcome of an attempt was stored: sent, delayed,
	// failed, dropped or uncertain. The attempt took this time since the start of its batch.
	Job(ctx context.Context, kind string, job uuid.UUID, outcome string, took time.Duration)
}

// Wake has a waiting worker look for due jobs: at once, or up to 50 milliseconds after
// the last one did. Call it after a commit. It never blocks.
func (q *Queue) Wake() { signal(q.wakeups().due) }

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (q *Queue) wakeups() *wakeups {
	q.once.Do(func() {
		q.woken = &wakeups{make(chan struct{}, 1), make(chan struct{}, workers), make(chan struct{}, workers), rate.NewLimiter(rate.Every(wakeInterval), 1), rate.Sometimes{Interval: claimErrorInterval}}
	})
	return q.woken
}

// claimNow reports whether jobs have become due, and the last claim was not just now.
func (w *wakeups) claimNow() bool {
	if len(w.due) == 0 || !w.pace.Allow() {
		return false
	}
	select {
	case <-w.due:
	default:
	}
	return true
}

// await waits until there may be work, or ctx ends. It reports whether that is to be claimed.
func (q *Queue) await(ctx context.Context) (claim bool) {
	w := q.wakeups()
	select {
	case <-w.due:
		_ = w.pace.Wait(ctx) // it fails when ctx ends
		select {
		case <-w.due: // the next claim finds those jobs, too
		default:
		}
	case <-w.reserved:
		if q.reserved.count() < batchSize {
			_ = w.pace.Wait(ctx)
		}
		return false
	case <-w.more:
	case <-time.After(jitter(q.pollInterval())):
	case <-ctx.Done():
	}
	return true
}

// Run works on jobs until ctx ends. It returns when the attempts that have begun
// are over, within StopTimeout.
func (q *Queue) Run(ctx context.Context) {
	q.reserved.setStopped(false)
	var running sync.WaitGroup
	slow := make(chan struct{}, maxSlow)
	for i := range workers {
		running.Go(func() { q.runWorker(ctx, &running, slow, i == 0) })
	}
	running.Go(func() { recovery.Keep(ctx, q.Log, "outbox", func() { q.returnLate(ctx) }) })
	running.Wait()
}

// runWorker works on one batch after the other until ctx ends. A batch that takes long
// goes on beside the next ones, as long as it finds room among the slow ones. At the start
// one worker looks for jobs, and wakes another where there are many: a gateway that starts
// does not take a connection for each.
func (q *Queue) runWorker(ctx context.Context, running *sync.WaitGroup, slow chan struct{}, first bool) {
	claim, claimed := first, time.Now()
	for {
		if q.Await != nil {
			recovery.Do(ctx, q.Log, "outbox", func() { q.Await(ctx) })
		}
		if ctx.Err() != nil {
			return
		}
		q.reserved.addAble(1)
		if claim {
			claimed = time.Now()
		}
		full := q.runNext(ctx, running, slow, claim)
		switch {
		case claim && q.reserved.count() > 0:
			claim = false // both take turns
		case full && !claim:
			claim = time.Since(claimed) > q.pollInterval() || q.wakeups().claimNow()
		case !full: // reserved jobs alone must not keep others waiting
			claim = q.await(ctx) || time.Since(claimed) > q.pollInterval()
		}
		q.reserved.addAble(-1)
	}
}

// runNext works on a batch, and reports whether it was full.
func (q *Queue) runNext(ctx context.Context, running *sync.WaitGroup, slow chan struct{}, claim bool) (full bool) {
	ended, takesLong := make(chan int, 1), make(chan struct{}, 1)
	running.Go(func() {
		n := 0
		defer func() { ended <- n }()
		recovery.Do(ctx, q.Log, "outbox", func() {
			var err error
			if n, err = q.runBatch(ctx, takesLong, claim); err != nil {
				q.logClaimError(err)
			}
		})
	})
	n := batchSize
	timer := time.NewTimer(cmp.Or(q.SlowAfter, defaultSlowAfter))
	defer timer.Stop()
	select {
	case n = <-ended:
		return n == batchSize
	case <-takesLong:
	case <-timer.C:
	}
	select {
	case n = <-ended:
	case slow <- struct{}{}:
		running.Go(func() { recovery.Do(ctx, q.Log, "outbox", func() { <-ended; <-slow }) })
	}
	return n == batchSize
}

func (q *Queue) pollInterval() time.Duration { return cmp.Or(q.PollInterval, defaultPollInterval) }

// logClaimError logs one error per claimErrorInterval as such, and the others for debugging.
func (q *Queue) logClaimError(err error) {
	level := slog.LevelDebug
	q.wakeups().errors.Do(func() { level = slog.LevelError })
	q.log(level, err)
}

func (q *Queue) logError(err error) { q.log(slog.LevelError, err) }

func (q *Queue) log(level slog.Level, err error) {
	q.Log.Log(context.Background(), level, "outbox", "kind", q.Kind, "error", postgres.LogSafe(err))
}

// jitter returns a random duration from half of d to one and a half, so that
// gateways and jobs do not act in step.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }
