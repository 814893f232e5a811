// Package mail writes the gateway's mails and sends them through a mail server.
//
// [Invitation] and [RequestNotice] are what a mail says; their Compose methods
// write it in the language of the recipient. [Sender] sends messages by SMTP.
// [Work] joins both: it is the work of an outbox queue.
package mail

import (
	"crypto/tls"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

const (
	// stepTimeout bounds each step with the mail server: connecting, and each mail.
	stepTimeout = 15 * time.Second
	// defaultStallTime is how long the server may stay silent before another
	// connection is opened.
	defaultStallTime = time.Second
	// maxConnections bounds the connections of one Send.
	maxConnections = 4
	// maxReplyBytes bounds what is read over one connection.
	maxReplyBytes = 1 << 20
)

// Sender sends messages through one mail server. It may be used concurrently.
type Sender struct {
	from      Mailbox
	domain    string // of Message-IDs
	host      string
	port      int
	tls       *tls.Config
	implicit  bool // TLS from the start, without STARTTLS
	options   []mail.Option
	stallTime time.Duration
}

// NewSender returns a sender for the mail server of a URL. smtp://host:port upgrades
// to TLS if the server can, and insists on TLS if the URL has a user and password.
// smtps://host:port uses TLS from the start. The default ports are 25, 587 with a
// user, and 465. The domain is that of Message-IDs. NewSender does not connect; an
// error says what is wrong with the URL, without quoting it.
func NewSender(server *url.URL, from Mailbox, domain string) (*Sender, error) {
	s := &Sender{from: from, domain: domain, host: server.Hostname(), port: 25, stallTime: defaultStallTime}
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
	s.options = []mail.Option{mail.WithPort(s.port), mail.WithTLSPolicy(policy), mail.WithTLSConfig(s.tls), mail.WithTimeout(stepTimeout), mail.WithHELO(domain)}
	if authenticated {
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(server.User.Username()), mail.WithPassword(password))
	}
	_, err := mail.NewClient(s.host, s.options...)
	return s, err
}
