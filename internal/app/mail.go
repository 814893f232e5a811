package app

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/url"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/mail/mailbox"
)

// mailboxCloseTime is how long the mailbox may take to store the mails that it
// has begun to receive.
const mailboxCloseTime = time.Second

// openMailbox opens the mailbox of development; nil where a mail server is named.
func openMailbox(s *Settings) (*mailbox.Mailbox, error) {
	if s.SMTPURL != "" {
		return nil, nil
	}
	opened, err := mailbox.Open(mailboxDir(s))
	if err != nil {
		return nil, setting("DATAHUB_DATA_DIR", err)
	}
	return opened, nil
}

func mailboxDir(s *Settings) string { return filepath.Join(s.DataDir, "mailbox") }

func closeMailbox(m *mailbox.Mailbox) {
	ctx, cancel := context.WithTimeout(context.Background(), mailboxCloseTime)
	defer cancel()
	_ = m.Close(ctx)
}

// newSender returns the sender of mails: to the mailbox, unless it is nil, else to
// the mail server.
func newSender(s *MailSettings, public *url.URL, box *mailbox.Mailbox) (*mail.Sender, error) {
	from, err := s.sender()
	if err != nil {
		return nil, err
	}
	domain := mailDomain(public)
	switch {
	case domain == "" && from.Email != "":
		_, domain, _ = strings.Cut(from.Email, "@")
	case domain == "":
		domain = "localhost"
	}
	if from.Email == "" {
		from.Email = "no-reply@" + domain
	}
	server, err := url.Parse(s.SMTPURL)
	if err != nil {
		return nil, setting("DATAHUB_SMTP_URL", errNotURL)
	}
	if box != nil {
		server = box.URL()
	}
	sender, err := mail.NewSender(server, from, domain)
	if err != nil {
		return nil, setting("DATAHUB_SMTP_URL", err)
	}
	sender.CommandTimeout, sender.AcceptTimeout = s.SMTPTimeout, s.SMTPAcceptTimeout
	return sender, nil
}

// sender returns the name and the address of mails' sender. The address is empty where
// the operator decides nothing; its domain has A-labels.
func (s *MailSettings) sender() (mail.Mailbox, error) {
	from := mail.Mailbox{Name: "DataHub"}
	if s.MailFrom == "" {
		return from, nil
	}
	parsed, err := netmail.ParseAddress(s.MailFrom)
	if err != nil {
		return from, setting("DATAHUB_MAIL_FROM", errors.New("it is not an e-mail address"))
	}
	if from.Email = parsed.Address; parsed.Name != "" {
		from.Name = parsed.Name
	}
	a, problem := address.Parse(parsed.Address)
	_, domain, _ := strings.Cut(parsed.Address, "@")
	switch {
	case problem == nil:
		from.Email = a.Envelope()
	case strings.ContainsFunc(domain, func(r rune) bool { return r > unicode.MaxASCII }):
		return from, setting("DATAHUB_MAIL_FROM", fmt.Errorf("its domain cannot be written in ASCII: %w", problem))
	}
	return from, nil
}

// mailDomain returns the host of the public URL as the domain of the gateway's own
// address, of Message-IDs and of EHLO; "" where no mail server would accept it there:
// an IP address, this machine, or a name without a dot.
func mailDomain(public *url.URL) string {
	host := strings.TrimSuffix(public.Hostname(), ".")
	if _, problem := address.Parse("no-reply@" + host); problem != nil || strings.HasSuffix(host, ".localhost") {
		return ""
	}
	return host
}
