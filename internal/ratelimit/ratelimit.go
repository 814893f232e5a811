// Package ratelimit bounds what can be done in an hour by one person, in one place
// or to one address. The database counts, so a limit holds over all gateways and
// restarts.
//
// Uses are counted by the minute. A use counts until its whole minute is more than
// an hour ago, so that no hour has more uses than the limit allows.
package ratelimit

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Limit is how often something can be done in an hour by or to one subject.
type Limit struct {
	Name string // in the table rate_limit, and the reason of RATE_LIMITED
	Max  int    // uses
	Text string // the limit as a sentence, with %d for Max

	// Shared says that many people use one counter at the same time. They do not wait
	// for each other while it is far from the limit: see Take.
	Shared bool
}

// Charge uses a limit Count times for one subject.
type Charge struct {
	Limit
	Subject uuid.UUID
	Within  uuid.UUID // for whom the subject is counted by itself; zero: for all together
	Count   int

	// What a refusal says about a charge that is one of many; see fault.Fault.
	Label     string // in front of the message; may be empty
	Email     string
	Index     *int
	InputPath []any
}

// HashSubject returns the subject of a charge that is about texts, like an address.
// It is a hash with a key, so that nobody can find addresses by the table rate_limit.
func HashSubject(key keyedhash.Key, texts ...string) uuid.UUID {
	id := uuid.UUID(key.Sum("rate_limit", texts...)[:len(uuid.UUID{})])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8 (RFC 9562, section 5.8)
	return id
}

// counter returns the counter of a charge.
func (c Charge) counter() counter {
	if c.Within == uuid.Nil {
		return counter{c.Name, c.Subject}
	}
	sum := sha256.Sum256(append(c.Within[:], c.Subject[:]...))
	return counter{c.Name, uuid.UUID(sum[:len(uuid.UUID{})])}
}

// SubjectsWithin returns the SQL expression of the counted subjects, in their order, of
// charges with some subjects within another one. Both are SQL expressions: uuid[], and uuid.
func SubjectsWithin(subjects, within string) string {
	return `array(select encode(substr(sha256(uuid_send(` + within + `) || uuid_send(c.subject)), 1, 16), 'hex')::uuid
		from unnest(` + subjects + `) with ordinality as c (subject, n) order by c.n)`
}

// Take charges limits in a transaction. Each pair of limit and subject may be
// charged once. It fails with a RATE_LIMITED for every charge that exceeds its
// limit: the transaction must then be rolled back, and has charged nothing.
//
// Until the transaction ends, others that charge one of the same pairs wait. Pairs
// are locked in the order of their names and subjects, which prevents deadlocks, as
// long as the transaction waits for no other lock after Take.
//
// A counter of a Shared limit that is charged often gets credit: uses that it counts
// already, in rows of their own (rate_limit_credit). A charge takes from one of them that
// nobody else has locked, and does not wait. Near the limit, or where there is no such
// row, it locks the counter; only with all credit locked it is refused. So the limit is
// as exact as any other.
func Take(ctx context.Context, tx *postgres.Tx, charges ...Charge) error {
	return join(exceeded(ctx, tx.SelectBesideWrites, takeQuery, charges, TakeArguments(charges...)))
}

// Exceeded returns a RATE_LIMITED for each charge that would exceed its limit, and
// nil for each other one. It charges nothing.
func Exceeded(ctx context.Context, q postgres.Querier, charges ...Charge) ([]*fault.Fault, error) {
	return exceeded(ctx, q.Select, checkQuery, charges, Arguments(charges...))
}

// Check fails as Take would. It charges nothing.
func Check(ctx context.Context, q postgres.Querier, charges ...Charge) error {
	return join(Exceeded(ctx, q, charges...))
}

func join(faults []*fault.Fault, err error) error {
	if err != nil {
		return err
	}
	return fault.List(slices.DeleteFunc(faults, func(f *fault.Fault) bool { return f == nil })).Err()
}

// takeQuery calls a function that adds first and compares then: see migration 28.
const takeQuery = `select name, subject, seconds from rate_limit_take_2($1::text[], $2::uuid[], $3::int[], $4::text[], $5::int[], $6::text[])`

// checkQuery decides about what each counter would be.
var checkQuery = checkQueryOf(1, sentSubjects)

// sentSubjects is for ExcessColumn, where the caller knows the subjects.
func sentSubjects(argument string) string { return argument }

// checkQueryOf returns checkQuery with parameters that begin with a number. The subjects
// are an expression beside the function, because PostgreSQL does not inline a function
// with a subquery in its arguments.
func checkQueryOf(first int, subjects func(argument string) string) string {
	return fmt.Sprintf(`select c.name, c.subject, c.seconds from (select %s as subjects) of
		cross join lateral rate_limit_check_1($%d::text[], of.subjects, $%d::int[], $%d::text[], $%d::int[]) c`,
		subjects(fmt.Sprintf("$%d::uuid[]", first+1)), first, first+2, first+3, first+4)
}

// ExcessColumn returns the SQL expression of an Excess: what Check decides by, for a
// statement that reads more. Its parameters are Arguments; first is the number of the
// first one. subjects returns an SQL expression of the counted subjects, from that of the
// argument: the statement may know more of them than the caller.
func ExcessColumn(first int, subjects func(argument string) string) string {
	return `(select json_agg(o) from (` + checkQueryOf(first, subjects) + `) o)`
}

