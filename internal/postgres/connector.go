package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// maxStatements is the number of statements that a connection keeps prepared.
const maxStatements = 200

// graceTime is the time that a statement has to end after its context was
// cancelled.
const graceTime = 2 * time.Second

// connector connects with lib/pq, and repairs five things about its connections.
//
// A query with arguments costs lib/pq two round trips: one to prepare it and one
// to run it. A conn prepares each query once.
//
// A server error of over 30,000 bytes leaves lib/pq 1.12.3 out of step with the
// server, and the next query hangs (lib/pq#1326). A conn closes the connection.
//
// On a network that stalls, lib/pq asks the server to cancel a statement, and
// then waits for the answer without a limit. A conn sets a deadline.
//
// lib/pq begins transactions as READ WRITE, also where an operator has made the database
// read-only. A conn leaves that to the database.
//
// lib/pq relies on a session of the server; see pooler.go.
type connector struct {
	*route
	statementTimeout time.Duration
	limit            string // the statements that limit a transaction behind a pooler
	// generation is that of new connections: those of an older one are not used any more.
	generation atomic.Int64
}

// Connect implements driver.Connector.
func (k *connector) Connect(ctx context.Context) (driver.Conn, error) {
	generation := k.generation.Load()
	c, socket, viaPooler, err := k.connect(ctx)
	if err != nil {
		if onlyReads(err) {
			err = fmt.Errorf("%w: %w", ErrReadOnly, err)
		}
		return nil, fmt.Errorf("%w: %w", errConnect, err)
	}
	return &conn{pqConn: c.(pqConn), connector: k, generation: generation, viaPooler: viaPooler, socket: socket, statements: map[string]driver.Stmt{}}, nil
}

// onlyReads reports whether lib/pq refused the servers of a connection string because
// they only read. It has no other sign of that than its text.
func onlyReads(err error) bool {
	return strings.Contains(err.Error(), "session is read-only") || strings.Contains(err.Error(), "server is in hot standby mode")
}

// Driver implements driver.Connector.
func (k *connector) Driver() driver.Driver { return k.direct.Driver() }

// socketKey is the context key of the variable that receives the socket.
type socketKey struct{}

type dialer struct{ net.Dialer }

// DialContext implements pq.DialerContext.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if socket, ok := ctx.Value(socketKey{}).(*net.Conn); ok {
		*socket = c
	}
	return c, err
}

// DialTimeout implements pq.Dialer.
func (d *dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

var (
	errConnect = errors.New("postgres: cannot connect")
	errLost    = errors.New("postgres: the connection is lost")
)

// pqConn is what database/sql uses of lib/pq's connection.
type pqConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.SessionResetter
	driver.Validator
}

type conn struct {
	pqConn
	connector  *connector
	generation int64
	viaPooler  bool
	inTx       bool
	socket     net.Conn
	statements map[string]driver.Stmt
	retired    bool // database/sql must not use it again
}

// watch sets a deadline on the socket when ctx ends, until done is called.
// Behind a pooler it also ends the statement in time, outside of a transaction:
// there is no session whose server could. lib/pq gets the context that is returned.
func (c *conn) watch(ctx context.Context) (_ context.Context, done func()) {
	cancel := func() {}
	if c.viaPooler && !c.inTx {
		ctx, cancel = context.WithTimeout(ctx, c.connector.statementTimeout)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.socket.SetDeadline(time.Now().Add(graceTime)) })
	forPQ := ctx
	if c.viaPooler {
		forPQ = context.WithoutCancel(ctx) // no cancel request
	}
	return forPQ, func() {
		// Its deadline has been set, or is about to be; and the server may be about to
		// cancel what runs next.
		if !stop() || ctx.Err() != nil {
			c.retired = true
		}
		cancel()
	}
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	ctx, done := c.watch(ctx)
	r, err := c.query(ctx, query, args)
	if err != nil {
		done()
		return nil, c.classify(query, err)
	}
	return &rows{r, c, done}, nil
}

func (c *conn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 || c.viaPooler {
		return c.pqConn.QueryContext(ctx, query, args)
	}
	stmt, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	ctx, done := c.watch(ctx)
	defer done()
	r, err := c.exec(ctx, query, args)
	return r, c.classify(query, err)
}

func (c *conn) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 || c.viaPooler {
		return c.pqConn.ExecContext(ctx, query, args)
	}
	stmt, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (c *conn) statement(ctx context.Context, query string) (driver.Stmt, error) {
	if stmt := c.statements[query]; stmt != nil {
		return stmt, nil
	}
	if len(c.statements) == maxStatements {
		// Queries are constants, so this is a mistake in the program. Replace the
		// connection rather than fill the server's memory.
		c.retired = true
	}
	stmt, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	c.statements[query] = stmt
	return stmt, nil
}

