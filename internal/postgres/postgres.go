// Package postgres reaches the database: a bounded pool, prepared statements,
// transactions as arguments, migrations, and the classes of errors.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// acquireTimeout is how long a call waits for a connection of a full pool.
const acquireTimeout = 2 * time.Second

// connectTimeout is how long a connection may take to come about, unless the
// connection string says otherwise.
const connectTimeout = 5 * time.Second

// ErrPoolFull reports that no connection became free in time.
var ErrPoolFull = errors.New("postgres: no connection became free in time")

// ErrCommitUnknown reports that a commit was sent and its answer was lost: the
// transaction may have been carried out.
var ErrCommitUnknown = errors.New("postgres: it is not known whether the transaction was committed")

// Options bound what the gateway asks of the database.
type Options struct {
	MaxConnections   int           // at least 1
	StatementTimeout time.Duration // of one statement, enforced by the server
	// LockTimeout is how long a statement waits for what another transaction has locked;
	// 0: until its own end.
	LockTimeout time.Duration
	// WholeTables lets statements read tables as a whole where that takes less time: those
	// of an operator's commands, not those of requests.
	WholeTables bool
	// Statement is called when a statement begins, and returns the function to
	// call when it ends. It may be nil.
	Statement func(ctx context.Context, statement string) (ended func(error))
	// Pooler is called once, when connections turn out to go through a pooler. It
	// may be nil.
	Pooler func()
}

// Querier runs one statement: at once (DB), or in a transaction (Tx). Queries are
// constants: each connection prepares a query once and keeps it.
type Querier interface {
	// Get reads the only row into dest, or fails with sql.ErrNoRows.
	Get(ctx context.Context, dest any, query string, args ...any) error
	// Select reads all rows into dest, a pointer to a slice.
	Select(ctx context.Context, dest any, query string, args ...any) error
	// Each calls scan for each row, which reads the row's columns in their order.
	Each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) error
	// Exec runs the query, and returns the number of rows that it changed.
	Exec(ctx context.Context, query string, args ...any) (int64, error)
}

// Collect reads all rows of a query. columns returns where to read the columns of one to,
// in their order; it is called once. Collect takes half the time of Select, which finds the
// fields by their names: it is for the long lists.
func Collect[T any](ctx context.Context, q Querier, columns func(*T) []any, query string, args ...any) (all []*T, err error) {
	var row T
	to := columns(&row)
	for i, column := range to {
		if id, ok := column.(*uuid.UUID); ok {
			to[i] = (*scannedID)(id)
		}
	}
	err = q.Each(ctx, func(rows *sql.Rows) error {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		one := row
		all = append(all, &one)
		return nil
	}, query, args...)
	return all, err
}

// scannedID reads what lib/pq returns for a uuid, which is its text. uuid.UUID copies the
// text first.
type scannedID uuid.UUID

// Scan implements sql.Scanner.
func (id *scannedID) Scan(v any) (err error) {
	if text, ok := v.([]byte); ok {
		*(*uuid.UUID)(id), err = uuid.ParseBytes(text)
		return err
	}
	*id = scannedID{} // null, which is not left as the row before
	return (*uuid.UUID)(id).Scan(v)
}

// DB is a pool of connections. A call that finds all of them in use fails with
// ErrPoolFull after two seconds. A call whose context has no deadline ends after
// twice the statement timeout. Readiness has a connection of its own.
type DB struct {
	pool       *sqlx.DB
	readiness  *sql.DB
	readOnly   atomic.Bool // when readiness was checked last
	connector  *connector
	slots      chan struct{}
	background chan struct{} // the slots that calls with background priority may take
	public     chan struct{} // the slots that calls with public priority may take
	shares     *shares
	queueTime  time.Duration // how long a call waits for its turn in a share
	longest    time.Duration
	observe    func(context.Context, string) func(error) // may be nil

	waited, refused atomic.Int64
}

// Tx is a transaction at READ COMMITTED: every statement sees what was
// committed before it began.
type Tx struct {
	tx    *sqlx.Tx
	db    *DB
	held  *heldShares
	later []write // see Later
}

var (
	_ Querier = (*DB)(nil)
	_ Querier = (*Tx)(nil)
)

