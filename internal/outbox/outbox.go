// Package outbox does durable work after the transaction that asked for it: a
// row written with the data is worked on when both are committed, by whichever
// gateway takes it first, again and again until it succeeds or cannot.
//
// A row is leased for the time that one attempt may take. A gateway that is
// killed leaves its lease to run out, and another one takes the row: work is
// done at least once.
package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

const (
	// Lease is how long a row is left to the worker that took it.
	Lease = 45 * time.Second
	// Deadline is how long a worker may take for the rows that it took.
	Deadline = 20 * time.Second

	workers      = 4
	batchSize    = 20
	pollInterval = time.Second // for rows whose time has come, or whose worker died
	patience     = 2 * 24 * time.Hour
	firstRetry   = 5 * time.Second
	lastRetry    = time.Hour
)

// Job is one row of the outbox.
type Job struct {
	ID       uuid.UUID `db:"id"` // names the job in every attempt
	Subject  uuid.UUID `db:"subject_id"`
	Secret   string    `db:"secret"` // erased when the job ends
	Attempts int       `db:"attempts"`
	Lease    uuid.UUID `db:"lease"`
}

// Outcomes of a job, as errors. Every other error is tried again, with growing
// pauses, for two days.
var (
	// ErrDropped ends a job that there is nothing left to do for.
	ErrDropped = errors.New("outbox: nothing left to do")
	// ErrPermanent ends a job that would fail in the same way for ever.
	ErrPermanent = errors.New("outbox: will never succeed")
)

// Enqueue asks for work of a kind on each subject; secrets go with the
// subjects. The work begins when the transaction is committed.
func Enqueue(ctx context.Context, tx *postgres.Tx, kind string, subjects []globalid.ID, secrets []string) error {
	ids := make([]globalid.ID, len(subjects))
	for k := range ids {
		ids[k].UUID = uuid.Must(uuid.NewV7())
	}
	_, err := tx.Exec(ctx, `
		insert into outbox (id, kind, subject_id, secret)
		select j.id, $1, j.subject_id, j.secret
		from unnest($2::uuid[], $3::uuid[], $4::text[]) as j (id, subject_id, secret)`,
		kind, globalid.Array(ids), globalid.Array(subjects), pq.StringArray(secrets))
	return err
}

// Queue works on the rows of one kind.
type Queue struct {
	DB   *postgres.DB
	Log  *slog.Logger
	Kind string
	// Work tries jobs and gives an error, or nil, for each. Its context ends
	// after Deadline.
	Work func(ctx context.Context, jobs []Job) []error

	once sync.Once
	wake chan struct{}
}

// Wake tells that work was committed, so that it need not wait for the next
// poll. It never blocks.
func (q *Queue) Wake() {
	select {
	case q.bell() <- struct{}{}:
	default:
	}
}

func (q *Queue) bell() chan struct{} {
	q.once.Do(func() { q.wake = make(chan struct{}, workers) })
	return q.wake
}

// Run works until the context ends, and then ends what it has begun, within
// Deadline.
func (q *Queue) Run(ctx context.Context) {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { q.worker(ctx) })
	}
	running.Wait()
}

func (q *Queue) worker(ctx context.Context) {
	for ctx.Err() == nil {
		n, err := q.round(context.WithoutCancel(ctx))
		if err != nil {
			q.Log.Error("outbox", "kind", q.Kind, "error", err.Error())
		}
		if err == nil && n == batchSize {
			continue
		}
		select {
		case <-q.bell():
		case <-time.After(jitter(pollInterval)):
		case <-ctx.Done():
		}
	}
}

// round takes what is due, works on it and notes what came of it.
func (q *Queue) round(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, Lease)
	defer cancel()
	jobs, err := q.claim(ctx)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	if len(jobs) == batchSize {
		q.Wake() // there may be more than this worker should do alone
	}
	return len(jobs), q.settle(ctx, jobs, q.attempt(ctx, jobs))
}

func (q *Queue) attempt(ctx context.Context, jobs []Job) (results []error) {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			q.Log.Error("outbox", "kind", q.Kind, "panic", fmt.Sprint(p))
			results = make([]error, len(jobs))
			for k := range results {
				results[k] = errors.New("the gateway failed")
			}
		}
	}()
	return q.Work(ctx, jobs)
}

func (q *Queue) claim(ctx context.Context) (jobs []Job, err error) {
	err = q.DB.Select(ctx, &jobs, `
		update outbox o
		set attempts = attempts + 1, lease = gen_random_uuid(), next_attempt_at = clock_timestamp() + $2 * interval '1 second'
		from (select id from outbox
		      where kind = $1 and state = 'QUEUED' and next_attempt_at <= clock_timestamp()
		      order by next_attempt_at limit $3 for update skip locked) due
		where o.id = due.id
		returning o.id, o.subject_id, coalesce(o.secret, '') as secret, o.attempts, o.lease`,
		q.Kind, Lease.Seconds(), batchSize)
	return jobs, err
}

// settle notes what came of each job whose lease is still this worker's.
func (q *Queue) settle(ctx context.Context, jobs []Job, results []error) error {
	ids, leases := make([]string, len(jobs)), make([]string, len(jobs))
	states, errs := make([]string, len(jobs)), make([]string, len(jobs))
	pauses := make([]float64, len(jobs))
	for k, job := range jobs {
		ids[k], leases[k] = job.ID.String(), job.Lease.String()
		states[k], errs[k] = outcome(job, results[k])
		pauses[k] = pause(job.Attempts).Seconds()
	}
	_, err := q.DB.Exec(ctx, `
		update outbox o
		set state = s.state, lease = null, last_error = nullif(s.error, ''),
		    secret = case when s.state = 'QUEUED' then o.secret end,
		    finished_at = case when s.state <> 'QUEUED' then clock_timestamp() end,
		    next_attempt_at = clock_timestamp() + s.pause * interval '1 second'
		from (select r.id, r.lease, r.error, r.pause,
		             case when r.state = 'QUEUED' and h.created_at < clock_timestamp() - $6 * interval '1 second'
		                  then 'FAILED' else r.state end as state
		      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::float8[]) as r (id, lease, state, error, pause)
		      join outbox h on h.id = r.id) s
		where o.id = s.id and o.lease = s.lease`,
		pq.StringArray(ids), pq.StringArray(leases), pq.StringArray(states), pq.StringArray(errs),
		pq.Float64Array(pauses), patience.Seconds())
	return err
}

func outcome(job Job, err error) (state, text string) {
	switch {
	case err == nil:
		return "SENT", ""
	case errors.Is(err, ErrDropped):
		return "DROPPED", ""
	case errors.Is(err, ErrPermanent):
		state = "FAILED"
	default:
		state = "QUEUED"
	}
	text = strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "")
	if job.Secret != "" {
		text = strings.ReplaceAll(text, job.Secret, "…") // a mail server may quote what it refuses
	}
	return state, strings.ToValidUTF8(text[:min(len(text), 500)], "")
}

// pause doubles from attempt to attempt.
func pause(attempts int) time.Duration {
	d := lastRetry
	if attempts < 20 {
		d = min(lastRetry, firstRetry<<(attempts-1))
	}
	return jitter(d)
}

// jitter keeps gateways and rows from acting in step.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

// Forget removes rows that ended over 30 days ago, 1,000 at most, and gives
// their number.
func Forget(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from outbox where id in (
			select id from outbox where finished_at < clock_timestamp() - interval '30 days'
			limit $1 for update skip locked)`, 1000)
}