// classify drops a prepared statement, or the connection, where an error says
// that it can no longer be used.
func (c *conn) classify(query string, err error) error {
	if err == nil {
		return nil
	}
	var server *pq.Error
	switch {
	case errors.As(err, &server):
		// A migration changed the columns of the prepared statement: prepare it again.
		if server.Code == pqerror.FeatureNotSupported || server.Code == pqerror.InvalidSQLStatementName {
			delete(c.statements, query)
		}
		// After a failover, the next connection may lead to the server that writes.
		if server.Code == pqerror.ReadOnlySQLTransaction {
			c.retired = true
		}
	case strings.HasPrefix(err.Error(), "pq: server error:"),
		strings.Contains(err.Error(), "already a query being processed"):
		c.lose()
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// lose closes a connection that is out of step with the server. lib/pq notices
// only when it sends something; from then on it fails without reading, instead of
// waiting for a message of a length that the server never sent.
func (c *conn) lose() {
	_ = c.pqConn.Close()
	_, _ = c.pqConn.BeginTx(context.Background(), driver.TxOptions{})
}

// begin begins a transaction that reads and writes as far as the database lets it.
const begin = "begin isolation level read committed"

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if level := sql.IsolationLevel(o.Isolation); level != sql.LevelReadCommitted || o.ReadOnly {
		return nil, fmt.Errorf("postgres: a transaction that is %v is not supported", level)
	}
	c.inTx = true
	ctx, done := c.watch(ctx)
	if err := c.begin(ctx); err != nil {
		c.inTx = false
		done()
		return nil, c.classify("", err)
	}
	return &tx{c.pqConn.(driver.Tx), c, done}, nil
}

func (c *conn) begin(ctx context.Context) error {
	if _, err := c.pqConn.ExecContext(ctx, begin, nil); err != nil || !c.viaPooler {
		return err
	}
	_, err := c.pqConn.ExecContext(ctx, c.connector.limit, nil)
	if err != nil {
		_ = c.pqConn.(driver.Tx).Rollback()
	}
	return err
}

// IsValid implements driver.Validator.
func (c *conn) IsValid() bool { return !c.retired && !c.outdated() && c.pqConn.IsValid() }

// ResetSession implements driver.SessionResetter: it is called before a connection is
// used again.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.outdated() || !c.idle() {
		return driver.ErrBadConn
	}
	return c.pqConn.ResetSession(ctx)
}

// idle reports whether nothing has arrived since the last answer. The server says so
// when it closes a connection: what is sent afterwards is lost, and nobody knows whether
// it was carried out.
func (c *conn) idle() bool {
	socket, ok := c.socket.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	nothing := false
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		nothing = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && nothing
}

func (c *conn) outdated() bool { return c.generation != c.connector.generation.Load() }

type tx struct {
	driver.Tx
	conn *conn
	done func()
}

func (t *tx) Commit() error {
	defer t.end()
	err := t.Tx.Commit()
	if err == nil || !commitUnknown(err) {
		return t.conn.classify("", err)
	}
	return fmt.Errorf("%w: %w", ErrCommitUnknown, t.conn.classify("", err))
}

func (t *tx) Rollback() error {
	defer t.end()
	return t.conn.classify("", t.Tx.Rollback())
}

// commitUnknown reports whether the server may have committed although the statement
// that commits failed. An error of the server says that it has not, unless it says that
// the connection ends: that can follow the commit.
func commitUnknown(err error) bool {
	var server *pq.Error
	if errors.As(err, &server) {
		return server.Code.Class() == pqerror.ClassOperatorIntervention && server.Code != pqerror.QueryCanceled
	}
	return !errors.Is(err, pq.ErrInFailedTransaction) && !errors.Is(err, sql.ErrNoRows)
}

func (t *tx) end() {
	t.conn.inTx = false
	t.done()
}

type rows struct {
	driver.Rows
	conn *conn
	done func()
}

func (r *rows) Next(dest []driver.Value) error { return r.conn.classify("", r.Rows.Next(dest)) }

func (r *rows) Close() error {
	defer r.done()
	return r.conn.classify("", r.Rows.Close())
}

func connectionLost(err error) bool {
	return errors.Is(err, errConnect) || errors.Is(err, errLost) || errors.Is(err, driver.ErrBadConn)
}
