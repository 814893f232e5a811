// Package postgres is the way to the database: a bounded pool, prepared
// statements, transactions as arguments, and what its errors mean.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// acquireTimeout is how long a caller waits for a connection of a full pool.
const acquireTimeout = 2 * time.Second

// ErrPoolFull says that no connection came free in time.
var ErrPoolFull = errors.New("postgres: no connection came free in time")

// Options bound what the gateway asks of the database.
type Options struct {
	MaxConnections   int           // at least 1
	StatementTimeout time.Duration // of one statement, enforced by the server
	// Statement, where there is one, is told of every statement that begins, and
	// gives what is told of its end.
	Statement func(ctx context.Context, statement string) (ended func(error))
}

// Querier carries out one statement: at once (DB) or as part of a transaction
// (Tx). Queries are constants: each is prepared once a connection and kept.
type Querier interface {
	// Get reads the one row that the query gives into dest, or fails with
	// sql.ErrNoRows.
	Get(ctx context.Context, dest any, query string, args ...any) error
	// Select reads all rows into dest, a pointer to a slice.
	Select(ctx context.Context, dest any, query string, args ...any) error
	// Exec carries out the query and gives the number of rows it changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
}

// DB is a pool of connections. A call that finds all of them taken fails with
// ErrPoolFull after two seconds. A call whose context has no deadline is ended
// after twice the time of a statement.
type DB struct {
	pool    *sqlx.DB
	slots   chan struct{}
	patient chan struct{} // the part of the slots that calls of Patiently take
	longest time.Duration
	told    func(context.Context, string) func(error) // nil: nobody is

	waited, refused atomic.Int64
}

// Tx is a transaction at READ COMMITTED: every statement sees what was
// committed before it began.
type Tx struct {
	tx *sqlx.Tx
	db *DB
}

var (
	_ Querier = (*DB)(nil)
	_ Querier = (*Tx)(nil)
)

// Open makes the pool. It connects when first used.
func Open(dsn string, o Options) (*DB, error) {
	connector, err := newConnector(dsn, map[string]string{
		"statement_timeout":                   milliseconds(o.StatementTimeout),
		"idle_in_transaction_session_timeout": milliseconds(2 * o.StatementTimeout),
		// Every statement is prepared, and finds its rows by an index whatever its
		// arguments: to plan it anew for each of them can cost more than to run it.
		"plan_cache_mode": "force_generic_plan",
	})
	if err != nil {
		return nil, err
	}
	pool := sqlx.NewDb(sql.OpenDB(preparing{connector}), "postgres")
	pool.SetMaxOpenConns(o.MaxConnections)
	pool.SetMaxIdleConns(o.MaxConnections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return &DB{
		pool:    pool,
		slots:   make(chan struct{}, o.MaxConnections),
		patient: make(chan struct{}, max(1, o.MaxConnections/4)),
		longest: 2 * o.StatementTimeout,
		told:    o.Statement,
	}, nil
}

// newConnector reads a connection string and adds parameters to its own.
func newConnector(dsn string, parameters map[string]string) (*pq.Connector, error) {
	config, err := pq.NewConfig(dsn)
	if err != nil {
		// The driver's message quotes the DSN, and with it the password.
		return nil, errors.New("postgres: the connection string cannot be read")
	}
	// lib/pq leaves a connect on a stalled network to run for ever.
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	config.ApplicationName = "datahub-gateway"
	if config.Runtime == nil {
		config.Runtime = map[string]string{}
	}
	maps.Copy(config.Runtime, parameters)
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, errors.New("postgres: the connection string cannot be used")
	}
	connector.Dialer(&dialer{})
	return connector, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Close ends every connection.
func (db *DB) Close() error { return db.pool.Close() }

// Ping asks the database for an answer.
func (db *DB) Ping(ctx context.Context) error {
	_, err := db.Exec(ctx, `select`)
	return err
}

type counterKey struct{}

// WithStatementCount gives a context whose statements are counted, BEGIN and COMMIT
// included.
func WithStatementCount(ctx context.Context) (context.Context, *atomic.Int64) {
	n := new(atomic.Int64)
	return context.WithValue(ctx, counterKey{}, n), n
}

// begin counts a statement, and tells of it. What it gives is to be called with
// what came of it.
func (db *DB) begin(ctx context.Context, statement string) (ended func(*error)) {
	if n, ok := ctx.Value(counterKey{}).(*atomic.Int64); ok {
		n.Add(1)
	}
	if db.told == nil {
		return func(*error) {}
	}
	tell := db.told(ctx, statement)
	return func(err *error) { tell(*err) }
}

// InTx carries out do in a transaction: committed when it gives no error,
// rolled back when it gives one, panics or the context ends.
func (db *DB) InTx(ctx context.Context, do func(tx *Tx) error) error {
	ctx, release, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()

	ended := db.begin(ctx, "begin")
	tx, err := db.pool.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	ended(&err)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if err := do(&Tx{tx, db}); err != nil {
		return err
	}
	ended = db.begin(ctx, "commit")
	err = tx.Commit()
	ended(&err)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Get implements Querier.
func (db *DB) Get(ctx context.Context, dest any, query string, args ...any) (err error) {
	ctx, release, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer db.begin(ctx, query)(&err)
	return db.pool.GetContext(ctx, dest, query, args...)
}

// Select implements Querier.
func (db *DB) Select(ctx context.Context, dest any, query string, args ...any) (err error) {
	ctx, release, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer db.begin(ctx, query)(&err)
	return db.pool.SelectContext(ctx, dest, query, args...)
}

// Exec implements Querier.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	ctx, release, err := db.acquire(ctx)
	if err != nil {
		return 0, err
	}
	defer release()
	defer db.begin(ctx, query)(&err)
	return rowsAffected(db.pool.ExecContext(ctx, query, args...))
}

// Get implements Querier.
func (tx *Tx) Get(ctx context.Context, dest any, query string, args ...any) (err error) {
	defer tx.db.begin(ctx, query)(&err)
	return tx.tx.GetContext(ctx, dest, query, args...)
}

// Select implements Querier.
func (tx *Tx) Select(ctx context.Context, dest any, query string, args ...any) (err error) {
	defer tx.db.begin(ctx, query)(&err)
	return tx.tx.SelectContext(ctx, dest, query, args...)
}

// Exec implements Querier.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	defer tx.db.begin(ctx, query)(&err)
	return rowsAffected(tx.tx.ExecContext(ctx, query, args...))
}

