package ratelimit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
)

func TestMain(m *testing.M) { schematest.Main(m) }

func limit(name string, most int) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Max: most, Text: "There can be %d in an hour."}
}

// key is the key of hashed subjects.
var key = keyedhash.New([]byte("the key of this test"), "")

func take(ctx context.Context, db *postgres.DB, charges ...ratelimit.Charge) error {
	return db.InTx(ctx, func(tx *postgres.Tx) error { return ratelimit.Take(ctx, tx, charges...) })
}

// limited reports whether an error is the refusal, and how long to wait.
func limited(t *testing.T, err error) (wait time.Duration, refused bool) {
	t.Helper()
	var all fault.List
	if !errors.As(err, &all) {
		if err != nil {
			t.Fatal(err)
		}
		return 0, false
	}
	f := all[0]
	if len(all) != 1 || f.Code != fault.RateLimited || f.Reason == "" || f.Remedy == "" || !strings.HasPrefix(f.Message, "There can be ") {
		t.Errorf("%+v", f)
	}
	return f.RetryAfter, true
}

func TestTakeIsExactInParallel(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	one, two := uuid.New(), uuid.New()
	const askers, most = 60, 20
	for n := range 5 {
		var taken atomic.Int64
		var asking sync.WaitGroup
		for i := range askers {
			asking.Go(func() {
				// Charges in any order do not deadlock.
				charges := []ratelimit.Charge{{Limit: limit("a", most*(n+1)), Subject: one, Count: 1}, {Limit: limit("b", 1000), Subject: two, Count: 1}}
				if i%2 == 0 {
					charges[0], charges[1] = charges[1], charges[0]
				}
				if _, refused := limited(t, take(t.Context(), db, charges...)); !refused {
					taken.Add(1)
				}
			})
		}
		asking.Wait()
		if taken.Load() != most {
			t.Fatalf("round %d: %d taken of %d", n, taken.Load(), most)
		}
		// A refused transaction has not charged the other limit either.
		var used int
		if err := db.Get(t.Context(), &used, `select sum(n)::int from rate_limit, unnest(ns) n where name = 'b'`); err != nil || used != most*(n+1) {
			t.Fatalf("round %d: the other was used %d times, %v", n, used, err)
		}
	}
}

