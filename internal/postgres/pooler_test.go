//go:build pgbouncer

package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/networktest"
	"alphacruncher.com/datahub-gateway/internal/postgres/pgbouncertest"
	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
)

// How PgBouncer meets startup parameters that it does not know.
var poolers = map[string]struct{ mode, setting string }{
	"transactions, parameters refused": {pgbouncertest.Transaction, ""},
	"transactions, parameters ignored": {pgbouncertest.Transaction, "ignore_startup_parameters = datahub.direct, default_transaction_isolation, plan_cache_mode, enable_seqscan, jit, statement_timeout, lock_timeout, idle_in_transaction_session_timeout"},
	"sessions, parameters refused":     {pgbouncertest.Session, ""},
	"sessions, parameters ignored":     {pgbouncertest.Session, "ignore_startup_parameters = datahub.direct, default_transaction_isolation, plan_cache_mode, enable_seqscan, jit, statement_timeout, lock_timeout, idle_in_transaction_session_timeout"},
}

// Every client numbers its statements from one: where a name belonged to a
// connection of the server, clients would run each other's statements.
func TestPoolerMixesNoStatements(t *testing.T) {
	for name, pooler := range poolers {
		t.Run(name, func(t *testing.T) {
			ctx := withPatience(t)
			dsn := pgbouncertest.New(t, postgrestest.New(t), pooler.mode, pooler.setting, "default_pool_size = 3")
			var clients sync.WaitGroup
			for client := range 8 {
				size := 4
				if pooler.mode == pgbouncertest.Session {
					if client > 0 {
						break
					}
					size = 3
				}
				db := open(t, dsn, postgres.Options{MaxConnections: size})
				for worker := range size {
					clients.Go(func() {
						for i := range 25 {
							if err := readOwn(ctx, db, client, worker, i); err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
			}
			clients.Wait()
		})
	}
}

// readOwn reads what only this client's query selects, outside of a transaction and in one.
func readOwn(ctx context.Context, db *postgres.DB, client, worker, i int) error {
	query := fmt.Sprintf(`select $1::text || '-%d-%d'`, client, i%5)
	want := fmt.Sprintf("%d-%d-%d", worker, client, i%5)
	read := func(q postgres.Querier) error {
		var found string
		if err := q.Get(ctx, &found, query, worker); err != nil {
			return err
		}
		if found != want {
			return fmt.Errorf("%s was answered with %s", want, found)
		}
		return nil
	}
	return errors.Join(read(db), db.InTx(ctx, func(tx *postgres.Tx) error { return errors.Join(read(tx), read(tx)) }))
}

func TestPoolerKeepsStatementTimeouts(t *testing.T) {
	for name, pooler := range poolers {
		t.Run(name, func(t *testing.T) {
			ctx := withPatience(t)
			dsn := pgbouncertest.New(t, postgrestest.New(t), pooler.mode, pooler.setting)
			db := open(t, dsn, postgres.Options{StatementTimeout: 2 * time.Second})
			const sleep = `select pg_sleep($1)`
			if _, err := db.Exec(ctx, sleep, 60); !postgres.IsUnavailable(err) {
				t.Errorf("outside of a transaction: %v", err)
			}
			err := db.InTx(ctx, func(tx *postgres.Tx) error {
				_, err := tx.Exec(ctx, sleep, 60)
				return err
			})
			if !postgres.IsUnavailable(err) {
				t.Errorf("in a transaction: %v", err)
			}
			if err := db.Ping(ctx); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// PgBouncer 1.18 may end when clients cancel statements: a client that hangs up would
// end the connections of all of them.
func TestPoolerGetsNoCancelRequests(t *testing.T) {
	network, dsn := networktest.New(t, pgbouncertest.New(t, postgrestest.New(t), pgbouncertest.Transaction))
	db := open(t, dsn, postgres.Options{MaxConnections: 2})
	const endless = `select pg_sleep($1)`
	for what, run := range map[string]func(context.Context) error{
		"outside of a transaction": func(ctx context.Context) error {
			_, err := db.Exec(ctx, endless, 3600)
			return err
		},
		"in a transaction": func(ctx context.Context) error {
			return db.InTx(ctx, func(tx *postgres.Tx) error { return tx.Get(ctx, new(string), endless, 3600) })
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if err := run(ctx); !postgres.IsUnavailable(err) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", what, err)
		}
		cancel()
	}
	if n := network.Cancels(); n > 0 {
		t.Errorf("%d cancel requests", n)
	}
	if err := db.Ping(withPatience(t)); err != nil {
		t.Error(err)
	}
}

func TestMigrateNeedsSessions(t *testing.T) {
	for name, pooler := range poolers {
		t.Run(name, func(t *testing.T) {
			empty := newEmptyDatabase(t)
			_, err := postgres.Migrate(withPatience(t), pgbouncertest.New(t, empty, pooler.mode, pooler.setting), "")
			if pooler.mode == pgbouncertest.Session {
				if err != nil {
					t.Error(err)
				}
				if err := postgres.CheckSchema(withPatience(t), empty); err != nil {
					t.Error(err)
				}
			} else if !errors.Is(err, postgres.ErrTransactionPooler) {
				t.Errorf("through a pooler of transactions: %v", err)
			}
		})
	}
}

// Readiness goes through the pooler, and is told while the pool is taken.
func TestReadinessThroughAPooler(t *testing.T) {
	for name, pooler := range poolers {
		t.Run(name, func(t *testing.T) {
			ctx := withPatience(t)
			dsn := pgbouncertest.New(t, postgrestest.New(t), pooler.mode, pooler.setting)
			db := open(t, dsn, postgres.Options{MaxConnections: 1})
			err := db.InTx(ctx, func(tx *postgres.Tx) error {
				return errors.Join(tx.Get(ctx, new(int), `select $1::int`, 1), db.CheckReady(ctx))
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
