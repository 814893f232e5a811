// Package mail writes the gateway's mails and sends them through a mail server.
//
// [Invitation] and [RequestNotice] are what a mail says; their Compose methods
// write it in the language of the recipient. [Sender] sends messages by SMTP.
// [Work] joins both: it is the work of an outbox queue.
package mail

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wneessen/go-mail"
)

const (
	defaultCommandTimeout = time.Minute
	defaultAcceptTimeout  = 10 * time.Minute
	// defaultStallTime is how long the server may stay silent before another
	// connection is opened.
	defaultStallTime = time.Second
	// defaultSubmittedAfter is how long the server may take to answer to a message before
	// it is recorded that the message was submitted. Most servers answer sooner, so that
	// most mails need no such record.
	defaultSubmittedAfter = 250 * time.Millisecond
	// startTime is how long a Send begins with messages.
	startTime = time.Minute
	// maxConnections bounds the connections of one Send.
	maxConnections = 4
	// maxSlow bounds how many messages of a Sender wait for the server for longer than
	// the stall time before no others are begun. maxSlowByDomain does so for the
	// recipients of one domain; it begins with firstSlowByDomain.
	maxSlow         = 32
	maxSlowByDomain = 16
	// firstSlowByDomain is as many as one queue has workers.
	firstSlowByDomain = 4
	// domainPause is how long no mail to a domain is begun after one that timed out.
	domainPause = time.Minute
)

// Sender sends messages through one mail server. It may be used concurrently. Set its
// fields before the first message.
type Sender struct {
	// CommandTimeout bounds each step with the mail server, until it has the message.
	CommandTimeout time.Duration
	// AcceptTimeout bounds its answer to the message. RFC 5321 section 4.5.3.2.6 asks
	// for 10 minutes: a client that does not wait sends the mail a second time.
	AcceptTimeout time.Duration
	// Log has a line when the mail server cannot be reached, and one when it can be again.
	// nil: none.
	Log *slog.Logger

	from           Mailbox
	domain         string // of Message-IDs and EHLO
	host           string
	port           int
	tls            *tls.Config
	implicit       bool // TLS from the start, without STARTTLS
	options        []mail.Option
	stallTime      time.Duration
	submittedAfter time.Duration // see defaultSubmittedAfter
	probeInterval  time.Duration
	slow           slowMessages
	reach          reach
	connections    atomic.Int32 // that are open
}

// NewSender returns a sender for the mail server of a URL. smtp://host:port upgrades
// to TLS if the server can, and insists on TLS if the URL has a user and password.
// smtps://host:port uses TLS from the start. The default ports are 25, 587 with a
// user, and 465. The domain is that of Message-IDs and of EHLO, in ASCII; where it has
// no dot, EHLO has the IP address of the connection. NewSender does not connect; an
// error says what is wrong with the URL, without quoting it.
func NewSender(server *url.URL, from Mailbox, domain string) (*Sender, error) {
	s := &Sender{from: from, domain: domain, host: server.Hostname(), port: 25,
		CommandTimeout: defaultCommandTimeout, AcceptTimeout: defaultAcceptTimeout, stallTime: defaultStallTime, submittedAfter: defaultSubmittedAfter,
		probeInterval: defaultProbeInterval, reach: reach{probing: make(chan struct{}, 1)}}
	s.tls = &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	password, authenticated := server.User.Password()
	policy := mail.TLSOpportunistic
	switch {
	case server.Scheme == "smtps":
		s.port, s.implicit = 465, true
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
	s.options = []mail.Option{mail.WithPort(s.port), mail.WithTLSPolicy(policy), mail.WithTLSConfig(s.tls)}
	if authenticated {
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(server.User.Username()), mail.WithPassword(password))
	}
	_, err := mail.NewClient(s.host, s.options...)
	return s, err
}

// MaxTime returns how long a Send takes at most: it begins with its last message after
// startTime, and then connects and sends that.
func (s *Sender) MaxTime() time.Duration {
	const commands = 20 // at most, with those of an authentication
	return startTime + connectTimeout + commands*s.CommandTimeout + s.AcceptTimeout
}
