package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"alphacruncher.com/datahub-gateway/migrations"
)

const (
	// lockTimeout is how long a migration waits for a lock. Statements of the
	// gateways queue behind it, so it gives up soon and tries again, until
	// lockPatience has passed.
	lockTimeout  = 2 * time.Second
	lockPatience = time.Minute
)

// ErrRole reports that a role cannot be granted what a gateway needs.
var ErrRole = errors.New("the role cannot be granted what a gateway needs")

// Migrate brings the database's schema up to date, and returns the number of
// migrations that it applied. Each migration is one transaction, or statements that can
// all be repeated, and a session lock makes callers take turns: it is safe to run
// several at once, beside serving gateways, and to kill at any moment.
//
// Then it grants role, unless that is empty, what a gateway needs, and nothing
// else. role must not be the owner of the tables, as whom the DSN connects. It
// fails with ErrRole.
//
// Older gateways write keys of addresses by full case folding. Each call corrects
// what they have written since the last one, and calls notes with what it found.
func Migrate(ctx context.Context, dsn, role string, notes ...func(migrations.AddressKeys)) (applied int, err error) {
	var keys *migrations.AddressKeys
	found := func(k migrations.AddressKeys) { keys = &k }
	err = withProvider(dsn, found, func(db *sql.DB, to *route, p *goose.Provider) error {
		if err := requireSessions(ctx, db, to); err != nil {
			return err
		}
		// lib/pq's transactions would write all the same where an operator has set
		// default_transaction_read_only.
		var readOnly bool
		if err := db.QueryRowContext(ctx, `select `+readOnlyNow).Scan(&readOnly); err != nil {
			return err
		}
		if readOnly {
			return ErrReadOnly
		}
		if applied, err = up(ctx, p); err != nil {
			return err
		}
		if keys == nil {
			if keys, err = recomputeAddressKeys(ctx, db); err != nil {
				return err
			}
		}
		if role == "" {
			return nil
		}
		return grant(ctx, db, role)
	})
	if keys != nil {
		for _, note := range notes {
			note(*keys)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	return applied, nil
}

func up(ctx context.Context, p *goose.Provider) (applied int, err error) {
	err = patiently(ctx, func() error {
		results, err := p.Up(ctx)
		applied += len(results)
		if partly := new(goose.PartialError); errors.As(err, &partly) {
			applied += len(partly.Applied)
		}
		return err
	})
	return applied, err
}

// recomputeAddressKeys returns nil where the schema is newer than this gateway's.
func recomputeAddressKeys(ctx context.Context, db *sql.DB) (keys *migrations.AddressKeys, err error) {
	var version, oldest int64
	if err := db.QueryRowContext(ctx, schemaQuery).Scan(&version, &oldest); err != nil || version > known() {
		return nil, err
	}
	err = patiently(ctx, func() error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
		found, err := migrations.RecomputeAddressKeys(ctx, tx)
		if err != nil {
			return err
		}
		keys = &found
		return tx.Commit()
	})
	if err != nil {
		return nil, fmt.Errorf("recompute the keys of addresses: %w", err)
	}
	return keys, nil
}

// patiently tries again where a transaction did not get its locks, until
// lockPatience has passed.
func patiently(ctx context.Context, try func() error) error {
	for begun := time.Now(); ; {
		err := try()
		if pq.As(err, pqerror.LockNotAvailable, pqerror.TRDeadlockDetected) == nil || time.Since(begun) > lockPatience {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

// SchemaError reports that this gateway cannot work with the database's schema.
type SchemaError struct{ Known, Found, OldestGateway int64 }

func (e *SchemaError) Error() string {
	if e.Found < e.Known {
		return fmt.Sprintf("the database's schema is at version %d and this gateway needs %d: run datahub-gateway migrate", e.Found, e.Known)
	}
	return fmt.Sprintf("the database's schema is at version %d, which asks for a gateway that knows version %d; this one knows %d: install a newer gateway",
		e.Found, e.OldestGateway, e.Known)
}

// CheckSchema fails with a *SchemaError where the database's schema is older
// than this gateway's, or newer in a way that gateways of this age cannot work
// with.
func CheckSchema(ctx context.Context, dsn string) error {
	e := &SchemaError{Known: known()}
	err := withProvider(dsn, nil, func(db *sql.DB, _ *route, _ *goose.Provider) error {
		return db.QueryRowContext(ctx, schemaQuery).Scan(&e.Found, &e.OldestGateway)
	})
	return e.check(err)
}

const schemaQuery = `
	select coalesce((select max(version_id) from goose_db_version where is_applied), 0) as version,
	       coalesce((select oldest_gateway from schema_requirement), 0) as oldest`

// known returns the newest version that this gateway knows.
var known = sync.OnceValue(func() (newest int64) {
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			panic(err)
		}
		newest = max(newest, version)
	}
	for _, m := range migrations.InGo(nil) {
		newest = max(newest, m.Version)
	}
	return newest
})

// check returns e where its versions do not fit, and err where they could not be
// read. A database without the tables has version 0.
func (e *SchemaError) check(err error) error {
	if empty := pq.As(err, "42P01"); err != nil && empty == nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	if e.Found < e.Known || e.OldestGateway > e.Known {
		return e
	}
	return nil
}

func withProvider(dsn string, found func(migrations.AddressKeys), do func(*sql.DB, *route, *goose.Provider) error) error {
	parameters := map[string]string{"lock_timeout": milliseconds(lockTimeout)}
	to, err := newRoute(dsn, parameters)
	if err != nil {
		return err
	}
	db := sql.OpenDB(sessions{to, setAll("set", parameters)})
	defer db.Close()
	// A caller that finds the lock taken tries again every second, for five minutes.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.Files,
		goose.WithGoMigrations(migrations.InGo(found)...), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	return do(db, to, provider)
}
