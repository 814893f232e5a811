// Package request lets people who may not do something ask those who may: for a
// role, for invitations, or for a deleted instance or space to be restored. Approving a
// request carries it out at once, with the code and under the rules for a person
// who does it unasked.
package request

import (
	"context"
	"io"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Kind is what a request asks for.
type Kind string

// The kinds.
const (
	Role        Kind = "ROLE"
	Invitations Kind = "INVITATIONS"
	Restore     Kind = "RESTORE"
)

// Kinds are all kinds.
var Kinds = []Kind{Role, Invitations, Restore}

// answerRule returns the rule of an answer (ApproveRequest, DeclineRequest or
// WithdrawRequest) to the request, with the roles that can answer it. The SQL function
// request_answerers_2 says the same for the database.
func (r *row) answerRule(answer access.Rule) access.Rule {
	answer.Roles, answer.InOrganizations = access.Administrators, access.Managers
	if r.Kind == Restore {
		restore := r.restoreRule()
		answer.Roles, answer.Request = restore.Roles, restore.Request
	}
	return answer
}

// restoreRule returns the rule of restoring what the request is about.
func (r *row) restoreRule() access.Rule {
	if r.placeID().Kind == globalid.Space {
		return access.RestoreSpace
	}
	return access.RestoreInstance
}

// Status is the state of a request.
type Status string

// The statuses. An open request expires with its time, whether or not EndExpired
// has stored that yet.
const (
	Open      Status = "OPEN"
	Approved  Status = "APPROVED"
	Declined  Status = "DECLINED"
	Withdrawn Status = "WITHDRAWN"
	Expired   Status = "EXPIRED"
)

// Statuses are all statuses.
var Statuses = []Status{Open, Approved, Declined, Withdrawn, Expired}

// MarshalGQL writes the schema's enum RequestStatus.
func (s Status) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, s) }

// UnmarshalGQL reads the schema's enum RequestStatus.
func (s *Status) UnmarshalGQL(v any) (err error) {
	*s, err = graphqltypes.ReadEnum(v, Statuses...)
	return err
}

// Request is what a person, the requester, asks others for.
type Request struct {
	ID          globalid.ID
	Kind        Kind
	Status      Status
	Role        *tenant.Role // for the requester, or for those to be invited; nil: Restore
	Message     *string      // from the requester
	RequestedBy *fault.Contact
	CreatedAt   time.Time
	ExpiresAt   time.Time

	EndedAt    *time.Time
	AnsweredBy *fault.Contact // see AnsweredByIn
	Answer     *string        // from the person who approved or declined

	// The names at the time of the request. InstanceName is nil where the request is
	// about a space or an organization itself. OrganizationName is nil where it is about an
	// instance or a space. Where it is about an organization itself, SpaceName has its name,
	// too: clients that do not know such requests show it.
	SpaceName        string
	InstanceName     *string
	OrganizationName *string

	row    *row
	group  *batch.Group[globalid.ID] // of the requests that were read together
	places *batch.Group[globalid.ID] // of what these are about
}

// EndReason is why a request ended without an answer.
type EndReason string

// The reasons.
const (
	EndWithdrawn     EndReason = "WITHDRAWN"
	EndExpired       EndReason = "EXPIRED"
	EndRestoreWindow EndReason = "RESTORE_WINDOW_EXPIRED"
)

// EndReasons are all reasons.
var EndReasons = []EndReason{EndWithdrawn, EndExpired, EndRestoreWindow}

// EndReason returns why the request ended without an answer; nil where it is open
// or was answered.
func (r *Request) EndReason() *EndReason {
	switch {
	case r.Status == Withdrawn:
		return new(EndWithdrawn)
	case r.Status == Expired && r.row.endsWithPlace():
		return new(EndRestoreWindow)
	case r.Status == Expired:
		return new(EndExpired)
	}
	return nil
}

// Place returns the instance, space or organization that the request is about; nil where the
// actor may not see it.
func (r *Request) Place(ctx context.Context, q postgres.Querier, actor access.Actor) (tenant.Place, error) {
	return tenant.LoadPlace(ctx, q, actor, r.places, r.row.placeID())
}

// AnsweredByIn returns who approved or declined the request; nil where nobody did. place is
// what Place returns. People whom an organization tells no names of its staff learn only
// that a manager answered.
func (r *Request) AnsweredByIn(place tenant.Place) *fault.Contact {
	if r.AnsweredBy != nil && r.row.hidesAnswerer(place) {
		return new(r.row.hiddenAnswerer())
	}
	return r.AnsweredBy
}

// Service makes, answers, ends and lists requests.
type Service struct {
	DB     *postgres.DB
	Outbox *outbox.Queue // of the mails about requests
	// OrganizationOutbox is of the mails about requests for roles in organizations.
	OrganizationOutbox *outbox.Queue

	Events      *event.Feed
	Invitations *invitation.Service
	Instances   *instance.Service
	Spaces      *space.Service
	Limits      Limits
}

// Limits bound requests.
type Limits struct {
	TTL      time.Duration // how long a request can be answered
	ByPerson int           // requests by one person in an hour
	BySpace  int           // requests in one space in an hour

	// Requests about one organization itself in an hour: of everybody, and of one person.
	ByOrganization, ByPersonInOrganization int
}

// The Relay connections of the package's lists, named for gqlgen.
type (
	Connection = relay.Connection[*Request]

	Edge = relay.Edge[*Request]
)