func rowsAffected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

type patientKey struct{}

// WithBackgroundPriority gives a context whose calls share a quarter of the pool and wait for
// their turn as long as they may: for what many ask at once and nobody sits and
// waits for.
func WithBackgroundPriority(ctx context.Context) context.Context {
	return context.WithValue(ctx, patientKey{}, true)
}

// Pool is how a pool is used.
type Pool struct {
	Most, Taken int           // connections
	Refused     int64         // calls that failed with ErrPoolFull
	Waited      time.Duration // in all, for a connection
}

// Pool tells how the pool is used now, and was so far.
func (db *DB) Pool() Pool {
	return Pool{Most: cap(db.slots), Taken: len(db.slots), Refused: db.refused.Load(), Waited: time.Duration(db.waited.Load())}
}

// acquire takes a connection's place before the pool is asked for one, since
// database/sql can wait for it only as long as for the statement itself. It
// gives the context of the call.
func (db *DB) acquire(ctx context.Context) (_ context.Context, release func(), err error) {
	cancel := func() {}
	if _, bounded := ctx.Deadline(); !bounded {
		ctx, cancel = context.WithTimeout(ctx, db.longest)
	}
	if ctx.Value(patientKey{}) == nil {
		if err := db.take(ctx, db.slots, acquireTimeout); err != nil {
			cancel()
			return nil, nil, err
		}
		return ctx, func() { <-db.slots; cancel() }, nil
	}
	if err := db.take(ctx, db.patient, db.longest); err != nil {
		cancel()
		return nil, nil, err
	}
	if err := db.take(ctx, db.slots, db.longest); err != nil {
		<-db.patient
		cancel()
		return nil, nil, err
	}
	return ctx, func() { <-db.slots; <-db.patient; cancel() }, nil
}

// take takes one of some places, or fails with ErrPoolFull.
func (db *DB) take(ctx context.Context, places chan<- struct{}, patience time.Duration) error {
	select {
	case places <- struct{}{}:
		return nil
	default:
	}
	defer func(began time.Time) { db.waited.Add(int64(time.Since(began))) }(time.Now())
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case places <- struct{}{}:
		return nil
	case <-timeout.C:
		db.refused.Add(1)
		return ErrPoolFull
	case <-ctx.Done():
		return ctx.Err()
	}
}

// IsUnavailable reports whether an error is about reaching the database or its
// having time, rather than about what was asked of it.
func IsUnavailable(err error) bool {
	var network net.Error
	if errors.Is(err, ErrPoolFull) || errors.Is(err, context.DeadlineExceeded) || connectionLost(err) || errors.As(err, &network) {
		return true
	}
	var server *pq.Error
	if !errors.As(err, &server) {
		return false
	}
	switch server.Code.Class() {
	case pqerror.ClassConnectionException, pqerror.ClassInsufficientResources,
		pqerror.ClassOperatorIntervention, pqerror.ClassTransactionRollback, pqerror.ClassSystemError:
		return true
	}
	return server.Code == pqerror.LockNotAvailable || server.Code == pqerror.IdleInTransactionSessionTimeout ||
		server.Code == pqerror.ReadOnlySQLTransaction
}

// LogSafe says an error in words that may be logged: without the values that the
// server quotes where they are what is wrong.
func LogSafe(err error) string {
	var server *pq.Error
	if errors.As(err, &server) && server.Code.Class() == pqerror.ClassDataException {
		return strings.ReplaceAll(err.Error(), server.Message, server.Code.Name())
	}
	return err.Error()
}

// Counts reads the rows of a query that gives an id and a number n.
func Counts(ctx context.Context, q Querier, query string, args ...any) (map[uuid.UUID]int, error) {
	var rows []struct {
		ID uuid.UUID `db:"id"`
		N  int       `db:"n"`
	}
	if err := q.Select(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	counts := make(map[uuid.UUID]int, len(rows))
	for _, row := range rows {
		counts[row.ID] = row.N
	}
	return counts, nil
}
