package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// maxStatements is how many statements a connection keeps prepared.
const maxStatements = 200

// preparing connects with lib/pq and mends two things about its connections.
//
// A query with arguments costs lib/pq two round trips, one to prepare it and
// one to run it; here the first of them is made once a connection.
//
// A server error of over 30,000 bytes leaves lib/pq 1.12.3 out of step with
// the server, and the next query hangs (lib/pq#1326); here such a connection
// is closed at once.
type preparing struct{ *pq.Connector }

// Connect implements driver.Connector.
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errConnect, err)
	}
	return &conn{pqConn: c.(pqConn), statements: map[string]driver.Stmt{}}, nil
}

var (
	errConnect = errors.New("postgres: no connection can be made")
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
	statements map[string]driver.Stmt
	full       bool
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		r, err := c.pqConn.QueryContext(ctx, query, args)
		return c.rows(r), c.noting(query, err)
	}
	stmt, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	return c.rows(r), c.noting(query, err)
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		r, err := c.pqConn.ExecContext(ctx, query, args)
		return r, c.noting(query, err)
	}
	stmt, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	r, err := stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	return r, c.noting(query, err)
}

func (c *conn) statement(ctx context.Context, query string) (driver.Stmt, error) {
	if stmt := c.statements[query]; stmt != nil {
		return stmt, nil
	}
	if len(c.statements) == maxStatements {
		// Queries are constants, so this is a mistake in the program; the
		// connection is better replaced than filled.
		c.full = true
	}
	stmt, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.noting(query, err)
	}
	c.statements[query] = stmt
	return stmt, nil
}

// noting takes note of what an error says about the connection.
func (c *conn) noting(query string, err error) error {
	if err == nil {
		return nil
	}
	var server *pq.Error
	switch {
	case errors.As(err, &server):
		// A migration changed what the prepared statement gives: make it anew.
		if server.Code == pqerror.FeatureNotSupported || server.Code == pqerror.InvalidSQLStatementName {
			delete(c.statements, query)
		}
	case strings.HasPrefix(err.Error(), "pq: server error:"),
		strings.Contains(err.Error(), "already a query being processed"):
		c.lose()
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// lose closes a connection that is out of step with the server. lib/pq, which
// would wait for what it takes for the length of a message, notices with the
// next thing it sends; from then on it fails without reading.
func (c *conn) lose() {
	_ = c.pqConn.Close()
	_, _ = c.pqConn.BeginTx(context.Background(), driver.TxOptions{})
}

func (c *conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	t, err := c.pqConn.BeginTx(ctx, o)
	if err != nil {
		return nil, c.noting("", err)
	}
	return tx{t, c}, nil
}

// IsValid implements driver.Validator.
func (c *conn) IsValid() bool { return !c.full && c.pqConn.IsValid() }

type tx struct {
	driver.Tx
	conn *conn
}

func (t tx) Commit() error   { return t.conn.noting("", t.Tx.Commit()) }
func (t tx) Rollback() error { return t.conn.noting("", t.Tx.Rollback()) }

func (c *conn) rows(r driver.Rows) driver.Rows {
	if r == nil {
		return nil
	}
	return &rows{r, c}
}

type rows struct {
	driver.Rows
	conn *conn
}

func (r *rows) Next(dest []driver.Value) error { return r.conn.noting("", r.Rows.Next(dest)) }
func (r *rows) Close() error                   { return r.conn.noting("", r.Rows.Close()) }

func connectionLost(err error) bool {
	return errors.Is(err, errConnect) || errors.Is(err, errLost) || errors.Is(err, driver.ErrBadConn)
}
