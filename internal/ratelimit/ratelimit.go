// Package ratelimit bounds how much somebody does, or is done somewhere, in an
// hour: over every gateway and every restart, since the database counts.
//
// What is done is counted by the minute, and counts until its whole minute is
// older than an hour: never is more done in an hour than a limit allows.
package ratelimit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Limit is how much can be done in an hour.
type Limit struct {
	Name string // in the table rate_limit, and the reason of refusals
	Most int
	Says string // the limit in a sentence, with %d for Most
}

// Charge is a use of a limit by somebody, or of some place.
type Charge struct {
	Limit
	Of uuid.UUID
	N  int

	// Of one among many, what the refusal is to say of it; see fault.Fault.
	Named     string // at the head of the message
	Email     string
	Index     *int
	InputPath []any
}

// Subject stands for whoever has no UUID, such as an address: what is limited is
// counted without being written down.
func Subject(of ...string) uuid.UUID {
	return uuid.NewHash(sha256.New(), uuid.Nil, []byte(strings.Join(of, "\x00")), 8)
}

// Take uses limits in a transaction: a limit and a subject once. It fails with a
// RATE_LIMITED for every charge that exceeds its limit, and the transaction must
// then be rolled back, by which nothing was used. Whoever would use one of the
// same limits waits for the end of the transaction, in the order of names and
// subjects, so that nobody waits for another in a circle: nothing else may be
// waited for after it.
func Take(ctx context.Context, tx *postgres.Tx, charges ...Charge) error {
	return refusal(exceeded(ctx, tx, takeQuery, charges))
}

// Check finds the limits that would be exceeded, without using them: a
// RATE_LIMITED for each such charge, nil for every other one.
func Check(ctx context.Context, q postgres.Querier, charges ...Charge) ([]*fault.Fault, error) {
	return exceeded(ctx, q, checkQuery, charges)
}

// Refuse fails as Take does where limits would be exceeded, without using any.
func Refuse(ctx context.Context, q postgres.Querier, charges ...Charge) error {
	return refusal(Check(ctx, q, charges...))
}

func refusal(faults []*fault.Fault, err error) error {
	if err != nil {
		return err
	}
	return fault.List(slices.DeleteFunc(faults, func(f *fault.Fault) bool { return f == nil })).Err()
}

const (
	// takeQuery adds first and then looks: what another transaction has added is
	// seen by who has waited for it, and only in the row itself.
	takeQuery = `
	with used as (
		insert into rate_limit as r (name, subject, untils, ns, until)
		select c.name, c.subject, array[c.until], array[c.n], c.until
		from (select *, ` + until + ` as until from unnest($1::text[], $2::uuid[], $3::int[]) as c (name, subject, n)) c
		order by c.name, c.subject
		on conflict (name, subject) do update
		set (untils, ns, until) = (
			select array_agg(m.until order by m.until), array_agg(m.n order by m.until), max(m.until)
			from (select m.until, sum(m.n)::int as n
			      from (select * from unnest(r.untils, r.ns) union all select ` + until + `, excluded.ns[1]) m (until, n)
			      where m.until > clock_timestamp() group by m.until) m)
		returning name, subject, untils, ns
	)` + overQuery

	checkQuery = `
	with used as (
		select c.name, c.subject, r.untils || timestamptz 'infinity' as untils, r.ns || c.n as ns
		from unnest($1::text[], $2::uuid[], $3::int[]) as c (name, subject, n)
		left join rate_limit r on r.name = c.name and r.subject = c.subject
	)` + overQuery

	// overQuery finds what exceeds its limit, and the seconds until it would not
	// any more, if it ever fits.
	overQuery = `
	select u.name, u.subject, (
		select extract(epoch from min(m.until) - clock_timestamp())
		from (select m.until, sum(m.n) over (order by m.until desc) - m.n as rest from unnest(u.untils, u.ns) as m (until, n)) m
		where m.until > clock_timestamp() and m.until < 'infinity' and m.rest <= l.most) as seconds
	from used u join unnest($4::text[], $5::int[]) as l (name, most) on l.name = u.name
	where (select sum(m.n) from unnest(u.untils, u.ns) as m (until, n) where m.until > clock_timestamp()) > l.most`

	// until is when that of this minute counts no more.
	until = `date_trunc('minute', clock_timestamp()) + interval '61 minutes'`
)

// subject is what a charge is counted by.
type subject struct {
	Name    string    `db:"name"`
	Subject uuid.UUID `db:"subject"`
}

func exceeded(ctx context.Context, q postgres.Querier, query string, charges []Charge) ([]*fault.Fault, error) {
	faults := make([]*fault.Fault, len(charges))
	if len(charges) == 0 {
		return faults, nil
	}
	names, subjects, ns := make(pq.StringArray, len(charges)), make(postgres.UUIDs, len(charges)), make(pq.Int64Array, len(charges))
	var limits pq.StringArray
	var mosts pq.Int64Array
	for i, c := range charges {
		names[i], subjects[i], ns[i] = c.Name, c.Of, int64(c.N)
		if !slices.Contains(limits, c.Name) {
			limits, mosts = append(limits, c.Name), append(mosts, int64(c.Most))
		}
	}
	var rows []struct {
		subject
		Seconds *float64 `db:"seconds"`
	}
	if err := q.Select(ctx, &rows, query, names, subjects, ns, limits, mosts); err != nil || len(rows) == 0 {
		return faults, err
	}
	over := make(map[subject]*float64, len(rows))
	for _, r := range rows {
		over[r.subject] = r.Seconds
	}
	for i, c := range charges {
		if seconds, refused := over[subject{c.Name, c.Of}]; refused {
			faults[i] = c.refused(seconds)
		}
	}
	return faults, nil
}

// refused is the refusal of a charge that fits into its limit in so many
// seconds, if it ever does.
func (c Charge) refused(seconds *float64) *fault.Fault {
	f := &fault.Fault{
		Code:      fault.RateLimited,
		Reason:    c.Name,
		Message:   fmt.Sprintf(c.Says, c.Most) + " Nothing was done.",
		Remedy:    "Ask for less at once.",
		Email:     c.Email,
		Index:     c.Index,
		InputPath: c.InputPath,
	}
	if c.Named != "" {
		f.Message = c.Named + ": " + f.Message
	}
	if c.N <= c.Most && seconds != nil {
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
		delete from rate_limit where (name, subject) in (
			select name, subject from rate_limit
			where until <= statement_timestamp() order by until limit 1000 for update skip locked)`)
}
