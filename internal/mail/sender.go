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
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

const (
	// timeout bounds each step with the mail server: connecting, and each mail.
	timeout = 15 * time.Second
	// A mail that takes longer than stuckTime does not hold up the others: they
	// go by a connection of their own, up to maxConnections of one Send.
	stuckTime      = time.Second
	maxConnections = 4
	// longestSpeech is how many octets are read over one connection.
	longestSpeech = 1 << 20
)

// ErrRefused says that the mail server will never take this mail (a reply 5yz,
// RFC 5321 section 4.2.1).
var ErrRefused = errors.New("mail: refused for good")

// Refusal is a reply of the mail server's that is not the taking of a mail. It
// is an ErrRefused where it is permanent.
type Refusal struct {
	permanent bool
	reply     string
	cause     error
}

func (r *Refusal) Error() string { return r.cause.Error() }

func (r *Refusal) Unwrap() error { return r.cause }

// Is serves errors.Is.
func (r *Refusal) Is(target error) bool { return target == ErrRefused && r.permanent }

// Reply is what the server said: a code of three digits and a text.
func (r *Refusal) Reply() string { return r.reply }

// Message is a mail to one person.
type Message struct {
	ID       string // what stands before the @ of Message-ID; the same in every attempt
	To       address.Address
	ReplyTo  Mailbox // zero: nobody reads replies
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

// Send hands over messages, over one connection while it lasts and none of them
// is stuck. What came of the k-th it tells as soon as it knows: nil, or an error;
// ErrRefused says that another attempt is in vain. Of those that it had no time
// for it tells nothing. It ends with its context, whatever the server does.
func (s *Sender) Send(ctx context.Context, messages []Message, ended func(i int, err error)) {
	e := &batch{messages: messages, ended: ended, progress: make(chan struct{}, 2*len(messages))}
	for i := range messages {
		e.waiting = append(e.waiting, i)
	}
	over := make(chan struct{}, maxConnections)
	begin := func(first bool) {
		go func() {
			defer func() { over <- struct{}{} }()
			s.deliver(ctx, e, first)
		}()
	}
	begin(true)
	stuck := time.NewTicker(stuckTime)
	defer stuck.Stop()
	reached := false
	for open := 1; open > 0; {
		select {
		case <-over:
			open--
		case <-e.progress:
			reached = true
			stuck.Reset(stuckTime)
		case <-stuck.C:
			if reached && open < maxConnections && e.left() {
				open++
				begin(false)
			}
		}
	}
}

// batch is what several connections hand over together.
type batch struct {
	messages []Message
	ended    func(k int, err error)
	progress chan struct{} // the server was reached, or has answered for a message

	mu      sync.Mutex
	waiting []int // of the messages
}

// take gives the next message to hand over; false where none is left.
func (e *batch) take() (int, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == 0 {
		return 0, false
	}
	i := e.waiting[0]
	e.waiting = e.waiting[1:]
	return i, true
}

// giveBack is for who cannot hand over the message that it took.
func (e *batch) giveBack(i int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting = append(e.waiting, i)
}

func (e *batch) left() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.waiting) > 0
}

// converse hands over messages until none is left, or the context ends. Where
// the server cannot be reached, it cannot for any of them; a further connection
// leaves them to the first. Where it has let a message wait for too long, the
// others are left to another time, so that those who wait for it meanwhile have
// their turn.
func (s *Sender) deliver(ctx context.Context, e *batch, first bool) {
	var open *connection
	i := 0
	defer func() {
		if p := recover(); p != nil {
			e.ended(i, recovery.Of(p))
		}
		open.hangUp()
	}()
	for ctx.Err() == nil {
		var ok bool
		if i, ok = e.take(); !ok {
			return
		}
		if open == nil {
			var err error
			if open, err = s.dial(ctx); err != nil {
				if !first {
					e.giveBack(i)
					return
				}
				for ; ok; i, ok = e.take() {
					e.ended(i, err)
				}
				return
			}
			e.progress <- struct{}{}
		}
		usable, err := s.send(ctx, open, e.messages[i])
		e.ended(i, err)
		if open.conn.late {
			return
		}
		if !usable {
			open.hangUp()
			open = nil
		}
		e.progress <- struct{}{}
	}
}

// connection is a conversation with the mail server.
type connection struct {
	*mail.Client
	conn *bounded
	stop func() bool // keeps conn from being closed when the context ends
}

// dial begins a conversation that is cut off when the context ends.
func (s *Sender) dial(ctx context.Context) (*connection, error) {
	c := &connection{}
	connect := func(dialing context.Context, network, _ string) (_ net.Conn, err error) {
		conn, err := (&net.Dialer{}).DialContext(dialing, network, net.JoinHostPort(s.host, strconv.Itoa(s.port)))
		if err != nil {
			return nil, err
		}
		c.conn = &bounded{Conn: conn, left: longestSpeech}
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
		err = fmt.Errorf("reach the mail server: %w", cause(ctx, err))
		if said := reply(err); said != "" {
			err = &Refusal{reply: said, cause: err}
		}
		return nil, err
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
	if said := reply(failed); said != "" {
		err = &Refusal{failed.ErrorCode() >= 500 && aboutMail(failed), said, err}
	}
	return reusable(failed), err
}

// replied finds a reply in the text of an error of go-mail's.
var replied = regexp.MustCompile(`\b([45]\d\d) ("(?:[^"\\]|\\.)*")`)

// reply is what the server said, or "": go-mail tells it in the text of its
// error alone.
func reply(err error) string {
	found := replied.FindStringSubmatch(err.Error())
	if found == nil {
		return ""
	}
	text, _ := strconv.Unquote(found[2])
	return found[1] + " " + text
}

// cause names the end of the context where that is why something failed.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return err
}

// aboutMail tells refusals of a mail from those of a gateway that has not signed
// in as the server wants (RFC 4954, section 6), which an operator can put right.
func aboutMail(failed *mail.SendError) bool {
	switch failed.Reason {
	case mail.ErrSMTPMailFrom, mail.ErrSMTPRcptTo, mail.ErrSMTPData, mail.ErrSMTPDataClose:
		return failed.ErrorCode() != 530 && failed.ErrorCode() != 535
	}
	return false
}

// begunAnew reports whether the server refused a mail and forgot about it, so
// that it is ready for the next one: go-mail sends RSET after a refused MAIL
// or RCPT alone, and 421 announces that the server closes the connection.
func reusable(failed *mail.SendError) bool {
	return (failed.Reason == mail.ErrSMTPMailFrom || failed.Reason == mail.ErrSMTPRcptTo) &&
		failed.ErrorCode() != 0 && failed.ErrorCode() != 421
}

func (s *Sender) compose(m Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	err := errors.Join(
		msg.From(s.from.header()),
		msg.To(m.To.Envelope()),
	)
	if replyTo := m.ReplyTo; replyTo != (Mailbox{}) {
		if a, problem := address.Parse(replyTo.Email); problem == nil {
			replyTo.Email = a.Envelope() // every server takes a domain in A-labels
		}
		err = errors.Join(err, msg.ReplyTo(replyTo.header()))
	}
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

// bounded is a connection that ends when the other side says too much, and that
// knows whether it has let somebody wait for too long.
type bounded struct {
	net.Conn
	left int // octets
	late bool
}

var errTooMuch = errors.New("the mail server says too much")

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.late = b.late || errors.Is(err, os.ErrDeadlineExceeded)
	return n, err
}
