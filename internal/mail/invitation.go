package mail

import (
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Invitation is what the mail to an invited person tells.
type Invitation struct {
	ID           string // see Message
	To           address.Address
	Locale       string  // of the recipient (BCP 47, or several as in Accept-Language); "" where it is not known
	From         Mailbox // who invites
	Requester    Mailbox // at whose request; zero: nobody's
	Organization string
	Space        string
	Instance     string // not for an administrator
	Role         tenant.Role
	Message      string // from who invites, or at whose request; may be empty
	Link         string // where to review the invitation
	ExpiresAt    time.Time
}

// Compose writes the mail. It fails where it cannot be laid out, or the language
// has no word for the role.
func (i Invitation) Compose() (Message, error) {
	for _, name := range []*string{&i.From.Name, &i.Requester.Name, &i.Organization, &i.Space, &i.Instance} {
		*name = oneLine(*name)
	}
	w := in(i.Locale)
	s := w.invitation
	if i.Requester != (Mailbox{}) {
		s.opening = w.requested
		w.quoting = strings.ReplaceAll(w.quoting, "{person}", "{requester}") // it is hers
	}
	l := w.letter(s, []string{"{person}", i.From.Name, "{requester}", i.Requester.Name},
		"{address}", i.From.Email, "{requester address}", i.Requester.Email, "{to}", i.To.String(), "{until}", w.moment(i.ExpiresAt.UTC()))
	role, err := w.roleFact(i.Role)
	if err != nil {
		return Message{}, err
	}
	l.Facts = append(w.place(i.Instance, i.Space, i.Organization), role)
	l.Quote = unlinked(i.Message)
	l.Link = i.Link
	return l.message(i.ID, i.To, i.From)
}
