package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/postgres/postgrestest"
)

// wantReadOnly checks that a database is not ready, and that nothing writes to it.
func wantReadOnly(t *testing.T, db *postgres.DB) {
	t.Helper()
	ctx := withPatience(t)
	if err := db.CheckReady(ctx); !errors.Is(err, postgres.ErrReadOnly) {
		t.Errorf("readiness: %v", err)
	}
	const write = `insert into idempotency_key (account_id, key, request_hash) select id, 'k', '' from account`
	_, direct := db.Exec(ctx, write)
	inTx := db.InTx(ctx, func(tx *postgres.Tx) error {
		_, err := tx.Exec(ctx, write)
		return err
	})
	for what, err := range map[string]error{"a statement": direct, "a transaction": inTx} {
		if !postgres.IsReadOnly(err) || !postgres.IsUnavailable(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := db.InTx(ctx, func(tx *postgres.Tx) error { return tx.Get(ctx, new(int), `select count(*) from account`) }); err != nil {
		t.Errorf("a transaction that reads: %v", err)
	}
}

// What an operator has made read-only stays so, until they make it writable.
func TestDatabaseThatAnOperatorMadeReadOnly(t *testing.T) {
	dsn := newDatabase(t)
	direct := connect(t, dsn)
	name := read[string](t, direct, `select current_database()`)
	execute(t, direct, `alter database `+name+` set default_transaction_read_only = on`)
	db := open(t, dsn, postgres.Options{})
	wantReadOnly(t, db)
	if _, err := postgres.Migrate(withPatience(t), dsn, ""); !errors.Is(err, postgres.ErrReadOnly) {
		t.Errorf("migrate: %v", err)
	}
	execute(t, direct, `alter database `+name+` reset default_transaction_read_only`)
	eventually(t, "readiness", func() bool { return db.CheckReady(withPatience(t)) == nil })
	if _, err := db.Exec(withPatience(t), `delete from event`); err != nil {
		t.Error(err)
	}
}

// Of several servers, the gateway uses the one that writes, however they are named and
// in whatever order; after a failover, the other one.
func TestStandby(t *testing.T) {
	dsn := newDatabase(t)
	standby := postgrestest.NewStandby(t, dsn)
	db := open(t, standby, postgres.Options{})
	wantReadOnly(t, db)

	one, other := hostOf(t, standby), hostOf(t, dsn)
	both := strings.Replace(dsn, "'"+other+"'", "'"+one+","+other+"'", 1)
	first := open(t, both, postgres.Options{})
	url := open(t, fmt.Sprintf("postgres://postgres@/%s?host=%s,%s&sslmode=disable&target_session_attrs=read-write",
		read[string](t, connect(t, dsn), `select current_database()`), one, other), postgres.Options{})
	for what, db := range map[string]*postgres.DB{"a list": first, "a URL": url} {
		if err := db.CheckReady(withPatience(t)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := db.Exec(withPatience(t), `delete from event`); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	none := open(t, standby+" target_session_attrs=read-write", postgres.Options{})
	if err := none.CheckReady(withPatience(t)); !postgres.IsReadOnly(err) || !postgres.IsUnavailable(err) {
		t.Errorf("no server that writes: %v", err)
	}

	execute(t, connect(t, standby), `select pg_promote()`)
	eventually(t, "readiness after the promotion", func() bool { return db.CheckReady(withPatience(t)) == nil && none.CheckReady(withPatience(t)) == nil })
	if _, err := db.Exec(withPatience(t), `delete from event`); err != nil {
		t.Errorf("after the promotion: %v", err)
	}
}

// hostOf returns the folder of the socket of a server.
func hostOf(t *testing.T, dsn string) string {
	t.Helper()
	_, rest, _ := strings.Cut(dsn, "host='")
	host, _, found := strings.Cut(rest, "'")
	if !found {
		t.Fatalf("%s names no host", dsn)
	}
	return host
}
