package app

import (
	"context"
	"net"
	netmail "net/mail"
	"net/url"
	"path/filepath"
	"time"

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
	from := mail.Mailbox{Name: "DataHub", Email: "no-reply@" + mailDomain(public)}
	if s.MailFrom != "" {
		parsed, err := netmail.ParseAddress(s.MailFrom)
		if err != nil {
			return nil, setting("DATAHUB_MAIL_FROM", err)
		}
		from.Email = parsed.Address
		if parsed.Name != "" {
			from.Name = parsed.Name
		}
	}
	server, err := url.Parse(s.SMTPURL)
	if err != nil {
		return nil, setting("DATAHUB_SMTP_URL", errNotURL)
	}
	if box != nil {
		server = box.URL()
	}
	sender, err := mail.NewSender(server, from, mailDomain(public))
	if err != nil {
		return nil, setting("DATAHUB_SMTP_URL", err)
	}
	sender.CommandTimeout, sender.AcceptTimeout = s.SMTPTimeout, s.SMTPAcceptTimeout
	return sender, nil
}

// mailDomain returns the domain of the gateway's own addresses and Message-IDs.
func mailDomain(public *url.URL) string {
	if net.ParseIP(public.Hostname()) != nil {
		return "localhost"
	}
	return public.Hostname()
}
