// Package outbox does durable work after the transaction that asked for it: a
// row written with the data is worked on when both are committed, by whichever
// gateway takes it first, again and again until it succeeds or cannot.
//
// A row is leased to a gateway, which renews the lease while it works. A gateway
// that is killed leaves its lease to run out, and another one takes the row:
// work is done at least once.
//
// A row stays when its work has ended, to tell what came of it, for as long as
// the instance that it was for.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

const (
	// Lease is how long a row is left to a gateway that says nothing more.
	Lease = 20 * time.Second
	// Deadline is how long a worker may take for the rows that it took.
	Deadline = time.Minute
	// StopTime is what is left to it of this when the gateway stops.
	StopTime = 15 * time.Second

	workers      = 4
	batchSize    = 20          // also in claim
	pollInterval = time.Second // for rows whose time has come, or whose worker died
	patience     = 2 * 24 * time.Hour
	firstRetry   = 5 * time.Second
	lastRetry    = time.Hour
	longestNote  = 500              // octets of an error, or of a reply
	callTime     = 10 * time.Second // of a statement
	// settleTime is how long what came of a job waits for others, to be noted
	// together.
	settleTime = 100 * time.Millisecond
)

// Job is one row of the outbox.
type Job struct {
	ID       uuid.UUID `db:"id"` // names the job in every attempt
	Subject  uuid.UUID `db:"subject_id"`
	Secret   string    `db:"secret"` // erased when the job ends
	Attempts int       `db:"attempts"`
	Lease    uuid.UUID `db:"lease"`
}

// Subjects are those of some jobs.
func Subjects(jobs []Job) postgres.UUIDs {
	ids := make(postgres.UUIDs, len(jobs))
	for i, job := range jobs {
		ids[i] = job.Subject
	}
	return ids
}

// Outcomes of a job, as errors. Every other error is tried again, with growing
// pauses, for two days. What an error's method Reply gives, if it has one, is
// kept as what the other side said.
var (
	// ErrDropped ends a job that there is nothing left to do for.
	ErrDropped = errors.New("outbox: nothing left to do")
	// ErrPermanent ends a job that would fail in the same way for ever.
	ErrPermanent = errors.New("outbox: will never succeed")
	// ErrPostponed leaves a job that was not tried to the next who comes.
	ErrPostponed = errors.New("outbox: not tried")
)

// Task is work that is asked for.
type Task struct {
	Subject  uuid.UUID
	Instance uuid.UUID // the work is held while it is deleted; uuid.Nil: none
	Secret   string    // goes with the task until it ends
}

// Enqueue asks for work of a kind. It begins when the transaction is committed.
func Enqueue(ctx context.Context, tx *postgres.Tx, kind string, tasks []Task) error {
	var ids, subjects, instances postgres.UUIDs
	var secrets pq.StringArray
	for _, t := range tasks {
		ids, subjects = append(ids, uuid.Must(uuid.NewV7())), append(subjects, t.Subject)
		instances, secrets = append(instances, t.Instance), append(secrets, t.Secret)
	}
	_, err := tx.Exec(ctx, `
		insert into outbox (id, kind, subject_id, instance_id, secret)
		select t.id, $1, t.subject_id, t.instance_id, t.secret
		from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::text[]) as t (id, subject_id, instance_id, secret)`,
		kind, ids, subjects, instances, secrets)
	return err
}

// Rows are locked in the order of their ids, whoever changes several of them at
// once.

// Hold has the work for an instance wait, but for what is being tried at this
// moment.
func Hold(ctx context.Context, tx *postgres.Tx, instance globalid.ID) error {
	_, err := tx.Exec(ctx, `
		update outbox set state = 'HELD'
		where id in (select id from outbox where instance_id = $1 and state = 'QUEUED' order by id for no key update)`, instance.UUID)
	return err
}

// Release ends Hold. What waited is due at once.
func Release(ctx context.Context, tx *postgres.Tx, instance globalid.ID) error {
	_, err := tx.Exec(ctx, `
		update outbox
		set state = 'QUEUED', next_attempt_at = case when lease is null then clock_timestamp() else next_attempt_at end
		where id in (select id from outbox where instance_id = $1 and state = 'HELD' order by id for no key update)`, instance.UUID)
	return err
}

// Queue works on the rows of one kind.
type Queue struct {
	DB   *postgres.DB
	Log  *slog.Logger
	Kind string
	// Work tries jobs, and tells what came of the k-th of them as soon as it
	// knows: an error, or nil. What it tells nothing of was not tried. Its
	// context ends after Deadline.
	Work func(ctx context.Context, jobs []Job, ended func(k int, err error))
	// Observer is told what is done; nil: nobody is.
	Observer Observer

	once sync.Once
	wake chan struct{}
}

// Observer is told what a queue does.
type Observer interface {
	// Batch begins an attempt at some jobs, which over ends.
	Batch(ctx context.Context, kind string, jobs int) (_ context.Context, over func())
	// Job tells what came of one: sent, delayed, failed or dropped, and how long
	// after the beginning of the round.
	Job(ctx context.Context, kind string, job uuid.UUID, outcome string, took time.Duration)
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
// StopTime.
func (q *Queue) Run(ctx context.Context) {
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { q.worker(ctx) })
	}
	running.Wait()
}

