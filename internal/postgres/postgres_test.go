package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/networktest"
)

func itoa(n int) string { return strconv.Itoa(n) }

// newNotes is a database with an empty table note.
func newNotes(t testing.TB) (dsn string, direct *sql.DB) {
	t.Helper()
	dsn = newDatabase(t)
	direct = connect(t, dsn)
	execute(t, direct, `create table note (text text)`)
	return dsn, direct
}

func notes(t testing.TB, db *sql.DB) string {
	t.Helper()
	return read[string](t, db, `select coalesce(string_agg(text, ' ' order by text), '') from note`)
}

func write(ctx context.Context, q postgres.Querier, text string) error {
	_, err := q.Exec(ctx, `insert into note values ($1)`, text)
	return err
}

func TestInTx(t *testing.T) {
	dsn, direct := newNotes(t)
	db := open(t, dsn, postgres.Options{})
	ctx := withPatience(t)
	failure := errors.New("on purpose")

	if err := db.InTx(ctx, func(tx *postgres.Tx) error {
		if err := write(ctx, tx, "committed"); err != nil {
			return err
		}
		if got := notes(t, direct); got != "" {
			t.Errorf("others see %q before the commit", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}

	if err := db.InTx(ctx, func(tx *postgres.Tx) error {
		return errors.Join(write(ctx, tx, "failed"), failure)
	}); !errors.Is(err, failure) {
		t.Errorf("%v, want the error of what was done", err)
	}

	func() {
		defer func() {
			if recover() != failure {
				t.Error("the panic was swallowed")
			}
		}()
		_ = db.InTx(ctx, func(tx *postgres.Tx) error {
			if err := write(ctx, tx, "panicked"); err != nil {
				t.Error(err)
			}
			panic(failure)
		})
	}()

	ending, end := context.WithCancel(ctx)
	if err := db.InTx(ending, func(tx *postgres.Tx) error {
		err := write(ending, tx, "ended")
		end()
		return err
	}); err == nil {
		t.Error("a transaction whose context has ended reports success")
	}

	// Each has given its connection back: the pool has but one.
	if err := write(ctx, db, "after"); err != nil {
		t.Error(err)
	}
	if got, want := notes(t, direct), "after committed"; got != want {
		t.Errorf("stored: %s; want %s", got, want)
	}
}

// A transaction that finds its commit refused was not carried out.
func TestCommitRefused(t *testing.T) {
	dsn, direct := newNotes(t)
	execute(t, direct, `alter table note add constraint note_once unique (text) deferrable initially deferred`)
	db := open(t, dsn, postgres.Options{})
	ctx := withPatience(t)
	err := db.InTx(ctx, func(tx *postgres.Tx) error {
		return errors.Join(write(ctx, tx, "twice"), write(ctx, tx, "twice"))
	})
	if refused := pq.As(err, pqerror.UniqueViolation); refused == nil || refused.Constraint != "note_once" {
		t.Errorf("%v", err)
	}
	if err := write(ctx, db, "after"); err != nil {
		t.Error(err)
	}
	if got := notes(t, direct); got != "after" {
		t.Errorf("stored: %s", got)
	}
}

// A commit whose answer is lost may have been carried out, and says so.
func TestCommitWhoseAnswerIsLost(t *testing.T) {
	dsn, direct := newNotes(t)
	n, through := networktest.New(t, dsn)
	db := open(t, through, postgres.Options{})
	ctx := withPatience(t)
	n.LoseAnswer("kept", networktest.Commit)
	err := db.InTx(ctx, func(tx *postgres.Tx) error { return write(ctx, tx, "kept") })
	if !errors.Is(err, postgres.ErrCommitUnknown) || !postgres.IsUnavailable(err) {
		t.Errorf("%v", err)
	}
	if got := notes(t, direct); got != "kept" {
		t.Errorf("stored: %s", got)
	}
	n.LoseAnswer("", "lost")
	err = db.InTx(ctx, func(tx *postgres.Tx) error { return write(ctx, tx, "lost") })
	if err == nil || errors.Is(err, postgres.ErrCommitUnknown) {
		t.Errorf("lost before the commit: %v", err)
	}
	if got := notes(t, direct); got != "kept" {
		t.Errorf("stored: %s", got)
	}
}

const writeOne = `insert into note values ($1) returning text`

// A statement that commits by itself is sent once. Where its answer is lost, it may have
// been carried out, and says so.
func TestGetWriting(t *testing.T) {
	dsn, direct := newNotes(t)
	n, through := networktest.New(t, dsn)
	db := open(t, through, postgres.Options{MaxConnections: 1})
	ctx := withPatience(t)
	write := func(text string) error { return db.GetWriting(ctx, nil, new(string), writeOne, text) }
	if err := write("first"); err != nil {
		t.Fatal(err)
	}
	n.LoseAnswer("", "kept")
	if err := write("kept"); !errors.Is(err, postgres.ErrCommitUnknown) {
		t.Errorf("lost: %v", err)
	}
	execute(t, direct, `alter table note add constraint note_short check (length(text) < 10)`)
	if err := write("much too long"); pq.As(err, pqerror.CheckViolation) == nil || errors.Is(err, postgres.ErrCommitUnknown) {
		t.Errorf("refused: %v", err)
	}
	if got := notes(t, direct); got != "first kept" {
		t.Errorf("stored: %s", got)
	}
}

// A connection that the server has closed is not used any more: a statement that is sent
// through it would be lost, and nobody would know whether it was carried out.
func TestClosedConnectionsAreNotUsed(t *testing.T) {
	dsn, direct := newNotes(t)
	db := open(t, dsn, postgres.Options{MaxConnections: 1})
	ctx := withPatience(t)
	for range 20 {
		var pid int
		if err := db.Get(ctx, &pid, `select pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
		// The server has said that the connection ends before its row is gone.
		execute(t, direct, fmt.Sprintf(`
			do $$ begin
				perform pg_terminate_backend(%d);
				while exists (select from pg_stat_activity where pid = %[1]d) loop perform pg_stat_clear_snapshot(); end loop;
			end $$`, pid))
		if err := db.GetWriting(ctx, nil, new(string), writeOne, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if got := read[int](t, direct, `select count(*) from note`); got != 20 {
		t.Errorf("%d notes", got)
	}
}

// The recipes against races need READ COMMITTED, also where the database has
// another default.
func TestReadCommitted(t *testing.T) {
	dsn, direct := newNotes(t)
	execute(t, direct, `do $$ begin execute format('alter database %I set default_transaction_isolation = serializable', current_database()); end $$`)
	ctx := withPatience(t)
	var level string
	if err := open(t, dsn, postgres.Options{}).GetWriting(ctx, nil, &level, `select current_setting('transaction_isolation')`); err != nil || level != "read committed" {
		t.Errorf("one statement: %s %v", level, err)
	}
	if err := open(t, dsn, postgres.Options{}).InTx(ctx, func(tx *postgres.Tx) error {
		return tx.Get(ctx, &level, `show transaction_isolation`)
	}); err != nil {
		t.Fatal(err)
	}
	if level != "read committed" {
		t.Errorf("transactions are %s", level)
	}
}

func TestQuerier(t *testing.T) {
	dsn, _ := newNotes(t)
	db := open(t, dsn, postgres.Options{})
	ctx := withPatience(t)
	use := func(t *testing.T, q postgres.Querier) {
		t.Helper()
		if n, err := q.Exec(ctx, `insert into note values ($1), ($2)`, "a", "b"); n != 2 || err != nil {
			t.Errorf("Exec gives %d, %v", n, err)
		}
		var list []string
		if err := q.Select(ctx, &list, `select text from note where text <= $1 order by text`, "b"); err != nil || !cmp.Equal(list, []string{"a", "b"}) {
			t.Errorf("Select gives %q, %v", list, err)
		}
		var one string
		if err := q.Get(ctx, &one, `select text from note where text > $1`, "a"); one != "b" || err != nil {
			t.Errorf("Get gives %q, %v", one, err)
		}
		if err := q.Get(ctx, &one, `select text from note where text > $1`, "b"); !errors.Is(err, sql.ErrNoRows) {
			t.Errorf("Get of no row gives %v", err)
		}
		if n, err := q.Exec(ctx, `delete from note where $1`, true); n != 2 || err != nil {
			t.Errorf("Exec gives %d, %v", n, err)
		}
	}
	use(t, db)
	if err := db.InTx(ctx, func(tx *postgres.Tx) error { use(t, tx); return nil }); err != nil {
		t.Error(err)
	}
	id := uuid.New()
	for wanted, want := range map[bool]map[uuid.UUID]int{true: {id: 3}, false: nil} {
		counts, err := postgres.Counts(ctx, db, wanted, `select $1::uuid as id, 3 as n`, id)
		if diff := cmp.Diff(want, counts); diff != "" || err != nil {
			t.Errorf("wanted: %t, %v %s", wanted, err, diff)
		}
	}
}

func TestCounting(t *testing.T) {
	dsn, _ := newNotes(t)
	db := open(t, dsn, postgres.Options{})
	ctx, n := postgres.WithStatementCount(withPatience(t))
	var list []string
	for want, do := range map[int64]func() error{
		1: func() error { return write(ctx, db, "a") },
		4: func() error {
			return db.InTx(ctx, func(tx *postgres.Tx) error {
				return errors.Join(write(ctx, tx, "b"), tx.Select(ctx, &list, `select text from note where $1`, true))
			})
		},
	} {
		n.Store(0)
		if err := do(); err != nil || n.Load() != want {
			t.Errorf("counted %d, want %d (%v)", n.Load(), want, err)
		}
	}
}

// plans is how often a connection has run each of its prepared statements that
// has a mark in its text.
func plans(t *testing.T, db *postgres.DB, mark string) []int {
	t.Helper()
	var runs []int
	if err := db.Select(withPatience(t), &runs, `
		select generic_plans + custom_plans from pg_prepared_statements
		where statement like '%/* ' || $1 || ' */%' order by prepare_time`, mark); err != nil {
		t.Fatal(err)
	}
	return runs
}

func TestPreparedOnce(t *testing.T) {
	dsn, _ := newNotes(t)
	db := open(t, dsn, postgres.Options{})
	ctx := withPatience(t)
	use := func(q postgres.Querier) {
		t.Helper()
		var n int
		for range 3 {
			if err := q.Get(ctx, &n, `select $1::int /* read */`, 7); n != 7 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if _, err := q.Exec(ctx, `insert into note values ($1) /* write */`, "a"); err != nil {
				t.Error(err)
			}
		}
	}
	use(db)
	if err := db.InTx(ctx, func(tx *postgres.Tx) error { use(tx); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, mark := range []string{"read", "write"} {
		if got := plans(t, db, mark); !cmp.Equal(got, []int{6}) {
			t.Errorf("the runs of each statement of %q: %v; want 6 of one", mark, got)
		}
	}
}

// A statement whose preparation or run fails is not spoilt for the next time.
func TestPreparedAfterAnError(t *testing.T) {
	dsn, direct := newNotes(t)
	db := open(t, dsn, postgres.Options{})
	ctx := withPatience(t)
	const query = `select count(*) from later where text = $1`
	var n int
	if err := db.Get(ctx, &n, query, "a"); pq.As(err, pqerror.UndefinedTable) == nil {
		t.Fatalf("%v", err)
	}
	execute(t, direct, `create table later (text text)`)
	if err := db.Get(ctx, &n, query, "a"); err != nil {
		t.Error(err)
	}
	for text, fails := range map[string]bool{"1": false, "one": true} {
		if err := db.Get(ctx, &n, `select $1::text::int`, text); (err != nil) != fails {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := db.Get(ctx, &n, `select $1::text::int`, "2"); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// Queries are constants; a program that makes them up loses speed, not its
// database.
func TestConnectionIsNotFilledWithStatements(t *testing.T) {
	db := open(t, newDatabase(t), postgres.Options{})
	ctx := withPatience(t)
	for i := range 450 {
		var n, prepared int
		if err := db.Get(ctx, &n, `select $1::int + `+itoa(i), 1); n != 1+i || err != nil {
			t.Fatalf("%d: %d, %v", i, n, err)
		}
		if i == 420 {
			// The limit is no reason to fail, in a transaction least of all.
			if err := db.InTx(ctx, func(tx *postgres.Tx) error {
				for i := range 250 {
					if err := tx.Get(ctx, &n, `select $1::int - `+itoa(i), i); n != 0 || err != nil {
						t.Errorf("in a transaction: %d, %v", n, err)
					}
				}
				return nil
			}); err != nil {
				t.Errorf("in a transaction: %v", err)
			}
		}
		if i%50 == 0 {
			if err := db.Get(ctx, &prepared, `select count(*) from pg_prepared_statements`); prepared > 201 || err != nil {
				t.Errorf("%d statements are prepared, %v", prepared, err)
			}
		}
	}
}

// A migration beneath a gateway that runs.
func TestChangedTable(t *testing.T) {
	dsn, direct := newNotes(t)
	execute(t, direct, `insert into note values ('a')`)
	db := open(t, dsn, postgres.Options{})
	ctx := withPatience(t)
	type note struct {
		Text string
		More *int
	}
	find := func(q postgres.Querier) (n note, err error) {
		err = q.Get(ctx, &n, `select * from note where text = $1`, "a")
		return n, err
	}
	findInTx := func() (n note, err error) {
		err = db.InTx(ctx, func(tx *postgres.Tx) error { n, err = find(tx); return err })
		return n, err
	}
	findAtOnce := func() (note, error) { return find(db) }
	if _, err := findAtOnce(); err != nil {
		t.Fatal(err)
	}
	for name, find := range map[string]func() (note, error){"at once": findAtOnce, "in a transaction": findInTx} {
		t.Run(name, func(t *testing.T) {
			execute(t, direct, `alter table note drop column if exists more`)
			if _, err := find(); err != nil {
				t.Logf("once: %v", err)
			}
			if _, err := find(); err != nil {
				t.Errorf("before: %v", err)
			}
			execute(t, direct, `alter table note add column more int default 7`)
			if _, err := find(); err != nil {
				t.Logf("once: %v", err)
			}
			for range 3 {
				if n, err := find(); err != nil || n.More == nil || *n.More != 7 {
					t.Errorf("%v, %v", n, err)
				}
			}
		})
	}
}

// lib/pq loses its place in the stream at an error of this length.
func TestOverlongServerError(t *testing.T) {
	dsn := newDatabase(t)
	long := strings.Repeat("x", 40_000)
	for name, fail := range map[string]func(context.Context, postgres.Querier) error{
		"Get": func(ctx context.Context, q postgres.Querier) error {
			return q.Get(ctx, new(string), `select $1::text::uuid`, long)
		},
		"Select": func(ctx context.Context, q postgres.Querier) error {
			return q.Select(ctx, new([]string), `select $1::text::uuid`, long)
		},
		"Exec": func(ctx context.Context, q postgres.Querier) error {
			_, err := q.Exec(ctx, `select $1::text::uuid`, long)
			return err
		},
		"Exec without arguments": func(ctx context.Context, q postgres.Querier) error {
			_, err := q.Exec(ctx, `select '`+long+`'::text::uuid`)
			return err
		},
		"Select without arguments": func(ctx context.Context, q postgres.Querier) error {
			return q.Select(ctx, new([]string), `select '`+long+`'::text::uuid`)
		},
		"while preparing": func(ctx context.Context, q postgres.Querier) error {
			return q.Get(ctx, new(string), `select '`+long+`'::uuid, $1::int`, 1)
		},
		"after some rows": func(ctx context.Context, q postgres.Querier) error {
			return q.Select(ctx, new([]string), `
				select (case when n < 1000 then gen_random_uuid()::text else $1 end)::uuid from generate_series(1, 1000) n`, long)
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, dsn, postgres.Options{})
			ctx := withPatience(t)
			works := func(q postgres.Querier) error {
				var n int
				err := q.Get(ctx, &n, `select $1::int`, 7)
				if err == nil && n != 7 {
					err = fmt.Errorf("the answer is of another question: %d", n)
				}
				return err
			}
			wantWorking := func() {
				t.Helper()
				if err := works(db); err != nil {
					t.Errorf("the next query: %v", err)
				}
			}
			wantWorking()
			allocated := allocations()
			if err := fail(ctx, db); err == nil {
				t.Error("there is no error")
			}
			wantWorking()

			if err := db.InTx(ctx, func(tx *postgres.Tx) error { return fail(ctx, tx) }); err == nil {
				t.Error("there is no error in a transaction")
			}
			wantWorking()

			if err := db.InTx(ctx, func(tx *postgres.Tx) error {
				_ = fail(ctx, tx)
				if err := works(tx); err == nil {
					t.Error("a transaction goes on after an error")
				}
				return nil
			}); err == nil {
				t.Error("a transaction that failed is committed")
			}
			wantWorking()
			if ctx.Err() != nil {
				t.Error("something hung")
			}
			// Words taken for a length ask for a gigabyte.
			if octets := allocations() - allocated; octets > 256<<20 {
				t.Errorf("%d octets were allocated", octets)
			}
		})
	}
}

func allocations() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func TestStatementTimeout(t *testing.T) {
	dsn := newDatabase(t)
	// Longer than a statement that does nothing takes on a busy machine.
	db := open(t, dsn, postgres.Options{StatementTimeout: time.Second})
	ctx := withPatience(t)
	_, err := db.Exec(ctx, `select pg_sleep($1)`, 600)
	if pq.As(err, pqerror.QueryCanceled) == nil || !postgres.IsUnavailable(err) {
		t.Errorf("%v, unavailable: %t", err, postgres.IsUnavailable(err))
	}
	if ctx.Err() != nil {
		t.Error("it was not the server that ended it")
	}
	if err := db.Ping(withPatience(t)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestContextEndsStatement(t *testing.T) {
	db := open(t, newDatabase(t), postgres.Options{})
	for name, query := range map[string]func(context.Context) error{
		"with arguments":    func(ctx context.Context) error { _, err := db.Exec(ctx, `select pg_sleep($1)`, 600); return err },
		"without arguments": func(ctx context.Context) error { _, err := db.Exec(ctx, `select pg_sleep(600)`); return err },
		"in a transaction": func(ctx context.Context) error {
			return db.InTx(ctx, func(tx *postgres.Tx) error { _, err := tx.Exec(ctx, `select pg_sleep($1)`, 600); return err })
		},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after int
			if err := db.Get(withPatience(t), &before, `select pg_backend_pid()`); err != nil {
				t.Fatal(err)
			}
			// Within this time the statement begins, on a busy machine too.
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if err := query(ctx); err == nil || !postgres.IsUnavailable(err) {
				t.Errorf("%v", err)
			}
			// What cut off one statement must not reach the next.
			if err := db.Get(withPatience(t), &after, `select pg_backend_pid()`); err != nil || after == before {
				t.Errorf("afterwards: connection %d, before %d, %v", after, before, err)
			}
		})
	}
}

func TestFullPool(t *testing.T) {
	const places = 2
	db := open(t, newDatabase(t), postgres.Options{MaxConnections: places})
	ctx := withPatience(t)
	free, done := make(chan struct{}), make(chan error, places)
	taken := make(chan struct{})
	for range places {
		go func() {
			done <- db.InTx(ctx, func(*postgres.Tx) error {
				taken <- struct{}{}
				<-free
				return nil
			})
		}()
		<-taken
	}

	impatient, cancel := context.WithCancel(ctx)
	cancel()
	if err := db.Ping(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("who waits for a place and leaves: %v", err)
	}
	var callers sync.WaitGroup
	for name, call := range map[string]func() error{
		"Get":    func() error { return db.Get(ctx, new(int), `select 1`) },
		"Select": func() error { return db.Select(ctx, new([]int), `select 1`) },
		"Exec":   func() error { return db.Ping(ctx) },
		"InTx":   func() error { return db.InTx(ctx, func(*postgres.Tx) error { return nil }) },
	} {
		callers.Go(func() {
			if err := call(); !errors.Is(err, postgres.ErrPoolFull) || !postgres.IsUnavailable(err) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	callers.Wait()
	close(free)
	for range places {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := db.Ping(ctx); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// Patient calls leave room for the others, and wait for their own.
func TestBackgroundPriority(t *testing.T) {
	db := open(t, newDatabase(t), postgres.Options{MaxConnections: 4})
	ctx := withPatience(t)
	patient := postgres.WithBackgroundPriority(ctx)
	free, first, second := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	taken := make(chan struct{})
	go func() {
		first <- db.InTx(patient, func(*postgres.Tx) error {
			close(taken)
			<-free
			return nil
		})
	}()
	<-taken
	leaving, leave := context.WithCancel(patient)
	leave()
	if err := db.Ping(leaving); !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves: %v", err)
	}
	brief, cancel := context.WithTimeout(patient, 10*time.Millisecond)
	defer cancel()
	if err := db.Ping(brief); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who has little time: %v", err)
	}
	go func() { second <- db.Ping(patient) }()
	if err := db.Ping(ctx); err != nil {
		t.Errorf("who is not patient: %v", err)
	}
	select {
	case err := <-second:
		t.Errorf("a patient call took more than a quarter: %v", err)
	default:
	}
	close(free)
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	if err := db.Ping(patient); err != nil {
		t.Error(err)
	}
}

// Requests without an account share a tenth of the pool, and each has one connection.
func TestPublicPriority(t *testing.T) {
	db := open(t, newDatabase(t), postgres.Options{MaxConnections: 20})
	ctx := withPatience(t)
	one, other, third := postgres.WithPublicPriority(ctx), postgres.WithPublicPriority(ctx), postgres.WithPublicPriority(ctx)
	free, taken, done := make(chan struct{}), make(chan struct{}), make(chan error, 2)
	hold := func(ctx context.Context) {
		done <- db.InTx(ctx, func(*postgres.Tx) error {
			taken <- struct{}{}
			<-free
			return nil
		})
	}
	wait := func(what string, ctx context.Context) {
		brief, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		if err := db.Ping(brief); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
	}
	go hold(one)
	<-taken
	wait("a second connection of one request", one)
	if err := db.Ping(other); err != nil {
		t.Errorf("another request: %v", err)
	}
	go hold(other)
	<-taken
	wait("a third request", third)
	if err := db.Ping(third); !errors.Is(err, postgres.ErrPoolFull) {
		t.Errorf("a third request that waits: %v", err)
	}
	if err := db.Ping(ctx); err != nil {
		t.Errorf("a person with an account: %v", err)
	}
	close(free)
	if err := errors.Join(<-done, <-done); err != nil {
		t.Error(err)
	}
	for _, ctx := range []context.Context{one, other, third} {
		if err := db.Ping(ctx); err != nil {
			t.Error(err)
		}
	}
}

// A call without a deadline gets one.
func TestNoDeadline(t *testing.T) {
	n, dsn := networktest.New(t, newDatabase(t))
	db := open(t, dsn+" connect_timeout=5", postgres.Options{MaxConnections: 1, StatementTimeout: time.Second})
	if err := db.Ping(withPatience(t)); err != nil {
		t.Fatal(err)
	}
	n.Stall()
	if err := db.Ping(context.Background()); !postgres.IsUnavailable(err) {
		t.Errorf("%v", err)
	}
}

// The server ends connections when it stops, and an operator may.
func TestConnectionIsEnded(t *testing.T) {
	dsn, direct := newNotes(t)
	db := open(t, dsn, postgres.Options{})
	ctx := withPatience(t)
	pid := func() (pid int) {
		t.Helper()
		if err := db.Get(ctx, &pid, `select pg_backend_pid() where $1`, true); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	end := func(pid int) {
		t.Helper()
		execute(t, direct, `select pg_terminate_backend($1)`, pid)
		eventually(t, "the connection's end", func() bool {
			return read[int](t, direct, `select count(*) from pg_stat_activity where pid = $1`, pid) == 0
		})
	}

	before := pid()
	end(before)
	if pid() == before {
		t.Error("the connection has not ended")
	}

	err := db.InTx(ctx, func(tx *postgres.Tx) error {
		if err := write(ctx, tx, "lost"); err != nil {
			return err
		}
		var pid int
		if err := tx.Get(ctx, &pid, `select pg_backend_pid()`); err != nil {
			return err
		}
		end(pid)
		return write(ctx, tx, "lost")
	})
	if err == nil || !postgres.IsUnavailable(err) {
		t.Errorf("in a transaction: %v", err)
	}
	pid()

	if got := notes(t, direct); got != "" {
		t.Errorf("stored: %s", got)
	}
}

// A statement whose connection is ended while it runs is carried out once, or
// not at all and says so.
func TestConnectionIsEndedDuringStatement(t *testing.T) {
	dsn, direct := newNotes(t)
	db := open(t, dsn, postgres.Options{})
	ctx := withPatience(t)
	obstacle, err := direct.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := obstacle.Exec(`lock table note`); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- write(ctx, db, "once") }()
	eventually(t, "a statement to end", func() bool {
		return read[int](t, direct, `
			select count(pg_terminate_backend(pid)) from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock'`) == 1
	})
	if err := obstacle.Rollback(); err != nil {
		t.Fatal(err)
	}
	err, want := <-failed, "once"
	if err != nil {
		want = ""
		if !postgres.IsUnavailable(err) {
			t.Errorf("%v", err)
		}
	}
	if got := notes(t, direct); got != want {
		t.Errorf("stored: %q; want %q (%v)", got, want, err)
	}
}

func TestErrorsKeepThePassword(t *testing.T) {
	t.Setenv("PGCONNECT_TIMEOUT", "1")
	const password = "open-sesame"
	for name, dsn := range map[string]string{
		"no such scheme":         "mysql://me:" + password + "@localhost/db",
		"no number for a port":   "postgres://me:" + password + "@localhost:port/db",
		"an escape that is none": "postgres://me:" + password + "%zz@localhost/db",
		"a space":                "postgres://me:" + password + "@local host/db",
		"a control character":    "postgres://me:" + password + "\x7f@localhost/db",
		"a wrong mode":           "postgres://me:" + password + "@localhost/db?sslmode=perhaps",
		"a slash in it":          "postgres://me:" + password + "/more@localhost/db",
		"a wrong word":           "host=localhost password=" + password + " port=many",
		"a missing quote":        "host=localhost password='" + password,
		"a word without a value": "host=localhost password= " + password,
		"the password alone":     password,
		"nobody listens":         "postgres://me:" + password + "@127.0.0.1:1/db?sslmode=disable",
		"no such host":           "postgres://me:" + password + "@nowhere.invalid/db?sslmode=disable",
		"no such folder":         "host=/nowhere user=me password=" + password + " dbname=db",
		"no such service":        "service=nowhere password=" + password,
	} {
		t.Run(name, func(t *testing.T) {
			ctx := withPatience(t)
			for what, call := range map[string]func() error{
				"Migrate":     func() error { _, err := postgres.Migrate(ctx, dsn, ""); return err },
				"CheckSchema": func() error { return postgres.CheckSchema(ctx, dsn) },
				"Open": func() error {
					db, err := postgres.Open(dsn, postgres.Options{MaxConnections: 1, StatementTimeout: time.Second})
					if err != nil {
						return err
					}
					defer db.Close()
					err = db.Ping(ctx)
					if err != nil && !postgres.IsUnavailable(err) {
						t.Errorf("a database out of reach is not unavailable: %v", err)
					}
					return err
				},
			} {
				if err := call(); err == nil || strings.Contains(err.Error(), password) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// A refused connection is never the fault of a request.
func TestRefusedConnectionIsUnavailable(t *testing.T) {
	dsn := newDatabase(t)
	for _, wrong := range []string{" dbname=nowhere", " user=nobody"} {
		if err := open(t, dsn+wrong, postgres.Options{}).Ping(withPatience(t)); err == nil || !postgres.IsUnavailable(err) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestUnavailable(t *testing.T) {
	server := func(code pqerror.Code) error { return &pq.Error{Code: code, Message: "words"} }
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("anything"), false},
		{sql.ErrNoRows, false},
		{sql.ErrTxDone, false},
		{context.Canceled, false},
		{context.DeadlineExceeded, true},
		{postgres.ErrPoolFull, true},
		{driver.ErrBadConn, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{&net.DNSError{Name: "nowhere.invalid"}, true},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, true},

		{server(pqerror.ConnectionFailure), true},
		{server(pqerror.TooManyConnections), true},
		{server(pqerror.DiskFull), true},
		{server(pqerror.OutOfMemory), true},
		{server(pqerror.QueryCanceled), true},
		{server(pqerror.AdminShutdown), true},
		{server(pqerror.CannotConnectNow), true},
		{server(pqerror.TRSerializationFailure), true},
		{server(pqerror.TRDeadlockDetected), true},
		{server(pqerror.LockNotAvailable), true},
		{server(pqerror.ReadOnlySQLTransaction), true},
		{server(pqerror.IdleInTransactionSessionTimeout), true},
		{server(pqerror.IOError), true},

		{server(pqerror.UniqueViolation), false},
		{server(pqerror.CheckViolation), false},
		{server(pqerror.NotNullViolation), false},
		{server(pqerror.SyntaxError), false},
		{server(pqerror.UndefinedTable), false},
		{server(pqerror.InvalidTextRepresentation), false},
		{server(pqerror.FeatureNotSupported), false},
		{server(pqerror.InsufficientPrivilege), false},
		{server(pqerror.InFailedSQLTransaction), false},
		{server(pqerror.InternalError), false},
	} {
		err := test.err
		for _, around := range []string{"", "begin", "commit"} {
			if around != "" && err != nil {
				err = fmt.Errorf("%s: %w", around, err)
			}
			if got := postgres.IsUnavailable(err); got != test.want {
				t.Errorf("%v: %t", err, got)
			}
		}
	}
}

// Statements are planned once for a connection, and those of requests not to read tables
// as a whole.
func TestPlanning(t *testing.T) {
	dsn := newDatabase(t)
	for wholeTables, want := range map[bool]string{false: "force_generic_plan off off", true: "force_generic_plan on on"} {
		db := open(t, dsn, postgres.Options{WholeTables: wholeTables})
		var got string
		err := db.Get(t.Context(), &got, `select concat_ws(' ', current_setting('plan_cache_mode'), current_setting('enable_seqscan'), current_setting('jit'))`)
		if err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
}
