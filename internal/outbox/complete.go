package outbox

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

const (
	// giveUpAfter is the age at which a job fails instead of being attempted again.
	giveUpAfter = 48 * time.Hour
	// The pause after the first attempt, and the longest pause; see pauseAfter.
	firstPause   = 5 * time.Second
	longestPause = time.Hour
	// maxUncertain is how many uncertain attempts are made. The pause after the first
	// one is uncertainPause, and after the second one twice as long.
	maxUncertain   = 3
	uncertainPause = 4 * time.Hour
	// busyPause is the pause of a job that was not attempted because of others.
	busyPause = 30 * time.Second
	// maxErrorBytes bounds a stored error and a stored reply, each.
	maxErrorBytes = 500
)

// completeQuery stores outcomes; see completeArguments.
const completeQuery = `
	update outbox o
	set state = case when s.state = 'QUEUED' then o.state else s.state end,
	    lease = null,
	    submitted = false,
	    uncertain = o.uncertain + s.uncertain::int,
	    attempts = greatest(o.attempts - s.uncounted, 0),
	    attempted_at = case when s.attempted then clock_timestamp() else o.attempted_at end,
	    last_error = case when s.attempted then nullif(s.error, '') else o.last_error end,
	    reply = case when s.attempted then nullif(s.reply, '') else o.reply end,
	    problem = case when s.attempted then nullif(s.problem, '') else o.problem end,
	    secret = case when s.state = 'QUEUED' then o.secret end,
	    next_attempt_at = clock_timestamp() + s.pause * interval '1 second'
	from (select r.id, r.lease, r.error, r.reply, r.problem, r.pause, r.attempted, r.uncounted, r.uncertain,
	             case when r.state = 'QUEUED' and r.ends and h.created_at < clock_timestamp() - $12 * interval '1 second'
	                  then case when r.uncertain or h.uncertain > 0 then 'UNCERTAIN' else 'FAILED' end
	                  else r.state end as state
	      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::float8[], $8::bool[], $9::int[], $10::bool[], $11::bool[])
	           as r (id, lease, state, error, reply, problem, pause, attempted, uncounted, uncertain, ends)
	      join outbox h on h.id = r.id and h.lease = r.lease and h.id = any ($1::uuid[])
	      order by h.id for no key update of h) s
	where o.id = s.id and o.id = any ($1::uuid[])
	returning o.id, o.state`

// completeArguments returns the arguments of completeQuery. again says how often each job
// was claimed again.
func completeArguments(jobs []Job, leases postgres.UUIDs, again []int, results []result) []any {
	n := len(results)
	states, errs, replies, problems := make(pq.StringArray, n), make(pq.StringArray, n), make(pq.StringArray, n), make(pq.StringArray, n)
	pauses, attempted, uncounted, uncertain := make(pq.Float64Array, n), make(pq.BoolArray, n), make(pq.Int64Array, n), make(pq.BoolArray, n)
	ends := make(pq.BoolArray, n)
	for i, r := range results {
		o := outcomeOf(jobs[i], r.err)
		states[i], errs[i], replies[i], problems[i] = o.state, o.err, o.reply, o.problem
		pauses[i], attempted[i], uncertain[i] = o.pause.Seconds(), o.attempted, o.uncertain
		ends[i] = o.attempted && !o.uncounted
		uncounted[i] = int64(again[i])
		if !o.attempted || o.uncounted || errors.Is(r.err, errLost) { // a lost attempt was counted when it began
			uncounted[i]++
		}
	}
	return []any{ids(jobs), leases, states, errs, replies, problems, pauses, attempted, uncounted, uncertain, ends, giveUpAfter.Seconds()}
}

// complete stores the results of jobs whose leases are still this gateway's, and
// returns the new states of those. A job that was held meanwhile stays held if it is to be
// attempted again.
func (q *Queue) complete(ctx context.Context, jobs []Job, leases postgres.UUIDs, again []int, results []result) (map[uuid.UUID]string, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	var completed []struct {
		ID    uuid.UUID `db:"id"`
		State string    `db:"state"`
	}
	err := q.DB.Select(ctx, &completed, completeQuery, completeArguments(jobs, leases, again, results)...)
	if err != nil {
		return nil, err
	}
	stateOf := make(map[uuid.UUID]string, len(completed))
	for _, c := range completed {
		stateOf[c.ID] = c.State
	}
	return stateOf, nil
}

// outcome is what an attempt leads to.
type outcome struct {
	state               string
	err, reply, problem string // to be stored
	attempted           bool   // false where nothing was attempted
	uncounted           bool   // what was attempted is no failure of the job
	uncertain           bool
	pause               time.Duration // before the next attempt
}

func outcomeOf(job Job, err error) outcome {
	o := outcome{state: stateQueued, attempted: true}
	switch {
	case err == nil:
		return outcome{state: stateSent, attempted: true}
	case errors.Is(err, ErrDropped):
		return outcome{state: stateDropped, attempted: true}
	case errors.Is(err, ErrPostponed):
		return outcome{state: stateQueued}
	case errors.Is(err, ErrBusy):
		return outcome{state: stateQueued, pause: jitter(busyPause)}
	case errors.Is(err, ErrUnavailable):
		o.uncounted = true
	case errors.Is(err, ErrPermanent):
		o.state = stateFailed
	case errors.Is(err, ErrUncertain):
		o.uncertain, o.pause = true, jitter(uncertainPause<<job.Uncertain)
		if job.Uncertain+1 >= maxUncertain {
			o.state = stateUncertain
		}
	default:
		o.pause = pauseAfter(job.Attempts)
	}
	o.err = storable(job, err.Error())
	if replied := (interface{ Reply() string })(nil); errors.As(err, &replied) {
		o.reply = storable(job, replied.Reply())
	}
	if failed := (interface{ Problem() string })(nil); errors.As(err, &failed) {
		o.problem = failed.Problem()
	}
	return o
}

// storable returns text as one line of valid UTF-8, at most maxErrorBytes long. It
// replaces the secret of the job, which the other side may have quoted.
func storable(job Job, text string) string {
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
	return strings.ToValidUTF8(text[:min(len(text), maxErrorBytes)], "")
}

// pauseAfter returns the pause after an attempt. It doubles with each attempt, up to
// longestPause.
func pauseAfter(attempts int) time.Duration {
	pause := longestPause
	if attempts < 20 { // more would overflow
		pause = min(longestPause, firstPause<<(attempts-1))
	}
	return jitter(pause)
}