// counter is the primary key of the table rate_limit.
type counter struct {
	Name    string    `db:"name" json:"name"`
	Subject uuid.UUID `db:"subject" json:"subject"`
}

// Excess is which charges exceed their limits, as ExcessColumn returns them.
type Excess []struct {
	counter
	Seconds *float64 `db:"seconds" json:"seconds"` // until the charge fits; nil where it never does
}

// Check fails as the function Check does, for the charges that the Excess is of.
func (e Excess) Check(charges ...Charge) error { return join(e.refusals(charges), nil) }

// refusals returns a RATE_LIMITED for each charge that exceeds its limit, and nil for
// each other one.
func (e Excess) refusals(charges []Charge) []*fault.Fault {
	faults := make([]*fault.Fault, len(charges))
	if len(e) == 0 {
		return faults
	}
	over := make(map[counter]*float64, len(e))
	for _, r := range e {
		over[r.counter] = r.Seconds
	}
	tooLarge := false
	for i, c := range charges {
		if seconds, refused := over[c.counter()]; refused {
			faults[i] = c.refusal(seconds)
			tooLarge = tooLarge || faults[i].RetryAfter == 0
		}
	}
	for _, f := range faults {
		if f != nil && tooLarge {
			f.Retry = new(false) // none of the request's limits makes it succeed later
		}
	}
	return faults
}

// reader is postgres.Querier.Select, or postgres.Tx.SelectBesideWrites.
type reader func(ctx context.Context, dest any, query string, args ...any) error

func exceeded(ctx context.Context, read reader, query string, charges []Charge, args []any) ([]*fault.Fault, error) {
	var excess Excess
	if len(charges) > 0 {
		if err := read(ctx, &excess, query, args...); err != nil {
			return nil, err
		}
	}
	return excess.refusals(charges), nil
}

// FindExcess returns the Excess of charges. It charges nothing.
func FindExcess(ctx context.Context, q postgres.Querier, charges ...Charge) (excess Excess, err error) {
	return excess, q.Select(ctx, &excess, checkQuery, Arguments(charges...)...)
}

// Arguments returns the parameters $1 to $5 of a statement about charges.
func Arguments(charges ...Charge) []any {
	names, subjects, counts := make(pq.StringArray, len(charges)), make(postgres.UUIDs, len(charges)), make(pq.Int64Array, len(charges))
	var limits pq.StringArray
	var maxima pq.Int64Array
	for i, c := range charges {
		names[i], subjects[i], counts[i] = c.Name, c.counter().Subject, int64(c.Count)
		if !slices.Contains(limits, c.Name) {
			limits, maxima = append(limits, c.Name), append(maxima, int64(c.Max))
		}
	}
	return []any{names, subjects, counts, limits, maxima}
}

// TakeArguments returns the parameters of a statement that charges: Arguments, and as $6
// the limits that are shared.
func TakeArguments(charges ...Charge) []any {
	var shared pq.StringArray
	for _, c := range charges {
		if c.Shared && !slices.Contains(shared, c.Name) {
			shared = append(shared, c.Name)
		}
	}
	return append(Arguments(charges...), shared)
}

// refusal returns the error of a charge that fits into its limit after some seconds;
// nil where it never does.
func (c Charge) refusal(seconds *float64) *fault.Fault {
	f := &fault.Fault{
		Code:      fault.RateLimited,
		Reason:    c.Name,
		Message:   fmt.Sprintf(c.Text, c.Max) + " Nothing was done.",
		Email:     c.Email,
		Index:     c.Index,
		InputPath: c.InputPath,
	}
	if c.Label != "" {
		f.Message = c.Label + ": " + f.Message
	}
	if c.Count > c.Max || seconds == nil {
		f.Remedy = "Send a smaller request."
		return f
	}
	f.RetryAfter = time.Duration(math.Ceil(max(1, *seconds))) * time.Second
	f.Remedy = "Wait " + FormatMinutes(f.RetryAfter) + ", and then try again."
	return f
}

// FormatMinutes returns a duration in words, rounded up to minutes.
func FormatMinutes(d time.Duration) string {
	if n := math.Ceil(d.Minutes()); n > 1 {
		return fmt.Sprintf("%.0f minutes", n)
	}
	return "a minute"
}

// DeleteExpired deletes counters without uses in the last hour, and credit of such
// counters, 5,000 at most, and returns the number of counters. It looks at 4,000 blocks of
// the table (32 MB), each minute at the next ones: an index of the ends would be written
// to with every charge.
func DeleteExpired(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		with credit as (
			delete from rate_limit_credit where ctid = any (array(
				select ctid from rate_limit_credit
				where until <= statement_timestamp() limit 1000 for update skip locked))),
		part as (
			select floor(extract(epoch from statement_timestamp()) / 60)::bigint
			       % (pg_relation_size('rate_limit') / current_setting('block_size')::int / 4000 + 1) * 4000 as block)
		delete from rate_limit where ctid = any (array(
			select ctid from rate_limit
			where ctid >= (select format('(%s,0)', block)::tid from part) and ctid < (select format('(%s,0)', block + 4000)::tid from part)
			  and until <= statement_timestamp()
			limit 5000 for update skip locked))`)
}