// Open returns a pool, which connects when it is first used.
func Open(dsn string, o Options) (*DB, error) {
	limits := map[string]string{
		"statement_timeout":                   milliseconds(o.StatementTimeout),
		"idle_in_transaction_session_timeout": milliseconds(2 * o.StatementTimeout),
		// Every statement is prepared, and finds its rows by an index for any
		// arguments. Planning it for each call can cost more than running it.
		"plan_cache_mode": "force_generic_plan",
		// A statement that is a transaction of its own has the isolation of InTx.
		"default_transaction_isolation": "read committed",
	}
	if !o.WholeTables {
		// A plan that was made while a table was almost empty is still used when it has
		// grown. Where a table must be read as a whole, the cost of that seems so high that
		// PostgreSQL would compile the statement.
		limits["enable_seqscan"], limits["jit"] = "off", "off"
	}
	if o.LockTimeout > 0 {
		limits["lock_timeout"] = milliseconds(o.LockTimeout)
	}
	to, err := newRoute(dsn, limits)
	if err != nil {
		return nil, err
	}
	to.foundPooler = o.Pooler
	through := &connector{route: to, statementTimeout: o.StatementTimeout, limit: setAll("set local", limits)}
	pool := sqlx.NewDb(sql.OpenDB(through), "postgres")
	pool.SetMaxOpenConns(o.MaxConnections)
	pool.SetMaxIdleConns(o.MaxConnections)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	return &DB{
		pool:       pool,
		readiness:  newReadiness(through),
		connector:  through,
		slots:      make(chan struct{}, o.MaxConnections),
		background: make(chan struct{}, max(1, o.MaxConnections/4)),
		public:     make(chan struct{}, max(1, o.MaxConnections/10)),
		shares:     newShares(max(1, o.MaxConnections/4)),
		queueTime:  o.StatementTimeout,
		longest:    2 * o.StatementTimeout,
		observe:    o.Statement,
	}, nil
}

// newConnector reads a connection string, and changes what it says.
func newConnector(dsn string, change func(*pq.Config)) (*pq.Connector, error) {
	config, err := pq.NewConfig(withHostList(dsn))
	if err != nil {
		// The driver's message quotes the DSN, and with it the password.
		return nil, errors.New("postgres: the connection string cannot be read")
	}
	// On a stalled network, lib/pq's connect has no limit of its own.
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	// Of several servers, only one writes.
	if len(config.Multi) > 0 && config.TargetSessionAttrs == "" {
		config.TargetSessionAttrs = pq.TargetSessionAttrsReadWrite
	}
	config.ApplicationName = "datahub-gateway"
	if config.Runtime == nil {
		config.Runtime = map[string]string{}
	}
	change(&config)
	connector, err := pq.NewConnectorConfig(config)
	if err != nil {
		return nil, errors.New("postgres: the connection string cannot be used")
	}
	connector.Dialer(&dialer{})
	return connector, nil
}

// setAll returns the statements that set parameters; set is "set" or "set local".
func setAll(set string, parameters map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		fmt.Fprintf(&b, "%s %s = %s;", set, name, pq.QuoteLiteral(parameters[name]))
	}
	return b.String()
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Close ends every connection.
func (db *DB) Close() error { return errors.Join(db.pool.Close(), db.readiness.Close()) }

// Ping fails where the database does not answer.
func (db *DB) Ping(ctx context.Context) error {
	_, err := db.Exec(ctx, `select`)
	return err
}

type counterKey struct{}

// WithStatementCount returns a context that counts its statements, BEGIN and
// COMMIT included.
func WithStatementCount(ctx context.Context) (context.Context, *atomic.Int64) {
	n := new(atomic.Int64)
	return context.WithValue(ctx, counterKey{}, n), n
}

// begin counts a statement and calls the observer. The function that it returns
// must be called with the statement's error.
func (db *DB) begin(ctx context.Context, statement string) (ended func(*error)) {
	if n, ok := ctx.Value(counterKey{}).(*atomic.Int64); ok {
		n.Add(1)
	}
	if db.observe == nil {
		return func(*error) {}
	}
	end := db.observe(ctx, statement)
	return func(err *error) { end(*err) }
}

// InTx runs do in a transaction. It commits where do returns no error; it rolls
// back where do fails or panics, or the context ends. do runs again where it returns
// what TakeShares has returned.
func (db *DB) InTx(ctx context.Context, do func(tx *Tx) error) error {
	return db.withShares(ctx, func(held *heldShares) error { return db.inTx(ctx, held, do) })
}

