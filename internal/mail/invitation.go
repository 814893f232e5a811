package mail

import (
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/address"
)

// Role is what an invited person is to become.
type Role int

// The roles.
const (
	Viewer Role = iota
	Editor
	Administrator // of the space
)

// Invitation is what the mail to an invited person tells.
type Invitation struct {
	ID           string // see Message
	To           address.Address
	Locale       string  // of the recipient (BCP 47); "" where it is not known
	From         Mailbox // who invites
	Organization string
	Space        string
	Instance     string // not for an administrator
	Role         Role
	Message      string // from who invites; may be empty
	Link         string // where to review the invitation
	ExpiresAt    time.Time
}

// Compose writes the mail.
func (i Invitation) Compose() (Message, error) {
	for _, name := range []*string{&i.From.Name, &i.Organization, &i.Space, &i.Instance} {
		*name = oneLine(*name)
	}
	tag, w := in(i.Locale)
	// In one pass: a name may look like what is to be replaced.
	fill := strings.NewReplacer(
		"{inviter}", unlinked(i.From.Name),
		"{address}", i.From.Email,
		"{to}", i.To.String(),
		"{expiry}", w.moment(i.ExpiresAt.UTC()),
	).Replace
	subject := strings.ReplaceAll(w.subject, "{inviter}", i.From.Name)
	l := letter{
		Language: tag.String(),
		Title:    subject,
		Opening:  fill(w.opening),
		Quoting:  fill(w.quoting),
		Quote:    unlinked(i.Message),
		Button:   w.button,
		Link:     i.Link,
		Fallback: w.fallback,
		Closing:  fill(w.closing),
	}
	if i.Role != Administrator {
		l.Facts = append(l.Facts, fact{w.instance, unlinked(i.Instance)})
	}
	l.Facts = append(l.Facts,
		fact{w.space, unlinked(i.Space) + ", " + unlinked(i.Organization)},
		fact{w.role, [...]string{Viewer: w.viewer, Editor: w.editor, Administrator: w.administrator}[i.Role]})
	text, html, err := l.layOut()
	return Message{
		ID:       i.ID,
		To:       i.To,
		ReplyTo:  i.From,
		Subject:  subject,
		Text:     text,
		HTML:     html,
		Language: tag.String(),
	}, err
}