func TestUsesCountForAnHour(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	ctx := t.Context()
	of := uuid.New()
	charge := func(n int) ratelimit.Charge { return ratelimit.Charge{Limit: limit("a", 10), Subject: of, Count: n} }
	minutesAgo := func(n, minutes int) {
		t.Helper()
		if _, err := db.Exec(ctx, `
			insert into rate_limit as r (name, subject, untils, ns, until)
			select 'a', $1, array[t.until], array[$3::int], t.until
			from (select date_trunc('minute', clock_timestamp()) + interval '61 minutes' - $2 * interval '1 minute' as until) t
			on conflict (name, subject) do update
			set untils = r.untils || excluded.untils, ns = r.ns || excluded.ns, until = excluded.until`, of, minutes, n); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	minutesAgo(100, 61) // over
	minutesAgo(4, 50)
	minutesAgo(3, 30)
	minutesAgo(2, 10)
	// A new minute may begin at any moment of the test, and the wait gets shorter while
	// it runs.
	between := func(what string, err error, least, most time.Duration) {
		t.Helper()
		wait, refused := limited(t, err)
		if least = max(0, least-time.Since(began)); !refused || wait < least || wait > most {
			t.Errorf("%s: refused %t, for %v", what, refused, wait)
		}
	}
	if err := ratelimit.Check(ctx, db, charge(1)); err != nil {
		t.Errorf("there is room for one: %v", err)
	}
	between("as much as the oldest frees", take(ctx, db, charge(5)), 10*time.Minute, 11*time.Minute)
	between("a little more", take(ctx, db, charge(6)), 30*time.Minute, 31*time.Minute)
	between("as much as there is", take(ctx, db, charge(10)), 50*time.Minute, 51*time.Minute)
	between("more than there ever is", take(ctx, db, charge(11)), 0, 0)
	if _, refused := limited(t, take(ctx, db, charge(1))); refused {
		t.Error("the last one was refused")
	}
	between("nothing is left", take(ctx, db, charge(1)), 10*time.Minute, 11*time.Minute)
	between("nothing is left, in a statement that reads more", checkBeside(t, db, charge(1)), 10*time.Minute, 11*time.Minute)
	// Exceeded and Check charge nothing.
	other := ratelimit.Charge{Limit: limit("a", 1), Subject: uuid.New(), Count: 1}
	for range 3 {
		faults, err := ratelimit.Exceeded(ctx, db, other, charge(1))
		if err != nil || faults[0] != nil || faults[1] == nil {
			t.Fatalf("%v %v", faults, err)
		}
	}
	if err := errors.Join(ratelimit.Check(ctx, db, other), checkBeside(t, db, other)); err != nil {
		t.Error(err)
	}
	// A rolled back transaction charges nothing.
	failure := errors.New("failure")
	if err := db.InTx(ctx, func(tx *postgres.Tx) error { return errors.Join(ratelimit.Take(ctx, tx, other), failure) }); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	if _, refused := limited(t, take(ctx, db, other)); refused {
		t.Error("what was rolled back counts")
	}
	// Minutes that do not count any more are deleted with the next charge, or by
	// DeleteExpired.
	var minutes int
	if err := db.Get(ctx, &minutes, `select cardinality(ns) from rate_limit where subject = $1`, of); err != nil || minutes != 4 {
		t.Errorf("%d minutes are kept, %v", minutes, err)
	}
	if n, err := ratelimit.DeleteExpired(ctx, db); n != 0 || err != nil {
		t.Errorf("%d deleted, %v", n, err)
	}
	if _, err := db.Exec(ctx, `update rate_limit set until = clock_timestamp() where subject = $1`, of); err != nil {
		t.Fatal(err)
	}
	if n, err := ratelimit.DeleteExpired(ctx, db); n != 1 || err != nil {
		t.Errorf("%d deleted, %v", n, err)
	}
}

// domains is a limit that many share.
func domains(most int) ratelimit.Limit {
	l := limit("INVITATIONS_BY_DOMAIN", most)
	l.Shared = true
	return l
}

// creditIn returns how many uses are set aside.
func creditIn(t *testing.T, q postgres.Querier) (n int) {
	t.Helper()
	if err := q.Get(t.Context(), &n, `select coalesce(sum(n), 0)::int from rate_limit_credit`); err != nil {
		t.Fatal(err)
	}
	return n
}

// Requests of any size, of older gateways too, use exactly what a shared limit allows,
// also what was set aside and in which minute it was.
func TestSharedLimitIsExactInParallel(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const askers, most = 16, 2000
	one, two := uuid.New(), uuid.New()
	var used [2]atomic.Int64
	var asking sync.WaitGroup
	for seed := range uint64(askers) {
		asking.Go(func() {
			r := rand.New(rand.NewPCG(2, seed))
			for refused := 0; refused < 5; {
				n := [2]int{1 + r.IntN(12), 1 + r.IntN(5)}
				charges := []ratelimit.Charge{
					{Limit: domains(most), Subject: one, Count: n[0]}, {Limit: domains(most), Subject: two, Count: n[1]},
					{Limit: limit("INVITATIONS_BY_PERSON", 1_000_000), Subject: uuid.UUID{15: 1 + byte(seed/4)}, Count: 1}}
				err := db.InTx(t.Context(), func(tx *postgres.Tx) error {
					if seed%4 > 0 {
						return ratelimit.Take(t.Context(), tx, charges...)
					}
					var over []string
					args := ratelimit.Arguments(charges...)
					if err := tx.Select(t.Context(), &over, `select name from rate_limit_take_1($1, $2, $3, $4, $5)`, args...); err != nil || over == nil {
						return err
					}
					return fault.List{{Code: fault.RateLimited, Reason: over[0], Message: "There can be fewer.", Remedy: "Wait."}}
				})
				if _, over := limited(t, err); over {
					refused++
					continue
				}
				used[0].Add(int64(n[0]))
				used[1].Add(int64(n[1]))
			}
		})
	}
	asking.Wait()
	// What is left can be used, and no more.
	for i, of := range []uuid.UUID{one, two} {
		left := most - int(used[i].Load())
		if left < 0 {
			t.Fatalf("%d used of %d", most-left, most)
		}
		rest := ratelimit.Charge{Limit: domains(most), Subject: of, Count: left}
		more := rest
		more.Count++
		if _, refused := limited(t, ratelimit.Check(t.Context(), db, more)); !refused {
			t.Errorf("%d of %d are left, and a check allows one more", left, most)
		}
		if _, refused := limited(t, take(t.Context(), db, more)); !refused {
			t.Errorf("%d of %d are left, and one more was taken", left, most)
		}
		if left == 0 {
			continue
		}
		if err := errors.Join(ratelimit.Check(t.Context(), db, rest), take(t.Context(), db, rest)); err != nil {
			t.Errorf("the last %d of %d: %v", left, most, err)
		}
	}
	if n := creditIn(t, db); n != 0 {
		t.Errorf("%d are set aside of a limit that is used up", n)
	}
}

// Far from the limit, a transaction does not wait for others that have charged it and are
// not at their end. At the limit it waits for them, and then decides.
func TestSharedLimitIsUsedAtTheSameTime(t *testing.T) {
	t.Parallel()
	const most = 1000
	minuteBegan, rolledBack := errors.New("a minute began"), errors.New("rolled back")
	for name, outcome := range map[string]error{"the other one commits": nil, "the other one is rolled back": rolledBack} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := schematest.New(t)
			one := ratelimit.Charge{Limit: domains(most), Subject: uuid.New(), Count: 1}
			used, waited, got := 0, make(chan error, 1), minuteBegan
			for errors.Is(got, minuteBegan) {
				for range 20 { // often
					if err := take(t.Context(), db, one); err != nil {
						t.Fatal(err)
					}
					used++
				}
				got = db.InTx(t.Context(), func(tx *postgres.Tx) error {
					if err := ratelimit.Take(t.Context(), tx, one); err != nil {
						return err
					}
					if creditIn(t, tx) == creditIn(t, db) {
						return minuteBegan // what was set aside counts in another one
					}
					if err := take(t.Context(), db, one); err != nil {
						return err
					}
					used++
					rest := one
					rest.Count = most - used
					go func() { waited <- take(t.Context(), db, rest) }()
					for waiting := 0; waiting == 0; {
						if err := db.Get(t.Context(), &waiting, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`); err != nil {
							return err
						}
					}
					return outcome
				})
			}
			if !errors.Is(got, outcome) {
				t.Fatal(got)
			}
			if _, refused := limited(t, <-waited); refused != (outcome == nil) {
				t.Errorf("all that the other one left: refused %t", refused)
			}
		})
	}
}

// What was used in the last hour, and how, decides alike for those who charge and for
// those who only ask.
func TestTakeAndCheckDecideAlike(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	r := rand.New(rand.NewPCG(1, 2))
	failure := errors.New("rolled back")
	refusals := 0
	for range 100 {
		of, charges := uuid.New(), ratelimit.Charge{Limit: limit("a", 1+r.IntN(20)), Count: 1 + r.IntN(12)}
		charges.Subject = of
		if minutes := r.IntN(4); minutes > 0 {
			if _, err := db.Exec(t.Context(), `
				insert into rate_limit (name, subject, untils, ns, until)
				select 'a', $1, array_agg(m.until order by m.until), array_agg(m.n order by m.until), max(m.until)
				from (select date_trunc('minute', clock_timestamp()) + ($3::int[])[i] * interval '1 minute' as until, ($4::int[])[i] as n
				      from generate_series(1, $2::int) i) m`, of, minutes,
				pq.Array([]int{-20 + r.IntN(20), 10 + r.IntN(20), 40 + r.IntN(20)}),
				pq.Array([]int{1 + r.IntN(9), 1 + r.IntN(9), 1 + r.IntN(9)})); err != nil {
				t.Fatal(err)
			}
		}
		checked, beside := ratelimit.Check(t.Context(), db, charges), checkBeside(t, db, charges)
		taken := db.InTx(t.Context(), func(tx *postgres.Tx) error {
			if err := ratelimit.Take(t.Context(), tx, charges); err != nil {
				return err
			}
			return failure
		})
		if errors.Is(taken, failure) {
			taken = nil
		}
		waits := map[time.Duration]bool{}
		for _, err := range []error{checked, beside, taken} {
			wait, refused := limited(t, err)
			if refused != (taken != nil) {
				t.Fatalf("%+v: checked %v, beside %v, taken %v", charges, checked, beside, taken)
			}
			waits[wait.Round(time.Minute)] = true
		}
		if len(waits) > 2 { // a minute may begin
			t.Errorf("%+v: checked %v, beside %v, taken %v", charges, checked, beside, taken)
		}
		if taken != nil {
			refusals++
		}
	}
	if refusals < 20 || refusals > 80 {
		t.Errorf("%d of 100 were refused", refusals)
	}
}

func TestEveryExceededLimitIsReported(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	index := 3
	charges := []ratelimit.Charge{
		{Limit: limit("a", 1), Subject: uuid.New(), Count: 1},
		{Limit: limit("a", 1), Subject: uuid.New(), Count: 2},
		{Limit: limit("b", 5), Subject: ratelimit.HashSubject(key, "zoe@new.example"), Count: 6, Label: "Zoe", Email: "zoe@new.example", Index: &index, InputPath: []any{"emails", 3}},
	}
	for _, err := range []error{take(t.Context(), db, charges...), ratelimit.Check(t.Context(), db, charges...), checkBeside(t, db, charges...)} {
		var got fault.List
		if !errors.As(err, &got) {
			t.Fatal(err)
		}
		want := fault.List{
			{Code: fault.RateLimited, Reason: "a", Message: "There can be 1 in an hour. Nothing was done.", Remedy: "Send a smaller request.", Retry: new(false)},
			{Code: fault.RateLimited, Reason: "b", Message: "Zoe: There can be 5 in an hour. Nothing was done.", Remedy: "Send a smaller request.", Retry: new(false),
				Email: "zoe@new.example", Index: &index, InputPath: []any{"emails", 3}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	var used int
	if err := db.Get(t.Context(), &used, `select count(*) from rate_limit`); err != nil || used != 0 {
		t.Errorf("%d were used, %v", used, err)
	}
}

// checkBeside checks charges in a statement that reads more.
func checkBeside(t *testing.T, db *postgres.DB, charges ...ratelimit.Charge) error {
	t.Helper()
	var read struct {
		More   int    `db:"more"`
		Excess []byte `db:"excess"`
	}
	sent := func(subjects string) string { return subjects }
	err := db.Get(t.Context(), &read, `select $1::int as more, `+ratelimit.ExcessColumn(2, sent)+` as excess`, append([]any{6}, ratelimit.Arguments(charges...)...)...)
	if err != nil || read.More != 6 {
		t.Fatal(read.More, err)
	}
	return excessOf(t, read.Excess).Check(charges...)
}

func excessOf(t *testing.T, column []byte) (excess ratelimit.Excess) {
	t.Helper()
	if column != nil {
		if err := json.Unmarshal(column, &excess); err != nil {
			t.Fatal(err)
		}
	}
	return excess
}

// A subject within another one has a counter of its own, which a statement finds that is
// given the subject alone, and knows what it is within.
func TestSubjectsWithinOthersCountByThemselves(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	subjects, within := []uuid.UUID{uuid.New(), uuid.New()}, []uuid.UUID{uuid.Nil, uuid.New(), uuid.New()}
	charge := func(within uuid.UUID, counts ...int) (charges []ratelimit.Charge) {
		for i, n := range counts {
			charges = append(charges, ratelimit.Charge{Limit: limit("a", 2), Subject: subjects[i], Within: within, Count: n, Label: fmt.Sprint(i)})
		}
		return charges
	}
	if err := take(t.Context(), db, charge(within[1], 1, 2)...); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "1: There can be 2 in an hour. Nothing was done.", ""} {
		var excess []byte
		if err := db.Get(t.Context(), &excess, `select `+ratelimit.ExcessColumn(2, func(subjects string) string {
			return `case when $1::uuid = '` + uuid.Nil.String() + `' then ` + subjects + ` else ` + ratelimit.SubjectsWithin(subjects, "$1::uuid") + ` end`
		}), append([]any{within[i]}, ratelimit.Arguments(charge(uuid.Nil, 1, 1)...)...)...); err != nil {
			t.Fatal(err)
		}
		charges := charge(within[i], 1, 1)
		for _, err := range []error{ratelimit.Check(t.Context(), db, charges...), excessOf(t, excess).Check(charges...)} {
			var refused fault.List
			if errors.As(err, &refused); (want == "") != (err == nil) || want != "" && (len(refused) != 1 || refused[0].Message != want) {
				t.Errorf("within %d: %v", i, err)
			}
		}
	}
}

// A subject never changes: otherwise its uses would be lost.
func TestHashSubjectIsStableAndUnique(t *testing.T) {
	t.Parallel()
	if got := ratelimit.HashSubject(key, "zoe@new.example").String(); got != "309669d0-1574-8549-8272-6964c781b062" {
		t.Errorf("the subject has changed: %s", got)
	}
	seen := map[uuid.UUID][]string{}
	for _, of := range [][]string{{"abc"}, {"ab", "c"}, {"a", "bc"}, {"a", "b", "c"}, {"c", "ab"}} {
		s := ratelimit.HashSubject(key, of...)
		if other, taken := seen[s]; taken {
			t.Errorf("%q and %q have the same subject", of, other)
		}
		seen[s] = of
	}
}

// Transactions with the same subjects in other orders neither deadlock nor lose
// uses, and do not fill the server's table of locks.
func TestTakeOfManySubjectsDoesNotDeadlock(t *testing.T) {
	t.Parallel()
	db := schematest.New(t)
	const sets, most, rounds, askers = 60, 1_000_000, 30, 12
	subjects := make([]uuid.UUID, sets)
	for i := range subjects {
		subjects[i] = uuid.New()
	}
	var asking sync.WaitGroup
	for seed := range uint64(askers) {
		asking.Go(func() {
			r := rand.New(rand.NewPCG(1, seed))
			for range rounds {
				charges := make([]ratelimit.Charge, sets)
				for i, of := range r.Perm(sets) {
					charges[i] = ratelimit.Charge{Limit: limit(string('a'+rune(of%3)), most), Subject: subjects[of], Count: 1}
				}
				err := db.InTx(t.Context(), func(tx *postgres.Tx) error {
					if err := ratelimit.Take(t.Context(), tx, charges...); err != nil {
						return err
					}
					var locks int
					if err := tx.Get(t.Context(), &locks, `select count(*) from pg_locks where pid = pg_backend_pid()`); err != nil || locks > 10 {
						t.Errorf("%d locks, %v", locks, err)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	asking.Wait()
	var wrong int
	if err := db.Get(t.Context(), &wrong, `select count(*) from rate_limit where (select sum(n) from unnest(ns) n) <> $1`, rounds*askers); err != nil || wrong != 0 {
		t.Errorf("%d subjects were counted wrong, %v", wrong, err)
	}
}
