package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

const (
	// connectTimeout bounds the time until the connection is there, with TLS where the
	// URL says smtps.
	connectTimeout = 15 * time.Second
	// quitTimeout bounds the answer to QUIT, on which nothing depends.
	quitTimeout = 5 * time.Second
	// maxReplyBytes bounds what is read over one connection.
	maxReplyBytes = 1 << 20
)

// connection is an SMTP connection to the mail server. It is closed when the context
// of dial ends.
//
// Go-mail connects, upgrades to TLS and authenticates. The commands of a message are
// written here, because go-mail's own ask for extensions that the message does not
// need, and have one timeout for all steps.
type connection struct {
	text   *textproto.Conn
	offers func(extension string) bool
	conn   *limitedConn
	detach func() bool // keeps the end of the context from closing conn
	used   bool        // whether a message was begun
	open   bool        // whether a transaction was begun that RSET must end (RFC 5321 section 4.1.1.5)
	broken bool        // whether the connection cannot be used any more
	closed func()
}

// dial connects to the mail server.
func (s *Sender) dial(ctx context.Context) (*connection, error) {
	c := &connection{}
	var client *mail.Client
	connect := func(dialing context.Context, network, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(dialing, network, net.JoinHostPort(s.host, strconv.Itoa(s.port)))
		if err != nil {
			return nil, err
		}
		c.conn = &limitedConn{Conn: conn, timeout: s.CommandTimeout, remaining: maxReplyBytes}
		c.conn.extend()
		if err := mail.WithHELO(s.helloName(conn.LocalAddr()))(client); err != nil {
			return nil, err
		}
		c.detach = context.AfterFunc(ctx, func() { _ = c.conn.Close() })
		if !s.implicit {
			return c.conn, nil
		}
		secured := tls.Client(c.conn, s.tls)
		return secured, secured.HandshakeContext(dialing)
	}
	var err error
	client, err = mail.NewClient(s.host, append(slices.Clone(s.options), mail.WithDialContextFunc(connect), mail.WithTimeout(connectTimeout))...)
	if err != nil {
		return nil, err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		c.broken = true
		c.close()
		return nil, c.dialError(ctx, err)
	}
	c.use(session)
	s.connections.Add(1)
	c.closed = func() { s.connections.Add(-1) }
	return c, nil
}

