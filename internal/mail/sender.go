// Package mail composes the gateway's mails and hands them to a mail server.
package mail

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net"
	netmail "net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"alphacruncher.com/datahub-gateway/internal/address"
)

// timeout bounds each step with the mail server: connecting, and each mail.
const timeout = 8 * time.Second

// ErrRefused says that the mail server will never take a mail for this
// recipient (a reply 5yz, RFC 5321 section 4.2.1).
var ErrRefused = errors.New("mail: refused for good")

// Message is a mail to one person.
type Message struct {
	ID       string // what stands before the @ of Message-ID; the same in every attempt
	To       address.Address
	ReplyTo  Mailbox
	Subject  string
	Text     string
	HTML     string
	Language string // BCP 47
}

// Mailbox is a person or a service with an address.
type Mailbox struct{ Name, Email string }

// header is the mailbox as it stands in a header, its name quoted or encoded.
func (m Mailbox) header() string {
	return (&netmail.Address{Name: m.Name, Address: m.Email}).String()
}

// Sender hands mails to one mail server. It may be used concurrently.
type Sender struct {
	from    Mailbox
	domain  string // of Message-IDs
	host    string
	port    int
	tls     *tls.Config
	wrapped bool // in TLS from the start
	options []mail.Option
}

// NewSender makes a sender for the server of a URL: smtp://host:port upgrades
// to TLS where the server can, and must where the URL has a user and password;
// smtps://host:port speaks TLS from the start. Ports default to 25, 587 with a
// user, and 465. The domain is that of Message-IDs.
func NewSender(server *url.URL, from Mailbox, domain string) (*Sender, error) {
	s := &Sender{from: from, domain: domain, host: server.Hostname(), port: 25}
	s.tls = &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	password, authenticated := server.User.Password()
	policy := mail.TLSOpportunistic
	switch {
	case server.Scheme == "smtps":
		s.port, s.wrapped = 465, true // in which no STARTTLS is offered
	case server.Scheme != "smtp":
		return nil, errors.New("it must begin with smtp:// or smtps://")
	case authenticated:
		s.port, policy = 587, mail.TLSMandatory
	}
	switch {
	case s.host == "":
		return nil, errors.New("it names no host")
	case server.User != nil && (server.User.Username() == "" || password == ""):
		return nil, errors.New("it must name both a user and a password, or neither")
	case strings.Trim(server.Path, "/") != "" || server.RawQuery != "" || server.Fragment != "":
		return nil, errors.New("it must end with the host or the port; write a password's special characters as %XX")
	}
	if server.Port() != "" {
		var err error
		if s.port, err = strconv.Atoi(server.Port()); err != nil {
			return nil, errors.New("its port is no number")
		}
	}
	s.options = []mail.Option{mail.WithPort(s.port), mail.WithTLSPolicy(policy), mail.WithTLSConfig(s.tls), mail.WithTimeout(timeout), mail.WithHELO(domain)}
	if authenticated {
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(server.User.Username()), mail.WithPassword(password))
	}
	_, err := mail.NewClient(s.host, s.options...)
	return s, err
}

// Send hands over messages, over one connection while it lasts, and gives an
// error, or nil, for each. ErrRefused says that another attempt is in vain. It
// ends with its context, whatever the server does.
func (s *Sender) Send(ctx context.Context, messages []Message) []error {
	errs := make([]error, len(messages))
	var open *connection
	defer func() { open.hangUp() }()
	for k, m := range messages {
		if errs[k] = ctx.Err(); errs[k] != nil {
			continue
		}
		if open == nil {
			if open, errs[k] = s.dial(ctx); errs[k] != nil {
				for rest := range messages[k:] {
					errs[k+rest] = errs[k]
				}
				return errs
			}
		}
		var usable bool
		if usable, errs[k] = s.send(ctx, open, m); !usable {
			open.hangUp()
			open = nil
		}
	}
	return errs
}

// connection is a conversation with the mail server.
type connection struct {
	*mail.Client
	conn net.Conn
	stop func() bool // keeps conn from being closed when the context ends
}

// dial begins a conversation that is cut off when the context ends.
func (s *Sender) dial(ctx context.Context) (*connection, error) {
	c := &connection{}
	connect := func(dialing context.Context, network, _ string) (_ net.Conn, err error) {
		if c.conn, err = (&net.Dialer{}).DialContext(dialing, network, net.JoinHostPort(s.host, strconv.Itoa(s.port))); err != nil {
			return nil, err
		}
		c.stop = context.AfterFunc(ctx, func() { _ = c.conn.Close() })
		if !s.wrapped {
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
		c.hangUp()
		return nil, fmt.Errorf("reach the mail server: %w", cause(ctx, err))
	}
	return c, nil
}

// hangUp takes leave, and closes the connection even where the server does not
// answer that.
func (c *connection) hangUp() {
	if c == nil {
		return
	}
	_ = c.Close()
	if c.stop != nil {
		c.stop()
		_ = c.conn.Close()
	}
}

// send hands over a message, and tells whether the connection is good for
// another one.
func (s *Sender) send(ctx context.Context, c *connection, m Message) (usable bool, err error) {
	msg, err := s.compose(m)
	if err != nil {
		return true, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err = c.Send(msg); err == nil {
		return true, nil
	}
	if msg.IsDelivered() {
		return false, nil // what failed was tidying up for the next one
	}
	err = cause(ctx, err)
	var failed *mail.SendError
	if !errors.As(err, &failed) {
		return false, err
	}
	if failed.ErrorCode() >= 500 && aboutRecipient(failed.Reason) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return begunAnew(failed), err
}

// cause names the end of the context where that is why something failed.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// aboutRecipient tells refusals of a mail from those of the gateway itself,
// which an operator can put right.
func aboutRecipient(r mail.SendErrReason) bool {
	return r == mail.ErrSMTPRcptTo || r == mail.ErrSMTPData || r == mail.ErrSMTPDataClose
}

// begunAnew reports whether the server refused a mail and forgot about it, so
// that it is ready for the next one: go-mail sends RSET after a refused MAIL
// or RCPT alone, and 421 announces that the server closes the connection.
func begunAnew(failed *mail.SendError) bool {
	return (failed.Reason == mail.ErrSMTPMailFrom || failed.Reason == mail.ErrSMTPRcptTo) &&
		failed.ErrorCode() != 0 && failed.ErrorCode() != 421
}

func (s *Sender) compose(m Message) (*mail.Msg, error) {
	replyTo := m.ReplyTo
	if a, problem := address.Parse(replyTo.Email); problem == nil {
		replyTo.Email = a.Envelope() // every server takes a domain in A-labels
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	err := errors.Join(
		msg.From(s.from.header()),
		msg.To(m.To.Envelope()),
		msg.ReplyTo(replyTo.header()),
	)
	if err != nil {
		return nil, err
	}
	msg.Subject(literally(m.Subject))
	msg.SetMessageIDWithValue(m.ID + "@" + s.domain)
	msg.SetDate()
	// RFC 3834: no out-of-office reply to a mail that a program sent.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader(mail.HeaderContentLang, m.Language)
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	return msg, nil
}

// literally encodes text that would otherwise be taken for encoded already
// (RFC 2047), and decoded.
func literally(text string) string {
	if !strings.Contains(text, "=?") || mime.QEncoding.Encode("utf-8", text) != text {
		return text
	}
	const most = 45 // octets a word, so that it is no longer than 75 characters
	var words []string
	for chunk := range slices.Chunk([]byte(text), most) {
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString(chunk)+"?=")
	}
	return strings.Join(words, " ")
}
