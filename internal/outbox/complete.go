package outbox

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/lib/pq"
)

const (
	// giveUpAfter is the age at which a job fails instead of being attempted again.
	giveUpAfter = 48 * time.Hour
	// The pause after the first attempt, and the longest pause; see pauseAfter.
	firstPause   = 5 * time.Second
	longestPause = time.Hour
	// maxErrorBytes bounds a stored error and a stored reply, each.
	maxErrorBytes = 500
)

// complete stores the results of jobs whose leases are still this gateway's, and
// returns the new states of those. A job that was held meanwhile stays held if it
// is to be attempted again.
func (q *Queue) complete(ctx context.Context, batch []Job, results []result) (map[uuid.UUID]string, error) {
	if len(results) == 0 {
		return nil, nil
	}
	n := len(results)
	jobs, attempted := make([]Job, n), make([]bool, n)
	states, errs, replies, pauses := make([]string, n), make([]string, n), make([]string, n), make([]float64, n)
	for i, r := range results {
		jobs[i] = batch[r.i]
		states[i], errs[i], replies[i] = stateAfter(jobs[i], r.err)
		if attempted[i] = !errors.Is(r.err, ErrPostponed); attempted[i] {
			pauses[i] = pauseAfter(jobs[i].Attempts).Seconds()
		}
	}
	ids, leases := idsAndLeases(jobs)
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	var completed []struct {
		ID    uuid.UUID `db:"id"`
		State string    `db:"state"`
	}
	err := q.DB.Select(ctx, &completed, `
		update outbox o
		set state = case when s.state = 'QUEUED' then o.state else s.state end,
		    lease = null,
		    attempts = o.attempts - case when s.attempted then 0 else 1 end,
		    attempted_at = case when s.attempted then clock_timestamp() else o.attempted_at end,
		    last_error = case when s.attempted then nullif(s.error, '') else o.last_error end,
		    reply = case when s.attempted then nullif(s.reply, '') else o.reply end,
		    secret = case when s.state = 'QUEUED' then o.secret end,
		    next_attempt_at = clock_timestamp() + s.pause * interval '1 second'
		from (select r.id, r.lease, r.error, r.reply, r.pause, r.attempted,
		             case when r.state = 'QUEUED' and r.attempted and h.created_at < clock_timestamp() - $8 * interval '1 second'
		                  then 'FAILED' else r.state end as state
		      from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::float8[], $7::bool[])
		           as r (id, lease, state, error, reply, pause, attempted)
		      join outbox h on h.id = r.id and h.lease = r.lease
		      order by h.id for no key update of h) s
		where o.id = s.id
		returning o.id, o.state`,
		ids, leases, pq.StringArray(states), pq.StringArray(errs), pq.StringArray(replies),
		pq.Float64Array(pauses), pq.BoolArray(attempted), giveUpAfter.Seconds())
	stateOf := make(map[uuid.UUID]string, len(completed))
	for _, c := range completed {
		stateOf[c.ID] = c.State
	}
	return stateOf, err
}

// stateAfter returns the state that an attempt leads to, and the error and the
// reply to store.
func stateAfter(job Job, err error) (state, storedError, reply string) {
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
	var replied interface{ Reply() string }
	if errors.As(err, &replied) {
		reply = storable(job, replied.Reply())
	}
	return state, storable(job, err.Error()), reply
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