func (db *DB) inTx(ctx context.Context, held *heldShares, do func(tx *Tx) error) error {
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
	t := &Tx{tx: tx, db: db, held: held}
	if err := do(t); err != nil {
		return err
	}
	if err := t.flush(ctx); err != nil {
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

// GetWriting reads the only row of a query that writes, in a transaction of its own that
// takes no further round trip, as one of the transactions that use some places
// ([Tx.TakeShares]). It is for what must not be done twice: unlike Get, it never sends the
// query again, and it fails with ErrCommitUnknown where the answer is lost.
func (db *DB) GetWriting(ctx context.Context, places []uuid.UUID, dest any, query string, args ...any) error {
	return db.withShares(ctx, func(held *heldShares) error {
		if !db.connector.viaPooler.Load() {
			return db.getOnce(ctx, held, places, dest, query, args...)
		}
		// The transaction has the limits, which are the session's otherwise.
		return db.inTx(ctx, held, func(tx *Tx) error {
			if err := tx.TakeShares(places...); err != nil {
				return err
			}
			return tx.Get(ctx, dest, query, args...)
		})
	})
}

func (db *DB) getOnce(ctx context.Context, held *heldShares, places []uuid.UUID, dest any, query string, args ...any) (err error) {
	ctx, release, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := db.takeShares(held, places); err != nil {
		return err
	}
	c, err := db.pool.Connx(ctx) // a statement of a Conn is not repeated
	if err != nil {
		return err
	}
	defer c.Close()
	defer db.begin(ctx, query)(&err)
	if err := c.GetContext(ctx, dest, query, args...); err != nil {
		if commitUnknown(err) {
			return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
		}
		return err
	}
	return nil
}

// errDryRun rolls a transaction back.
var errDryRun = errors.New("dry run")

// InTxOrDryRun runs do as InTx does. A dry run is rolled back where do succeeds, too.
func (db *DB) InTxOrDryRun(ctx context.Context, dryRun bool, do func(tx *Tx) error) error {
	err := db.InTx(ctx, func(tx *Tx) error {
		if err := do(tx); err != nil || !dryRun {
			return err
		}
		return errDryRun
	})
	if errors.Is(err, errDryRun) {
		return nil
	}
	return err
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

// Each implements Querier.
func (db *DB) Each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	ctx, release, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer db.begin(ctx, query)(&err)
	return each(ctx, db.pool, scan, query, args)
}

func each(ctx context.Context, q sqlx.QueryerContext, scan func(*sql.Rows) error, query string, args []any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
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
	if err := tx.flush(ctx); err != nil {
		return err
	}
	defer tx.db.begin(ctx, query)(&err)
	return tx.tx.GetContext(ctx, dest, query, args...)
}

// Select implements Querier.
func (tx *Tx) Select(ctx context.Context, dest any, query string, args ...any) (err error) {
	if err := tx.flush(ctx); err != nil {
		return err
	}
	defer tx.db.begin(ctx, query)(&err)
	return tx.tx.SelectContext(ctx, dest, query, args...)
}

// Each implements Querier.
func (tx *Tx) Each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	if err := tx.flush(ctx); err != nil {
		return err
	}
	defer tx.db.begin(ctx, query)(&err)
	return each(ctx, tx.tx, scan, query, args)
}

// Exec implements Querier.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	if err := tx.flush(ctx); err != nil {
		return 0, err
	}
	defer tx.db.begin(ctx, query)(&err)
	return rowsAffected(tx.tx.ExecContext(ctx, query, args...))
}

// Attempt calls do. Where do fails, it undoes what do has done, so that the
// transaction can go on, and returns do's error.
func (tx *Tx) Attempt(ctx context.Context, do func() error) error {
	if _, err := tx.Exec(ctx, `savepoint attempt`); err != nil {
		return err
	}
	err := do()
	if err == nil {
		return nil
	}
	tx.later = nil // what was kept before is written: the savepoint is a statement
	if _, failed := tx.Exec(ctx, `rollback to savepoint attempt`); failed != nil {
		return errors.Join(err, failed)
	}
	return err
}

func rowsAffected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

type backgroundKey struct{}

// WithBackgroundPriority returns a context for work that nobody waits for. Its
// calls share a quarter of the pool, and wait for a connection for up to twice
// the statement timeout, instead of two seconds.
func WithBackgroundPriority(ctx context.Context) context.Context {
	return context.WithValue(ctx, backgroundKey{}, true)
}

type publicKey struct{}

// WithPublicPriority returns a context for a request without an account. Its calls have
// one connection at a time, out of the tenth of the pool that all these requests share.
// A transaction in this context must not call the pool itself.
func WithPublicPriority(ctx context.Context) context.Context {
	return context.WithValue(ctx, publicKey{}, make(chan struct{}, 1))
}

// Pool is the use of a pool.
type Pool struct {
	Most, Taken int           // connections
	Refused     int64         // calls that failed with ErrPoolFull
	Waited      time.Duration // the sum, for a connection
}

