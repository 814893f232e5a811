package mail

import (
	"time"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// RequestKind is what is asked for.
type RequestKind int

// The kinds of requests.
const (
	AskRole RequestKind = iota
	AskInvitations
	AskRestore // of a deleted instance
)

// Occasion is why a mail about a request is sent.
type Occasion int

// The occasions. Asked goes to who can answer, the others to who asked.
const (
	Asked Occasion = iota
	Approved
	Declined
	Ended // time ran out unanswered
)

// Notice is what a mail about a request tells.
type Notice struct {
	ID           string // see Message
	To           address.Address
	Locale       string // of the recipient (BCP 47, or several as in Accept-Language); "" where it is not known
	Occasion     Occasion
	Kind         RequestKind
	Requester    Mailbox // who asks
	Answerer     Mailbox // who has answered; zero where Occasion is Asked or Ended
	Organization string
	Space        string
	Instance     string      // "" where it is about the space itself
	Role         tenant.Role // AskRole: the role that the requester wants; AskInvitations: the role that people are to be invited to
	Emails       []string    // AskInvitations: who is to be invited; Approved: who was. The mail names ten, and counts the others
	Message      string      // Asked: from the requester; Approved, Declined: from who answered; may be empty
	Link         string      // where to see it, and to answer it
	Until        time.Time   // Asked: when the time to answer ends; AskRestore: when the time to restore does
}

// Compose writes the mail. It fails where it cannot be laid out, or the language
// has no word for the role.
func (n Notice) Compose() (Message, error) {
	for _, name := range []*string{&n.Requester.Name, &n.Answerer.Name, &n.Organization, &n.Space, &n.Instance} {
		*name = oneLine(*name)
	}
	var from Mailbox
	switch n.Occasion {
	case Asked:
		from = n.Requester
	case Approved, Declined:
		from = n.Answerer
	case Ended:
		n.Message = "" // nobody has answered, and nobody writes
	}
	w := in(n.Locale)
	l := w.letter(w.notices[n.Occasion].about(w.requests[n.Kind]), []string{"{person}", from.Name, "{instance}", n.Instance},
		"{address}", from.Email, "{until}", w.moment(n.Until.UTC()), "{people}", w.people(len(n.Emails)))
	l.Facts = w.place(n.Instance, n.Space, n.Organization)
	if n.Kind != AskRestore {
		role, err := w.roleFact(n.Role)
		if err != nil {
			return Message{}, err
		}
		l.Facts = append(l.Facts, role)
	}
	if n.Kind == AskInvitations && len(n.Emails) > 0 {
		l.Facts = append(l.Facts, fact{w.addresses, w.list(n.Emails)})
	}
	l.Quote = unlinked(n.Message)
	l.Link = n.Link
	return l.message(n.ID, n.To, from)
}
