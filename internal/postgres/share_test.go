package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// newLockedRow is a table with a row that is locked until release.
func newLockedRow(t *testing.T) (dsn string, waiting func() int, release func()) {
	t.Helper()
	dsn = newDatabase(t)
	direct := connect(t, dsn)
	execute(t, direct, `create table held (n int)`)
	execute(t, direct, `insert into held values (0)`)
	tx, err := direct.Begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	if _, err := tx.Exec(`select from held for update`); err != nil {
		t.Fatal(err)
	}
	waiting = func() int {
		return read[int](t, direct, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`)
	}
	return dsn, waiting, func() { _ = tx.Rollback() }
}

const lockHeld = `update held set n = n + 1`

// The calls of one person take a quarter of the pool, and wait for each other.
func TestShareOfAPerson(t *testing.T) {
	dsn, waiting, release := newLockedRow(t)
	db := open(t, dsn, postgres.Options{MaxConnections: 8})
	ctx := withPatience(t)
	const calls = 10
	done := make(chan error, calls)
	for range calls {
		go func() {
			_, err := db.Exec(postgres.WithShare(ctx, "ada"), lockHeld)
			done <- err
		}()
	}
	eventually(t, "two calls that wait for the row", func() bool { return waiting() == 2 })
	for _, ctx := range []context.Context{ctx, postgres.WithShare(ctx, "vic"), postgres.WithBackgroundPriority(ctx)} {
		if err := db.Ping(ctx); err != nil {
			t.Errorf("somebody else: %v", err)
		}
	}
	if err := db.CheckReady(ctx); err != nil {
		t.Errorf("readiness: %v", err)
	}
	if taken := db.Pool().Taken; taken != 2 {
		t.Errorf("%d connections are taken", taken)
	}
	leaving, leave := context.WithCancel(postgres.WithShare(ctx, "ada"))
	leave()
	if err := db.Ping(leaving); !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves: %v", err)
	}
	release()
	for range calls {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := read[int](t, connect(t, dsn), `select n from held`); n != calls {
		t.Errorf("%d of %d calls were carried out", n, calls)
	}
}

// A call waits for its share for as long as a statement may take.
func TestShareIsWaitedForInVain(t *testing.T) {
	dsn := newDatabase(t)
	db := open(t, dsn, postgres.Options{MaxConnections: 4, StatementTimeout: time.Second})
	ctx, place := withPatience(t), uuid.New()
	ada := postgres.WithShare(ctx, "ada")
	// The server may end the transaction meanwhile, because it idles.
	_ = db.InTx(ada, func(tx *postgres.Tx) error {
		if err := tx.TakeShares(place); err != nil {
			return err
		}
		if err := db.Ping(ada); !errors.Is(err, postgres.ErrPoolFull) {
			t.Errorf("the same person: %v", err)
		}
		if err := db.InTx(ctx, func(tx *postgres.Tx) error { return tx.TakeShares(place) }); !errors.Is(err, postgres.ErrPoolFull) {
			t.Errorf("the same place: %v", err)
		}
		return nil
	})
}

// The transactions that lock one place take a quarter of the pool. The others wait
// without a connection, run again, and are all carried out.
func TestShareOfAPlace(t *testing.T) {
	dsn, waiting, release := newLockedRow(t)
	db := open(t, dsn, postgres.Options{MaxConnections: 8})
	ctx := withPatience(t)
	const transactions = 20
	one, two := uuid.New(), uuid.New()
	var begun atomic.Int64
	done := make(chan error, transactions)
	for n := range transactions {
		places := []uuid.UUID{one, two}
		if n%2 == 0 {
			slices.Reverse(places)
		}
		go func() {
			done <- db.InTx(postgres.WithShare(ctx, fmt.Sprint("person ", n)), func(tx *postgres.Tx) error {
				begun.Add(1)
				if err := tx.TakeShares(places[0]); err != nil {
					return err
				}
				if err := tx.TakeShares(places...); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, lockHeld)
				return err
			})
		}()
	}
	eventually(t, "two transactions that wait for the row, and the others for them", func() bool {
		return waiting() == 2 && begun.Load() >= transactions && db.Pool().Taken == 2
	})
	elsewhere := db.InTx(ctx, func(tx *postgres.Tx) error { return tx.TakeShares(uuid.New()) })
	if err := errors.Join(elsewhere, db.Ping(ctx)); err != nil {
		t.Errorf("who locks another place: %v", err)
	}
	release()
	for range transactions {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := read[int](t, connect(t, dsn), `select n from held`); n != transactions {
		t.Errorf("%d of %d transactions were carried out", n, transactions)
	}
}

func TestLockTimeout(t *testing.T) {
	dsn, _, release := newLockedRow(t)
	db := open(t, dsn, postgres.Options{MaxConnections: 2, LockTimeout: time.Second})
	ctx := withPatience(t)
	var calls sync.WaitGroup
	calls.Go(func() {
		if _, err := db.Exec(ctx, lockHeld); !postgres.IsLocked(err) || !postgres.IsUnavailable(err) {
			t.Errorf("a statement: %v", err)
		}
	})
	calls.Go(func() {
		err := db.InTx(ctx, func(tx *postgres.Tx) error {
			_, err := tx.Exec(ctx, lockHeld)
			return err
		})
		if !postgres.IsLocked(err) || !postgres.IsUnavailable(err) {
			t.Errorf("a transaction: %v", err)
		}
	})
	calls.Wait()
	release()
	if _, err := db.Exec(ctx, lockHeld); err != nil {
		t.Error(err)
	}
}
