package ratelimit_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/schematest"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
)

func TestMain(m *testing.M) { schematest.Main(m) }

func limit(name string, most int) ratelimit.Limit {
	return ratelimit.Limit{Name: name, Most: most, Says: "There can be %d in an hour."}
}

func take(ctx context.Context, db *postgres.DB, charges ...ratelimit.Charge) error {
	return db.InTx(ctx, func(tx *postgres.Tx) error { return ratelimit.Take(ctx, tx, charges...) })
}

// limited reports whether an error is the refusal, and how long to wait.
func limited(t *testing.T, err error) (wait time.Duration, refused bool) {
	t.Helper()
	var f *fault.Fault
	if !errors.As(err, &f) {
		if err != nil {
			t.Fatal(err)
		}
		return 0, false
	}
	if f.Code != fault.RateLimited || f.Remedy == "" || !strings.HasPrefix(f.Message, "There can be ") {
		t.Errorf("%+v", f)
	}
	return f.RetryAfter, true
}

// However many ask at once, exactly as many get it as may.
func TestExactAtOnce(t *testing.T) {
	db := schematest.New(t)
	one, two := uuid.New(), uuid.New()
	const askers, most = 60, 20
	for n := range 5 {
		var taken atomic.Int64
		var asking sync.WaitGroup
		for k := range askers {
			asking.Go(func() {
				// Two limits, named in either order, are no circle to wait in.
				charges := []ratelimit.Charge{{Limit: limit("a", most*(n+1)), Of: one, N: 1}, {Limit: limit("b", 1000), Of: two, N: 1}}
				if k%2 == 0 {
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
		// All or nothing: the other limit was used as often, and not more.
		var used int
		if err := db.Get(t.Context(), &used, `select sum(n)::int from rate_limit_use where name = 'b'`); err != nil || used != most*(n+1) {
			t.Fatalf("round %d: the other was used %d times, %v", n, used, err)
		}
	}
}

func TestWhatCountsAndForHowLong(t *testing.T) {
	db := schematest.New(t)
	ctx := t.Context()
	of := uuid.New()
	charge := func(n int) ratelimit.Charge { return ratelimit.Charge{Limit: limit("a", 10), Of: of, N: n} }
	minutesAgo := func(n, minutes int) {
		t.Helper()
		if _, err := db.Exec(ctx, `insert into rate_limit_use (name, subject, until, n)
			values ('a', $1, date_trunc('minute', clock_timestamp()) + interval '61 minutes' - $2 * interval '1 minute', $3)`, of, minutes, n); err != nil {
			t.Fatal(err)
		}
	}
	minutesAgo(100, 61) // over
	minutesAgo(4, 50)
	minutesAgo(3, 30)
	minutesAgo(2, 10)
	between := func(what string, err error, least, most time.Duration) {
		t.Helper()
		wait, refused := limited(t, err)
		if !refused || wait < least || wait > most {
			t.Errorf("%s: refused %t, for %v", what, refused, wait)
		}
	}
	between("as much as the oldest frees", take(ctx, db, charge(5)), 10*time.Minute, 11*time.Minute)
	between("a little more", take(ctx, db, charge(6)), 30*time.Minute, 31*time.Minute)
	between("as much as there is", take(ctx, db, charge(10)), 50*time.Minute, 51*time.Minute)
	between("more than there ever is", take(ctx, db, charge(11)), 0, 0)
	if _, refused := limited(t, take(ctx, db, charge(1))); refused {
		t.Error("the last one was refused")
	}
	between("nothing is left", take(ctx, db, charge(1)), 10*time.Minute, 11*time.Minute)
	// Whoever asks uses nothing.
	other := ratelimit.Charge{Limit: limit("a", 1), Of: uuid.New(), N: 1}
	for range 3 {
		faults, err := ratelimit.Check(ctx, db, other, charge(1))
		if err != nil || faults[0] != nil || faults[1] == nil {
			t.Fatalf("%v %v", faults, err)
		}
	}
	if err := ratelimit.Refuse(ctx, db, other); err != nil {
		t.Error(err)
	}
	// What is rolled back was not used.
	failure := errors.New("failure")
	if err := db.InTx(ctx, func(tx *postgres.Tx) error { return errors.Join(ratelimit.Take(ctx, tx, other), failure) }); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	if _, refused := limited(t, take(ctx, db, other)); refused {
		t.Error("what was rolled back counts")
	}
	if n, err := ratelimit.Forget(ctx, db); n != 1 || err != nil {
		t.Errorf("%d forgotten, %v", n, err)
	}
}
