package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/networktest"
)

// Every call ends, also when the network stalls in the middle of it.
func TestStalledNetwork(t *testing.T) {
	dsn := newDatabase(t)
	var calls sync.WaitGroup
	for name, call := range map[string]func(ctx context.Context, db *postgres.DB, stall func()) error{
		"a statement": func(ctx context.Context, db *postgres.DB, stall func()) error {
			stall()
			return db.Ping(ctx)
		},
		"one with arguments": func(ctx context.Context, db *postgres.DB, stall func()) error {
			stall()
			_, err := db.Exec(ctx, `select $1::int`, 1)
			return err
		},
		"one that is prepared": func(ctx context.Context, db *postgres.DB, stall func()) error {
			var n int
			if err := db.Get(ctx, &n, `select $1::int`, 1); err != nil {
				return err
			}
			stall()
			return db.Get(ctx, &n, `select $1::int`, 1)
		},
		"the beginning of a transaction": func(ctx context.Context, db *postgres.DB, stall func()) error {
			stall()
			return db.InTx(ctx, func(*postgres.Tx) error { return nil })
		},
		"a statement of a transaction": func(ctx context.Context, db *postgres.DB, stall func()) error {
			return db.InTx(ctx, func(tx *postgres.Tx) error {
				stall()
				return tx.Get(ctx, new(int), `select $1::int`, 1)
			})
		},
		"a commit": func(ctx context.Context, db *postgres.DB, stall func()) error {
			return db.InTx(ctx, func(tx *postgres.Tx) error {
				err := tx.Get(ctx, new(int), `select $1::int`, 1)
				stall()
				return err
			})
		},
	} {
		n, through := networktest.New(t, dsn)
		db := open(t, through+" connect_timeout=5", postgres.Options{})
		if err := db.Ping(withPatience(t)); err != nil {
			t.Fatal(err)
		}
		calls.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- call(ctx, db, n.Stall) }()
			select {
			case err := <-ended:
				if err == nil || !postgres.IsUnavailable(err) {
					t.Errorf("%s: %v", name, err)
				}
			case <-time.After(patience):
				t.Errorf("%s hangs", name)
				n.Flow()
				<-ended
			}
			n.Flow()
			if err := db.Ping(withPatience(t)); err != nil {
				t.Errorf("%s: when it flows again: %v", name, err)
			}
		})
	}
	calls.Wait()
}