// helloName returns how the gateway introduces itself in EHLO over a connection: by
// its domain, or by an address literal where that is no complete name (RFC 5321
// sections 4.1.1.1 and 4.1.3).
func (s *Sender) helloName(local net.Addr) string {
	tcp, ok := local.(*net.TCPAddr)
	if strings.Contains(s.domain, ".") || !ok {
		return s.domain
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	if addr.Is6() {
		return "[IPv6:" + addr.String() + "]"
	}
	return "[" + addr.String() + "]"
}

func (c *connection) use(session *smtp.Client) {
	c.text = session.Text
	c.offers = func(extension string) bool {
		offered, _ := session.Extension(extension)
		return offered
	}
}

// dialError returns the error of a connection that could not be opened. It is never
// ErrRefused: it does not concern one message.
func (c *connection) dialError(ctx context.Context, err error) error {
	err = fmt.Errorf("reach the mail server: %w", c.cause(ctx, err))
	var reply *textproto.Error
	switch {
	case errors.As(err, &reply):
		return &Refusal{early: true, reply: reply, err: err}
	case c.conn == nil:
		return &failure{ProblemUnreachable, err}
	case c.conn.failed || ctx.Err() != nil:
		return &failure{ProblemNoAnswer, err}
	}
	return &failure{ProblemInsecure, err}
}

// close sends QUIT, and closes the connection even if the server does not answer.
func (c *connection) close() {
	if c == nil || c.conn == nil {
		return
	}
	if !c.broken {
		c.conn.timeout = quitTimeout
		_ = c.command(221, "QUIT")
	}
	c.detach()
	_ = c.conn.Close()
	if c.closed != nil {
		c.closed()
	}
}

// command sends a command and reads the reply, whose code must begin with the digits
// of expected. An error is a *textproto.Error if the server replied.
func (c *connection) command(expected int, line string) error {
	if err := c.text.PrintfLine("%s", line); err != nil {
		return err
	}
	_, _, err := c.text.ReadResponse(expected)
	return err
}

// send sends a message. Where it fails, c.broken says whether the connection can be
// used for another one. The error is ErrRefused if the server will never accept the
// message, and ErrUnconfirmed if it has perhaps accepted it.
func (s *Sender) send(ctx context.Context, c *connection, m Message) error {
	e, err := s.encode(m, c.offers("SMTPUTF8"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if e.utf8 && !c.offers("SMTPUTF8") {
		return fmt.Errorf("%w: %w", ErrRefused, &failure{ProblemNoUTF8, errors.New("the mail server does not offer SMTPUTF8")})
	}
	used := c.used
	c.used = true
	if c.open {
		if err := c.command(250, "RSET"); err != nil {
			return c.staleError(ctx, used, "RSET", err)
		}
		c.open = false
	}
	from := "MAIL FROM:<" + e.from + ">"
	if e.eightBit && c.offers("8BITMIME") {
		from += " BODY=8BITMIME"
	}
	if e.utf8 {
		from += " SMTPUTF8"
	}
	if err := c.command(250, from); err != nil {
		return c.staleError(ctx, used, "MAIL", err)
	}
	c.open = true
	if err := c.command(25, "RCPT TO:<"+e.to+">"); err != nil {
		return c.sendError(ctx, "RCPT", err)
	}
	if m.Attempt > 1 {
		if err := m.submitted(ctx); err != nil {
			return err
		}
	}
	if err := c.command(354, "DATA"); err != nil {
		return c.sendError(ctx, "DATA", err)
	}
	return s.submit(ctx, c, m, e.content)
}

// submit sends the content of a message after DATA, and waits for the server's answer.
func (s *Sender) submit(ctx context.Context, c *connection, m Message, content []byte) error {
	// Each line of the content ends with CRLF; a dot at its beginning is doubled (RFC 5321
	// section 4.5.2).
	if _, err := c.text.W.Write(bytes.ReplaceAll(content, []byte("\r\n."), []byte("\r\n.."))); err != nil {
		c.broken = true
		return &failure{ProblemNoAnswer, fmt.Errorf("the message: %w", c.cause(ctx, err))} // without its end it is not accepted
	}
	c.conn.timeout = s.AcceptTimeout
	defer func() { c.conn.timeout = s.CommandTimeout }()
	err := c.text.PrintfLine(".")
	if err == nil {
		if m.Attempt <= 1 && !c.answersWithin(s.submittedAfter) {
			_ = m.submitted(ctx) // without the record, a killed gateway's message is sent once more
		}
		c.open = false
		_, _, err = c.text.ReadResponse(250)
	}
	if err == nil {
		return nil
	}
	if reply := (*textproto.Error)(nil); errors.As(err, &reply) && reply.Code >= 400 {
		return c.sendError(ctx, "end of the message", err)
	}
	c.broken = true
	return fmt.Errorf("%w: %w", ErrUnconfirmed, &failure{ProblemUnconfirmed, c.cause(ctx, err)})
}

// answersWithin reports whether the server answers within a time. The answer is left
// to be read.
func (c *connection) answersWithin(d time.Duration) bool {
	_ = c.conn.Conn.SetReadDeadline(time.Now().Add(d))
	_, err := c.text.R.Peek(1)
	c.conn.extend()
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if late {
		c.conn.failed, c.conn.timedOut = false, false
	}
	return !late
}

// errStale is the error of the first command of a message if the server has closed the
// connection after an earlier one, as it may at any time.
var errStale = errors.New("the mail server has closed the connection")

// staleError returns the error of the first command of a message.
func (c *connection) staleError(ctx context.Context, used bool, command string, err error) error {
	err = c.sendError(ctx, command, err)
	if used && c.broken && !c.conn.timedOut && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", errStale, err)
	}
	return err
}

// sendError returns the error of a command of a message.
func (c *connection) sendError(ctx context.Context, command string, err error) error {
	err = fmt.Errorf("%s: %w", command, c.cause(ctx, err))
	var reply *textproto.Error
	if !errors.As(err, &reply) {
		c.broken = true
		return &failure{ProblemNoAnswer, err}
	}
	// 421 announces that the server closes the connection.
	c.broken = reply.Code == 421 || command == "RSET"
	return &Refusal{permanent: command != "RSET" && isPermanent(reply), early: command == "RSET" || command == "MAIL", reply: reply, err: err}
}

// cause returns the error that a failure of the connection is a consequence of.
func (c *connection) cause(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case c.conn != nil && c.conn.remaining <= 0:
		return errTooMuch // the error quotes what it could read
	}
	return err
}

// limitedConn is a connection that fails when the server sends too much, or takes too
// long for a reply.
type limitedConn struct {
	net.Conn
	timeout   time.Duration // from the last write to the reply
	remaining int           // octets that may still be read
	failed    bool          // whether a read or a write has failed
	timedOut  bool          // whether that was because of the timeout
}

var errTooMuch = errors.New("the mail server sends too much")

// extend starts the timeout again.
func (c *limitedConn) extend() { _ = c.Conn.SetDeadline(time.Now().Add(c.timeout)) }

// SetDeadline does nothing: go-mail has one timeout for many steps.
func (c *limitedConn) SetDeadline(time.Time) error { return nil }

func (c *limitedConn) Write(p []byte) (int, error) {
	c.extend()
	n, err := c.Conn.Write(p)
	return n, c.note(err)
}

func (c *limitedConn) Read(p []byte) (int, error) {
	if c.remaining <= 0 {
		return 0, c.note(errTooMuch)
	}
	n, err := c.Conn.Read(p[:min(len(p), c.remaining)])
	c.remaining -= n
	return n, c.note(err)
}

func (c *limitedConn) note(err error) error {
	c.failed = c.failed || err != nil
	c.timedOut = c.timedOut || errors.Is(err, os.ErrDeadlineExceeded)
	return err
}
