package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"

	"github.com/wneessen/go-mail"
)

// connection is an SMTP connection to the mail server. It is closed when the context
// of dial ends.
type connection struct {
	*mail.Client
	conn   *limitedConn
	detach func() bool // keeps the end of the context from closing conn
}

// dial connects to the mail server.
func (s *Sender) dial(ctx context.Context) (*connection, error) {
	c := &connection{}
	connect := func(dialing context.Context, network, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(dialing, network, net.JoinHostPort(s.host, strconv.Itoa(s.port)))
		if err != nil {
			return nil, err
		}
		c.conn = &limitedConn{Conn: conn, remaining: maxReplyBytes}
		c.detach = context.AfterFunc(ctx, func() { _ = c.conn.Close() })
		if !s.implicit {
			return c.conn, nil
		}
		secured := tls.Client(c.conn, s.tls)
		return secured, secured.HandshakeContext(dialing)
	}
	var err error
	if c.Client, err = mail.NewClient(s.host, append(slices.Clone(s.options), mail.WithDialContextFunc(connect))...); err != nil {
		return nil, err
	}
	if err := c.DialWithContext(ctx); err != nil {
		c.close()
		err = fmt.Errorf("reach the mail server: %w", withCause(ctx, err))
		if reply := replyIn(err); reply != "" {
			err = &Refusal{reply: reply, err: err}
		}
		return nil, err
	}
	return c, nil
}

// close sends QUIT, and closes the connection even if the server does not answer.
func (c *connection) close() {
	if c == nil {
		return
	}
	_ = c.Close()
	if c.detach != nil {
		c.detach()
		_ = c.conn.Close()
	}
}

// send sends a message. It reports whether the connection can be used for another
// one.
func (s *Sender) send(ctx context.Context, c *connection, m Message) (reusable bool, err error) {
	msg, err := s.encode(m)
	if err != nil {
		return true, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err = c.Send(msg); err == nil {
		return true, nil
	}
	if msg.IsDelivered() {
		return false, nil // the server accepted the message, and failed at RSET
	}
	err = withCause(ctx, err)
	var failed *mail.SendError
	if !errors.As(err, &failed) {
		return false, err
	}
	if reply := replyIn(failed); reply != "" {
		err = &Refusal{permanent: isPermanent(failed), reply: reply, err: err}
	}
	return isReusableAfter(failed), err
}

// withCause adds the error of a context that has ended to an error, because the
// closed connection is then only a consequence.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// limitedConn is a connection that fails when the server sends too much.
type limitedConn struct {
	net.Conn
	remaining int  // octets that may still be read
	timedOut  bool // whether a read was ended by its deadline
}

var errTooMuch = errors.New("the mail server sends too much")

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.remaining <= 0 {
		return 0, errTooMuch
	}
	n, err := c.Conn.Read(p[:min(len(p), c.remaining)])
	c.remaining -= n
	c.timedOut = c.timedOut || errors.Is(err, os.ErrDeadlineExceeded)
	return n, err
}
