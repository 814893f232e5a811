package app

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
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
		domain = "localhost" // in development
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

// localMailbox matches the addresses of one machine, whose domain has no dot.
var localMailbox = regexp.MustCompile(`^[A-Za-z0-9._+-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?$`)

// sender returns the name and the address of mails' sender. The address is empty where
// the operator decides nothing. It is in ASCII, its domain with A-labels: every mail
// has it, and few servers on the way to all recipients accept another one (RFC 6531).
func (s *MailSettings) sender() (mail.Mailbox, error) {
	from := mail.Mailbox{Name: "DataHub"}
	if s.MailFrom == "" {
		return from, nil
	}
	parsed, err := netmail.ParseAddress(s.MailFrom)
	if err != nil {
		return from, setting("DATAHUB_MAIL_FROM", errors.New("it is not an e-mail address: expected ADDRESS or NAME <ADDRESS>"))
	}
	// The name may be given as an encoded word, with any character in it.
	if strings.ContainsFunc(s.MailFrom+parsed.Name, isLineControl) {
		return from, setting("DATAHUB_MAIL_FROM", errors.New("it contains a control character"))
	}
	if parsed.Name != "" {
		from.Name = parsed.Name
	}
	a, problem := address.Parse(parsed.Address)
	switch {
	case problem == nil:
		from.Email = a.Envelope()
	case localMailbox.MatchString(parsed.Address):
		from.Email = parsed.Address // in development; see checkSender
	default:
		return from, setting("DATAHUB_MAIL_FROM", fmt.Errorf("mails cannot be from %q: %w", parsed.Address, problem))
	}
	if strings.ContainsFunc(from.Email, func(r rune) bool { return r > unicode.MaxASCII }) {
		return from, setting("DATAHUB_MAIL_FROM", fmt.Errorf("many mail servers accept no letters beyond ASCII before the @: %q", parsed.Address))
	}
	return from, nil
}

// isLineControl reports whether a character can end a line, or is a control character.
func isLineControl(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp)
}

// localDomains are the top-level domains without mail servers: names of one machine or
// one network segment, and names that are not in the DNS (RFC 6761, 6762, 7686, 9476).
var localDomains = []string{"localhost", "localdomain", "local", "invalid", "onion", "alt"}

// mailDomain returns the host of the public URL as the domain of the gateway's own
// address, of Message-IDs and of EHLO; "" where no mail server would accept it there:
// an IP address, this machine, or a name without a dot.
func mailDomain(public *url.URL) string {
	host := public.Hostname()
	if _, problem := address.Parse("no-reply@" + host); problem != nil || slices.Contains(localDomains, topLevel(host)) {
		return ""
	}
	return host
}

func topLevel(domain string) string { return domain[strings.LastIndexByte(domain, '.')+1:] }
