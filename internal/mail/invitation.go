package mail

import (
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Invitation is what the mail to an invited person says.
type Invitation struct {
	ID           string // see Message
	To           address.Address
	Locale       string  // of the recipient: BCP 47, or several as in Accept-Language; "": unknown
	From         Mailbox // who invites
	Requester    Mailbox // at whose request; zero if nobody requested it
	ByLink       bool    // somebody entered the address at a course link
	Organization string
	Space        string // "" for a role in the organization itself
	Instance     string // "" for an administrator of the space, too
	Role         tenant.Role
	Message      string // from the requester, or else from who invites; may be empty
	Link         string // where the invitation can be reviewed, without its end, the token
	ExpiresAt    time.Time
	// RefuseLink is where the person can refuse to be invited again, without its end, the
	// token.
	RefuseLink string
	Token      string
	// KeptUntil is when the invitation is deleted if nobody answers it, LoggedUntil
	// when the record of it is.
	KeptUntil, LoggedUntil time.Time
}

// Compose writes the mail. It fails for a role that nobody can be invited to.
func (i Invitation) Compose() (Message, error) { return i.compose(i.To.String()) }

// compose writes the mail with a text that names the recipient.
func (i Invitation) compose(to string) (Message, error) {
	for _, name := range []*string{&i.From.Name, &i.Requester.Name, &i.Organization, &i.Space, &i.Instance} {
		*name = oneLine(*name)
	}
	t := textsFor(i.Locale)
	role, err := t.roleFact(i.Role)
	if err != nil {
		return Message{}, err
	}
	s, entered := t.invitation, t.entered
	if i.ByLink {
		entered = t.enteredByLink
	}
	s.notice = strings.ReplaceAll(s.notice, "{entered}", entered)
	if i.Requester != (Mailbox{}) {
		s.opening = t.requested
		t.quoting = strings.ReplaceAll(t.quoting, "{person}", "{requester}")
		s.notice = strings.ReplaceAll(s.notice, "{person}", "{requester}") // who entered the address
	}
	l := t.newLetter(s, []string{"{person}", i.From.Name, "{requester}", i.Requester.Name}, []string{
		"{address}", i.From.Email, "{requester address}", i.Requester.Email, "{to}", to}, []string{
		"{until}", t.dateTime(i.ExpiresAt.UTC()),
		"{kept}", t.date(i.KeptUntil.UTC()), "{logged}", t.date(i.LoggedUntil.UTC())})
	l.Facts = append(t.placeFacts(i.Instance, i.Space, i.Organization), role)
	l.Quote = withoutHidden(i.Message)
	l.Link, l.RefuseLink = i.Link+i.Token, i.RefuseLink+i.Token
	return l.message(i.ID, i.To, i.From)
}