func (q *Queue) worker(ctx context.Context) {
	for ctx.Err() == nil {
		n := 0
		recovery.Do(ctx, q.Log, "outbox", func() {
			var err error
			if n, err = q.round(ctx); err != nil {
				q.Log.Error("outbox", "kind", q.Kind, "error", postgres.LogSafe(err))
			}
		})
		if n == batchSize {
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
func (q *Queue) round(running context.Context) (int, error) {
	ctx := context.WithoutCancel(running)
	jobs, err := q.claim(ctx)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	began := time.Now()
	if q.Observer != nil {
		var over func()
		ctx, over = q.Observer.Batch(ctx, q.Kind, len(jobs))
		defer over()
	}
	if len(jobs) == batchSize {
		q.Wake() // there may be more than this worker should do alone
	}
	done := make(chan struct{})
	results := make(chan result, len(jobs))
	var noting sync.WaitGroup
	// Where one of these fails, the leases run out and the jobs are done again.
	noting.Go(func() { recovery.Do(ctx, q.Log, "outbox", func() { q.renew(ctx, jobs, done) }) })
	noting.Go(func() {
		recovery.Do(ctx, q.Log, "outbox", func() { q.note(ctx, jobs, results) })
		for range results { // nobody is to wait for who does not listen any more
		}
	})
	q.attempt(ctx, running, jobs, func(i int, err error) { results <- result{i, err, time.Since(began)} })
	close(done)
	close(results)
	noting.Wait()
	return len(jobs), nil
}

// result is what came of the k-th of some jobs.
type result struct {
	k    int
	err  error
	took time.Duration
}

// note notes what comes of jobs as it comes: a job that takes long keeps nobody
// from learning of the others.
func (q *Queue) note(ctx context.Context, jobs []Job, results <-chan result) {
	open := make(map[int]bool, len(jobs))
	for i := range jobs {
		open[i] = true
	}
	var ended []result
	flush := func() {
		var states map[uuid.UUID]string
		// What is not noted is done again when the lease has run out.
		for range 3 {
			var err error
			if states, err = q.complete(ctx, jobs, ended); err == nil {
				break
			}
			q.Log.Error("outbox", "kind", q.Kind, "error", postgres.LogSafe(err))
		}
		for _, r := range ended {
			q.tell(ctx, jobs[r.k], r, states[jobs[r.k].ID])
		}
		ended = nil
	}
	timer := time.NewTimer(settleTime)
	defer timer.Stop()
	for {
		select {
		case r, more := <-results:
			if !more {
				for i := range open {
					ended = append(ended, result{k: i, err: ErrPostponed})
				}
				flush()
				return
			}
			if open[r.k] {
				delete(open, r.k)
				if ended = append(ended, r); len(ended) == 1 {
					timer.Reset(settleTime)
				}
			}
		case <-timer.C:
			flush()
		}
	}
}

// outcomes are the log's words for the states that an attempt leads to.
var outcomes = map[string]string{"SENT": "sent", "QUEUED": "delayed", "HELD": "delayed", "FAILED": "failed", "DROPPED": "dropped"}

// tell logs an attempt with the state that was noted; "" where none could be. Of
// what went wrong it says nothing: a mail server may quote the address.
func (q *Queue) tell(ctx context.Context, job Job, r result, state string) {
	if errors.Is(r.err, ErrPostponed) {
		return
	}
	if panicked := new(*recovery.Error); errors.As(r.err, panicked) {
		recovery.Log(ctx, q.Log, "outbox", *panicked)
	}
	if state == "" {
		state, _, _ = outcome(job, r.err)
	}
	q.Log.InfoContext(ctx, "job", "kind", q.Kind, "job", job.ID.String(), "outcome", outcomes[state], "attempts", job.Attempts,
		"milliseconds", float64(r.took.Microseconds())/1000)
	if q.Observer != nil {
		q.Observer.Job(ctx, q.Kind, job.ID, outcomes[state], r.took)
	}
}

// attempt bounds the time of the work: by Deadline and, from the moment in
// which the gateway is to stop, by StopTime.
func (q *Queue) attempt(ctx, running context.Context, jobs []Job, ended func(int, error)) {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	stopping := make(chan *time.Timer, 1)
	unhook := context.AfterFunc(running, func() { stopping <- time.AfterFunc(StopTime, cancel) })
	defer func() {
		if !unhook() {
			(<-stopping).Stop()
		}
		if p := recover(); p != nil {
			recovery.Log(ctx, q.Log, "outbox", p)
			for i := range jobs {
				ended(i, errors.New("the gateway failed"))
			}
		}
	}()
	q.Work(ctx, jobs, ended)
}

// claim takes what is due. That it is compared with the time of the statement,
// and its number written out, lets PostgreSQL find it by its index however much
// there is beside it.
func (q *Queue) claim(ctx context.Context) (jobs []Job, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	err = q.DB.Select(ctx, &jobs, `
		update outbox o
		set attempts = attempts + 1, lease = gen_random_uuid(), next_attempt_at = clock_timestamp() + $2 * interval '1 second'
		from (select id from outbox
		      where kind = $1 and state = 'QUEUED' and next_attempt_at <= statement_timestamp()
		      order by next_attempt_at limit 20 for update skip locked) due
		where o.id = due.id
		returning o.id, o.subject_id, coalesce(o.secret, '') as secret, o.attempts, o.lease`,
		q.Kind, Lease.Seconds())
	return jobs, err
}

// renew keeps the leases of jobs until they are done.
func (q *Queue) renew(ctx context.Context, jobs []Job, done <-chan struct{}) {
	ids, leases := named(jobs)
	for {
		select {
		case <-done:
			return
		case <-time.After(Lease / 3):
		}
		if err := q.extend(ctx, ids, leases); err != nil {
			q.Log.Error("outbox", "kind", q.Kind, "error", postgres.LogSafe(err))
		}
	}
}

func (q *Queue) extend(ctx context.Context, ids, leases postgres.UUIDs) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := q.DB.Exec(ctx, `
		update outbox set next_attempt_at = clock_timestamp() + $3 * interval '1 second'
		where id in (
			select o.id from outbox o join unnest($1::uuid[], $2::uuid[]) as j (id, lease) on o.id = j.id and o.lease = j.lease
			order by o.id for no key update of o)`, ids, leases, Lease.Seconds())
	return err
}

func named(jobs []Job) (ids, leases postgres.UUIDs) {
	for _, job := range jobs {
		ids, leases = append(ids, job.ID), append(leases, job.Lease)
	}
	return ids, leases
}

// settle notes what came of each job whose lease is still this worker's, and
// gives the states of these. What was held meanwhile, and is to be tried again,
// stays held.
func (q *Queue) complete(ctx context.Context, all []Job, results []result) (map[uuid.UUID]string, error) {
	if len(results) == 0 {
		return nil, nil
	}
	jobs := make([]Job, len(results))
	for i, r := range results {
		jobs[i] = all[r.k]
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	ids, leases := named(jobs)
	states, errs, replies := make([]string, len(jobs)), make([]string, len(jobs)), make([]string, len(jobs))
	pauses, tried := make([]float64, len(jobs)), make([]bool, len(jobs))
	for i, job := range jobs {
		tried[i] = !errors.Is(results[i].err, ErrPostponed)
		states[i], errs[i], replies[i] = outcome(job, results[i].err)
		if tried[i] {
			pauses[i] = pause(job.Attempts).Seconds()
		}
	}
	var noted []struct {
		ID    uuid.UUID `db:"id"`
		State string    `db:"state"`
	}
	err := q.DB.Select(ctx, &noted, `
		update outbox o
		set state = case when s.state = 'QUEUED' then o.state else s.state end,
		    lease = null,
		    attempts = o.attempts - case when s.tried then 0 else 1 end,
		    attempted_at = case when s.tried then clock_timestamp() else o.attempted_at end,
		    last_error = case when s.tried then nullif(s.error, '') else o.last_error end,
		    reply = case when s.tried then nullif(s.reply, '') else o.reply end,
		    secret = case when s.state = 'QUEUED' then o.secret end,
		    next_attempt_at = clock_timestamp() + s.pause * interval '1 second'
		from (select r.id, r.lease, r.error, r.reply, r.pause, r.tried,
		             case when r.state = 'QUEUED' and r.tried and h.created_at < clock_timestamp() - $8 * interval '1 second'
		                  then 'FAILED' else r.state end as state
		      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::bool[])
		           as r (id, lease, state, error, reply, pause, tried)
		      join outbox h on h.id = r.id and h.lease = r.lease
		      order by h.id for no key update of h) s
		where o.id = s.id
		returning o.id, o.state`,
		ids, leases, pq.StringArray(states), pq.StringArray(errs), pq.StringArray(replies),
		pq.Float64Array(pauses), pq.BoolArray(tried), patience.Seconds())
	stateOf := make(map[uuid.UUID]string, len(noted))
	for _, n := range noted {
		stateOf[n.ID] = n.State
	}
	return stateOf, err
}

func outcome(job Job, err error) (state, note, reply string) {
	switch {
	case err == nil:
		return "SENT", "", ""
	case errors.Is(err, ErrDropped):
		return "DROPPED", "", ""
	case errors.Is(err, ErrPermanent):
		state = "FAILED"
	default:
		state = "QUEUED"
	}
	var other interface{ Reply() string }
	if errors.As(err, &other) {
		reply = noted(job, other.Reply())
	}
	return state, noted(job, err.Error()), reply
}

// noted makes a text fit to be kept: in one line, without the secret, which the
// other side may quote.
func noted(job Job, text string) string {
	if job.Secret != "" {
		text = strings.ReplaceAll(text, job.Secret, "…")
	}
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), longestNote)], "")
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
