// Package ratelimit bounds how much somebody does, or is done somewhere, in an
// hour: over every gateway and every restart, since the database counts.
//
// What is done is counted by the minute, and counts until its whole minute is
// older than an hour: never is more done in an hour than a limit allows.
package ratelimit

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Limit is how much can be done in an hour.
type Limit struct {
	Name string // in the table rate_limit_use
	Most int
	Says string // the limit in a sentence, with %d for Most
}

// Charge is a use of a limit by somebody, or of some place.
type Charge struct {
	Limit
	Of uuid.UUID
	N  int
}

// Take uses limits in a transaction: all of them or, where one would be
// exceeded, none. It fails with RATE_LIMITED. Whoever would use the same limits
// waits for the end of the transaction.
func Take(ctx context.Context, tx *postgres.Tx, charges ...Charge) error {
	a := arraysOf(charges)
	// In the order of the keys, so that nobody waits for another in a circle.
	if _, err := tx.Exec(ctx, `
		select pg_advisory_xact_lock(k.key) from (
			select hashtextextended(c.name || c.subject, 0) as key
			from unnest($1::text[], $2::uuid[]) as c (name, subject) order by 1) k`, a.names, a.subjects); err != nil {
		return err
	}
	return first(exceeded(ctx, tx, takeQuery, a, charges))
}

// Check finds the limits that would be exceeded, without using them: a
// RATE_LIMITED for each such charge, nil for every other one.
func Check(ctx context.Context, q postgres.Querier, charges ...Charge) ([]*fault.Fault, error) {
	return exceeded(ctx, q, checkQuery, arraysOf(charges), charges)
}

// Refuse fails with RATE_LIMITED where a limit would be exceeded, without using
// any.
func Refuse(ctx context.Context, q postgres.Querier, charges ...Charge) error {
	return first(Check(ctx, q, charges...))
}

func first(faults []*fault.Fault, err error) error {
	if err != nil {
		return err
	}
	for _, f := range faults {
		if f != nil {
			return f
		}
	}
	return nil
}

// overQuery finds the charges that exceed their limits, and the seconds until
// they do not any more: null where they always would.
const overQuery = `
	with charge as (
		select * from unnest($1::text[], $2::uuid[], $3::int[], $4::int[]) with ordinality as c (name, subject, n, most, k)
	), used as (
		select c.k, u.until, sum(u.n) over (partition by c.k order by u.until) as freed, sum(u.n) over (partition by c.k) as n
		from charge c join rate_limit_use u on u.name = c.name and u.subject = c.subject and u.until > clock_timestamp()
	), over as (
		select c.k, min(extract(epoch from u.until - clock_timestamp())) filter (where u.n - u.freed + c.n <= c.most) as seconds
		from charge c left join used u on u.k = c.k
		group by c.k, c.n, c.most having coalesce(max(u.n), 0) + c.n > c.most
	)`

const (
	checkQuery = overQuery + `
	select k, seconds from over order by k`
	takeQuery = overQuery + `, taken as (
		insert into rate_limit_use (name, subject, until, n)
		select name, subject, date_trunc('minute', clock_timestamp()) + interval '61 minutes', n
		from charge where not exists (select from over)
		on conflict (name, subject, until) do update set n = rate_limit_use.n + excluded.n
	)
	select k, seconds from over order by k`
)

type arrays struct {
	names    pq.StringArray
	subjects postgres.UUIDs
	ns       pq.Int64Array
	mosts    pq.Int64Array
}

func arraysOf(charges []Charge) (a arrays) {
	for _, c := range charges {
		a.names, a.subjects = append(a.names, c.Name), append(a.subjects, c.Of)
		a.ns, a.mosts = append(a.ns, int64(c.N)), append(a.mosts, int64(c.Most))
	}
	return a
}

func exceeded(ctx context.Context, q postgres.Querier, query string, a arrays, charges []Charge) ([]*fault.Fault, error) {
	faults := make([]*fault.Fault, len(charges))
	if len(charges) == 0 {
		return faults, nil
	}
	var rows []struct {
		K       int      `db:"k"`
		Seconds *float64 `db:"seconds"`
	}
	if err := q.Select(ctx, &rows, query, a.names, a.subjects, a.ns, a.mosts); err != nil {
		return nil, err
	}
	for _, r := range rows {
		faults[r.K-1] = over(charges[r.K-1], r.Seconds)
	}
	return faults, nil
}

func over(c Charge, seconds *float64) *fault.Fault {
	f := &fault.Fault{
		Code:    fault.RateLimited,
		Message: fmt.Sprintf(c.Says, c.Most) + " Nothing was done.",
		Remedy:  "Ask for less at once.",
	}
	if seconds != nil {
		f.RetryAfter = time.Duration(math.Ceil(max(1, *seconds))) * time.Second
		f.Remedy = "Wait " + Minutes(f.RetryAfter) + ", and then try again."
	}
	return f
}

// Minutes says a duration, rounded up.
func Minutes(d time.Duration) string {
	if n := math.Ceil(d.Minutes()); n > 1 {
		return fmt.Sprintf("%.0f minutes", n)
	}
	return "a minute"
}

// Forget removes what counts no more, 1,000 rows at most, and gives their
// number.
func Forget(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from rate_limit_use where (name, subject, until) in (
			select name, subject, until from rate_limit_use
			where until <= statement_timestamp() order by until limit 1000 for update skip locked)`)
}
