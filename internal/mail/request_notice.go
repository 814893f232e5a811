package mail

import (
	"strings"
	"time"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// RequestKind is what a request asks for.
type RequestKind int

// The kinds of requests.
const (
	RoleRequest         RequestKind = iota
	InvitationsRequest              // that people be invited
	RestoreRequest                  // that a deleted instance be restored
	SpaceRestoreRequest             // that a deleted space be restored
	FacultyRequest                  // for the role OrganizationFaculty
	ManagerRequest                  // for the role OrganizationManager
)

// RequestEvent is what happened to a request.
type RequestEvent int

// The events of a request. The notice of RequestMade goes to the people who can
// answer the request, the others to the requester.
const (
	RequestMade RequestEvent = iota
	RequestApproved
	RequestDeclined
	RequestExpired // without an answer
)

// RequestNotice is what a mail about a request says.
type RequestNotice struct {
	ID           string // see Message
	To           address.Address
	Locale       string // of the recipient: BCP 47, or several as in Accept-Language; "": unknown
	Event        RequestEvent
	Kind         RequestKind
	Requester    Mailbox
	Answerer     Mailbox // zero for RequestMade and RequestExpired, and where the recipient may not know which manager of the organization it was
	Organization string
	Space        string      // "" where the request is about the organization itself
	Instance     string      // "" where the request is about the space or the organization itself
	Role         tenant.Role // RoleRequest, FacultyRequest, ManagerRequest: that the requester wants; InvitationsRequest: that people are invited to
	Emails       []string    // InvitationsRequest: who is to be invited; after RequestApproved who was
	Message      string      // RequestMade: from the requester; RequestApproved, RequestDeclined: from the answerer; may be empty
	Link         string      // where the request can be seen and answered
	Until        time.Time   // RequestMade: the end of the time to answer, or to restore
}

// Compose writes the mail. It fails for a role that nobody can ask for.
func (n RequestNotice) Compose() (Message, error) {
	for _, name := range []*string{&n.Requester.Name, &n.Answerer.Name, &n.Organization, &n.Space, &n.Instance} {
		*name = oneLine(*name)
	}
	var person Mailbox // who writes
	switch n.Event {
	case RequestMade:
		person = n.Requester
	case RequestApproved, RequestDeclined:
		person = n.Answerer
	case RequestExpired:
		n.Message = ""
	}
	t := textsFor(n.Locale)
	if (n.Event == RequestApproved || n.Event == RequestDeclined) && n.Answerer == (Mailbox{}) {
		person.Name = strings.ReplaceAll(t.manager, "{organization}", n.Organization)
	}
	s := t.notices[n.Event].about(t.requests[n.Kind])
	if n.Event == RequestDeclined && person.Email == "" {
		s.closing = "" // it asks for a reply
	}
	l := t.newLetter(s, []string{"{person}", person.Name, "{instance}", n.Instance, "{space}", n.Space, "{organization}", n.Organization}, []string{
		"{address}", person.Email}, []string{"{until}", t.dateTime(n.Until.UTC()), "{people}", t.people(len(n.Emails))})
	l.Facts = t.placeFacts(n.Instance, n.Space, n.Organization)
	if n.Kind != RestoreRequest && n.Kind != SpaceRestoreRequest {
		role, err := t.roleFact(n.Role)
		if err != nil {
			return Message{}, err
		}
		l.Facts = append(l.Facts, role)
	}
	if n.Kind == InvitationsRequest && len(n.Emails) > 0 {
		l.Facts = append(l.Facts, t.addressesFact(n.Emails))
	}
	l.Quote = withoutHidden(n.Message)
	l.Link = n.Link
	return l.message(n.ID, n.To, person)
}
