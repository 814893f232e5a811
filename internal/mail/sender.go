// Package mail composes the gateway's mails and hands them to a mail server.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
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

// Sender hands mails to one mail server. It may be used concurrently.
type Sender struct {
	from    Mailbox
	domain  string // of Message-IDs
	host    string
	options []mail.Option; tls struct{ RootCAs any }
}

// NewSender makes a sender for the server of a URL: smtp://host:port upgrades
// to TLS where the server can, and must where the URL has a user and password;
// smtps://host:port speaks TLS from the start. Ports default to 25, 587 with a
// user, and 465. The domain is that of Message-IDs.
func NewSender(server *url.URL, from Mailbox, domain string) (*Sender, error) {
	s := &Sender{from: from, domain: domain, host: server.Hostname()}
	if s.host == "" {
		return nil, errors.New("it names no host")
	}
	password, authenticated := server.User.Password()
	port := 25
	switch {
	case server.Scheme == "smtps":
		port = 465
		s.options = append(s.options, mail.WithSSL())
	case server.Scheme == "smtp" && authenticated:
		port = 587
		s.options = append(s.options, mail.WithTLSPolicy(mail.TLSMandatory))
	case server.Scheme == "smtp":
		s.options = append(s.options, mail.WithTLSPolicy(mail.TLSOpportunistic))
	default:
		return nil, errors.New("it must begin with smtp:// or smtps://")
	}
	if server.Port() != "" {
		var err error
		if port, err = strconv.Atoi(server.Port()); err != nil {
			return nil, errors.New("its port is no number")
		}
	}
	if authenticated {
		s.options = append(s.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(server.User.Username()), mail.WithPassword(password))
	}
	s.options = append(s.options, mail.WithPort(port), mail.WithTimeout(timeout), mail.WithHELO(domain))
	_, err := mail.NewClient(s.host, s.options...)
	return s, err
}

// Send hands over messages, over one connection while it lasts, and gives an
// error, or nil, for each. ErrRefused says that another attempt is in vain.
func (s *Sender) Send(ctx context.Context, messages []Message) []error {
	errs := make([]error, len(messages))
	var client *mail.Client
	defer func() { hangUp(client) }()
	for k, m := range messages {
		if errs[k] = ctx.Err(); errs[k] != nil {
			continue
		}
		if client == nil {
			if client, errs[k] = s.dial(ctx); errs[k] != nil {
				for rest := range messages[k:] {
					errs[k+rest] = errs[k]
				}
				return errs
			}
		}
		errs[k] = s.send(client, m)
		if errs[k] != nil && !replied(errs[k]) {
			hangUp(client)
			client = nil
		}
	}
	return errs
}

func (s *Sender) dial(ctx context.Context) (*mail.Client, error) {
	client, err := mail.NewClient(s.host, s.options...)
	if err != nil {
		return nil, err
	}
	if err := client.DialWithContext(ctx); err != nil {
		return nil, fmt.Errorf("reach the mail server: %w", err)
	}
	return client, nil
}

func hangUp(client *mail.Client) {
	if client != nil {
		_ = client.Close()
	}
}

func (s *Sender) send(client *mail.Client, m Message) error {
	msg, err := s.compose(m)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	err = client.Send(msg)
	var failed *mail.SendError
	if errors.As(err, &failed) && failed.ErrorCode() >= 500 && aboutRecipient(failed.Reason) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// aboutRecipient tells refusals of a mail from those of the gateway itself,
// which an operator can put right.
func aboutRecipient(r mail.SendErrReason) bool {
	return r == mail.ErrSMTPRcptTo || r == mail.ErrSMTPData || r == mail.ErrSMTPDataClose
}

// replied reports whether the server answered, so that the connection is still
// good.
func replied(err error) bool {
	var failed *mail.SendError
	return errors.Is(err, ErrRefused) || errors.As(err, &failed) && failed.ErrorCode() != 0
}

func (s *Sender) compose(m Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	err := errors.Join(
		msg.FromFormat(s.from.Name, s.from.Email),
		msg.To(m.To.Envelope()),
		msg.ReplyToFormat(m.ReplyTo.Name, m.ReplyTo.Email),
	)
	if err != nil {
		return nil, err
	}
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.ID + "@" + s.domain)
	msg.SetDate()
	// RFC 3834: no out-of-office reply to a mail that a program sent.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader(mail.HeaderContentLang, m.Language)
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	return msg, nil
}
