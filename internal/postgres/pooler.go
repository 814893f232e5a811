package postgres

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"
)

// A pooler such as PgBouncer may give each transaction another connection of the
// server. What belongs to a session is then lost, or is another client's:
//
//   - Prepared statements. lib/pq numbers them, so that number 7 of one client can
//     be another statement of another client.
//   - Startup parameters, which a pooler refuses, or takes without handing them on.
//   - Session locks.
//   - Cancel requests, which PgBouncer up to 1.24 may end from (pgbouncer#822, #801).
//
// So a connection through a pooler sends each query with its arguments in one
// message of the unnamed statement, limits each transaction inside of it, and is
// closed where a statement is to be abandoned.

// marker is a startup parameter that PostgreSQL keeps, as every parameter with a
// dot in its name, and that no pooler hands on.
const marker = "datahub.direct"

// route is the way to a database: to the server itself or, once a pooler was found
// there, through the pooler.
type route struct {
	direct, pooled *pq.Connector
	token          string // the marker's value
	viaPooler      atomic.Bool
	foundPooler    func() // called once; may be nil
}

// newRoute reads a connection string and adds startup parameters to its own.
func newRoute(dsn string, parameters map[string]string) (*route, error) {
	r := &route{token: rand.Text()}
	var err error
	r.direct, err = newConnector(dsn, func(c *pq.Config) {
		c.Runtime[marker] = r.token
		for name, value := range parameters {
			c.Runtime[name] = value
		}
	})
	if err != nil {
		return nil, err
	}
	// With this parameter, lib/pq sends a query and its arguments in one message.
	r.pooled, err = newConnector(dsn, func(c *pq.Config) { c.BinaryParameters = true })
	return r, err
}

// connect returns a connection with its socket, and whether it goes through a pooler.
func (r *route) connect(ctx context.Context) (c driver.Conn, socket net.Conn, viaPooler bool, err error) {
	ctx = context.WithValue(ctx, socketKey{}, &socket)
	if !r.viaPooler.Load() {
		c, err := r.direct.Connect(ctx)
		if err == nil {
			direct, err := r.isDirect(ctx, c, socket)
			if direct && err == nil {
				return c, socket, false, nil
			}
			_ = c.Close()
			if err != nil {
				return nil, nil, false, err
			}
		} else if pq.As(err, pqerror.ProtocolViolation) == nil { // how a pooler refuses a startup parameter
			return nil, nil, false, err
		}
		if !r.viaPooler.Swap(true) && r.foundPooler != nil {
			r.foundPooler()
		}
	}
	c, err = r.pooled.Connect(ctx)
	return c, socket, true, err
}

// isDirect reports whether the server has the marker of a new connection. The
// question is a part of connecting, and takes no longer.
func (r *route) isDirect(ctx context.Context, c driver.Conn, socket net.Conn) (bool, error) {
	if err := socket.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return false, err
	}
	// Without a cancel request, in case that a pooler is there.
	found, err := readText(context.WithoutCancel(ctx), c, `select coalesce(current_setting('`+marker+`', true), '')`)
	if err != nil {
		return false, err
	}
	return found == r.token, socket.SetDeadline(time.Time{})
}

// readText returns the text that a query without arguments selects.
func readText(ctx context.Context, c driver.Conn, query string) (string, error) {
	rows, err := c.(driver.QueryerContext).QueryContext(ctx, query, nil)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	values := make([]driver.Value, 1)
	if err := rows.Next(values); err != nil {
		return "", err
	}
	switch value := values[0].(type) {
	case string:
		return value, nil
	case []byte:
		return string(value), nil
	default:
		return "", fmt.Errorf("postgres: %T is not a text", value)
	}
}

// ErrTransactionPooler reports that a call that needs sessions goes through a
// pooler that pools transactions.
var ErrTransactionPooler = errors.New("the database is reached through a pooler that pools transactions; " +
	"this needs sessions: set DATABASE_URL to the server itself, or to a pool of sessions")

// sessions connects with session settings, for work that relies on sessions.
type sessions struct {
	*route
	settings string // SET statements, which replace startup parameters behind a pooler
}

// Connect implements driver.Connector.
func (s sessions) Connect(ctx context.Context) (driver.Conn, error) {
	c, _, viaPooler, err := s.connect(ctx)
	if err != nil || !viaPooler {
		return c, err
	}
	if _, err := c.(driver.ExecerContext).ExecContext(ctx, s.settings, nil); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// Driver implements driver.Connector.
func (s sessions) Driver() driver.Driver { return s.direct.Driver() }

// looks is how often requireSessions compares two connections. A pooler of
// transactions uses first the connection to the server that became free last:
// the first look finds it, unless others use the pool meanwhile.
const looks = 10

// requireSessions fails with ErrTransactionPooler where two connections of the
// pool share one of the server, or where one of them changes it.
func requireSessions(ctx context.Context, db *sql.DB, r *route) error {
	var pids [2]int
	var connections [2]*sql.Conn
	for i := range connections {
		var err error
		if connections[i], err = db.Conn(ctx); err != nil {
			return err
		}
		defer connections[i].Close()
	}
	if !r.viaPooler.Load() {
		return nil
	}
	for range looks {
		for i, c := range connections {
			var pid int
			if err := c.QueryRowContext(ctx, `select pg_backend_pid()`).Scan(&pid); err != nil {
				return err
			}
			if pids[i] != 0 && pids[i] != pid || pids[1-i] == pid {
				return ErrTransactionPooler
			}
			pids[i] = pid
		}
	}
	return nil
}
