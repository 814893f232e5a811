package postgres

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// ErrReadOnly reports that the database only reads.
var ErrReadOnly = errors.New("the database only reads: it is a standby, or default_transaction_read_only is on")

// readinessLife is how long the connection for readiness is kept. A new one finds the
// server that connections lead to now, and its settings of now.
const readinessLife = 10 * time.Second

// newReadiness returns the connection for readiness. It goes the way of the pool's
// connections, but is none of them: a pool that waits for locks works.
func newReadiness(to *connector) *sql.DB {
	db := sql.OpenDB(to)
	db.SetMaxOpenConns(1)
	db.SetConnMaxLifetime(readinessLife)
	return db
}

// CheckReady fails with a *SchemaError as CheckSchema does, and with ErrReadOnly where
// the database only reads. It uses a connection of its own.
func (db *DB) CheckReady(ctx context.Context) error {
	var readOnly bool
	e := &SchemaError{Known: known()}
	err := db.readiness.QueryRowContext(ctx, `select s.*, `+readOnlyNow+` from (`+schemaQuery+`) s`).Scan(&e.Found, &e.OldestGateway, &readOnly)
	if err := e.check(err); err != nil {
		return err
	}
	// Sessions keep the setting that they began with, so that all begin again.
	if db.readOnly.Swap(readOnly) != readOnly {
		db.connector.generation.Add(1)
	}
	if readOnly {
		return ErrReadOnly
	}
	return nil
}

// readOnlyNow is an expression that says whether the database only reads, outside of a
// transaction.
const readOnlyNow = `current_setting('transaction_read_only')::boolean`