// Pool returns the pool's use now, and its sums since the start.
func (db *DB) Pool() Pool {
	return Pool{Most: cap(db.slots), Taken: len(db.slots), Refused: db.refused.Load(), Waited: time.Duration(db.waited.Load())}
}

// turn is a slot that a call waits for.
type turn struct {
	slots    chan struct{}
	patience time.Duration
}

// acquire takes a slot before database/sql takes a connection, because
// database/sql cannot wait for a connection for less time than for the
// statement. It returns the context of the call.
func (db *DB) acquire(ctx context.Context) (_ context.Context, done func(), err error) {
	end := func() {}
	if _, bounded := ctx.Deadline(); !bounded {
		ctx, end = context.WithTimeout(ctx, db.longest)
	}
	turns := []turn{{db.slots, acquireTimeout}}
	if own, ok := ctx.Value(publicKey{}).(chan struct{}); ok {
		turns = []turn{{own, acquireTimeout}, {db.public, acquireTimeout}, turns[0]}
	} else if ctx.Value(backgroundKey{}) != nil {
		turns = []turn{{db.background, db.longest}, {db.slots, db.longest}}
	} else if of := ctx.Value(shareKey{}); of != nil {
		own, leave := db.shares.of(of)
		cancel := end
		end = func() { leave(); cancel() }
		turns = []turn{{own, db.queueTime}, turns[0]}
	}
	for i, t := range turns {
		if err := db.take(ctx, t.slots, t.patience); err != nil {
			release(turns[:i])
			end()
			return nil, nil, err
		}
	}
	return ctx, func() { release(turns); end() }, nil
}

// release frees the slots, the one that was taken last first.
func release(turns []turn) {
	for _, t := range slices.Backward(turns) {
		<-t.slots
	}
}

// take takes a slot, or fails with ErrPoolFull.
func (db *DB) take(ctx context.Context, slots chan<- struct{}, patience time.Duration) error {
	select {
	case slots <- struct{}{}:
		return nil
	default:
	}
	defer func(began time.Time) { db.waited.Add(int64(time.Since(began))) }(time.Now())
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case slots <- struct{}{}:
		return nil
	case <-timeout.C:
		db.refused.Add(1)
		return ErrPoolFull
	case <-ctx.Done():
		return ctx.Err()
	}
}

// IsUnavailable reports whether the database could not be reached or had no time,
// so that the same call can succeed later.
func IsUnavailable(err error) bool {
	var network net.Error
	if errors.Is(err, ErrPoolFull) || errors.Is(err, ErrCommitUnknown) || errors.Is(err, context.DeadlineExceeded) || connectionLost(err) || errors.As(err, &network) {
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
	return server.Code == pqerror.LockNotAvailable || server.Code == pqerror.IdleInTransactionSessionTimeout || IsReadOnly(err)
}

// IsLocked reports whether a statement has waited in vain for what another transaction
// has locked.
func IsLocked(err error) bool { return pq.As(err, pqerror.LockNotAvailable) != nil }

// IsReadOnly reports whether the database only reads: it is a standby, or its operator
// has set default_transaction_read_only.
func IsReadOnly(err error) bool {
	return errors.Is(err, ErrReadOnly) || pq.As(err, pqerror.ReadOnlySQLTransaction) != nil
}

// IsCancelled reports whether an error comes from the end of a context that somebody
// cancelled: not from a deadline, and not from the database.
func IsCancelled(ctx context.Context, err error) bool {
	if err == nil || !errors.Is(ctx.Err(), context.Canceled) {
		return false
	}
	var network net.Error
	return errors.Is(err, context.Canceled) || pq.As(err, pqerror.QueryCanceled) != nil || connectionLost(err) ||
		errors.Is(err, sql.ErrTxDone) || errors.Is(err, ErrCommitUnknown) || errors.As(err, &network)
}

// LogSafe returns an error's text for the log, without the values that the server
// quotes in errors about data.
func LogSafe(err error) string {
	var server *pq.Error
	if errors.As(err, &server) && server.Code.Class() == pqerror.ClassDataException {
		return strings.ReplaceAll(err.Error(), server.Message, server.Code.Name())
	}
	return err.Error()
}

// Found returns the SQL condition that there is a row; rows is what follows FROM. Unlike
// EXISTS, a scalar subquery is never answered from a hash of the whole table.
func Found(rows string) string { return `((select true from ` + rows + ` limit 1) is not null)` }

// Counts runs a query with the columns id and n, and returns n by id. Where the
// counts are not wanted, it runs nothing and returns none.
func Counts(ctx context.Context, q Querier, wanted bool, query string, args ...any) (map[uuid.UUID]int, error) {
	if !wanted {
		return nil, nil
	}
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
