// Package request lets whoever is stuck ask whoever can help: for a role, to
// have people invited, or to have a deleted instance restored. What is approved
// is carried out at once, by the code and the rules of who does it herself.
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
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Kind is what is asked for.
type Kind string

// The kinds.
const (
	Role        Kind = "ROLE"
	Invitations Kind = "INVITATIONS"
	Restore     Kind = "RESTORE"
)

// Kinds are all of them.
var Kinds = []Kind{Role, Invitations, Restore}

// answering returns the rule of an answer (ApproveRequest or DeclineRequest) for
// requests of a kind: it is for those who may do what is asked for.
func (k Kind) answering(answer access.Rule) access.Rule {
	answer.Roles = access.Administrators
	if k == Restore {
		answer.Roles, answer.Request = access.RestoreInstance.Roles, access.RestoreInstance.Request
	}
	return answer
}

// Status says what has become of a request.
type Status string

// The statuses. An expired request is an open one whose time is over.
const (
	Open      Status = "OPEN"
	Approved  Status = "APPROVED"
	Declined  Status = "DECLINED"
	Withdrawn Status = "WITHDRAWN"
	Expired   Status = "EXPIRED"
)

// Statuses are all of them.
var Statuses = []Status{Open, Approved, Declined, Withdrawn, Expired}

// MarshalGQL writes the schema's enum RequestStatus.
func (s Status) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, s) }

// UnmarshalGQL reads the schema's enum RequestStatus.
func (s *Status) UnmarshalGQL(v any) (err error) {
	*s, err = graphqltypes.ReadEnum(v, Statuses...)
	return err
}

// Request is what somebody asks for.
type Request struct {
	ID          globalid.ID
	Kind        Kind
	Status      Status
	Role        *tenant.Role // wanted, by the requester or for whom she wants to be invited
	Message     *string      // from the requester
	RequestedBy *fault.Contact
	CreatedAt   time.Time
	ExpiresAt   time.Time

	EndedAt    *time.Time
	AnsweredBy *fault.Contact
	Answer     *string // from who answered

	// What they were called when the request was made. Without InstanceName it is
	// about the space itself.
	SpaceName    string
	InstanceName *string

	row      *row
	siblings *batch.Group[globalid.ID] // the requests that were read together
	leads    *batch.Group[globalid.ID] // and the places that they are about
}

// EndReason is why a request ended without an answer.
type EndReason string

// The reasons.
const (
	EndWithdrawn     EndReason = "WITHDRAWN"
	EndExpired       EndReason = "EXPIRED"
	EndRestoreWindow EndReason = "RESTORE_WINDOW_EXPIRED"
)

// EndReasons are all of them.
var EndReasons = []EndReason{EndWithdrawn, EndExpired, EndRestoreWindow}

// EndReason is why the request ended without an answer; nil: it did not.
func (r *Request) EndReason() *EndReason {
	reason := EndExpired
	switch {
	case r.Status == Withdrawn:
		reason = EndWithdrawn
	case r.Status != Expired:
		return nil
	case r.row.Lost || r.Kind == Restore:
		reason = EndRestoreWindow
	}
	return &reason
}

// Place is what the request is about; nil where the actor may not see it.
func (r *Request) Place(ctx context.Context, q postgres.Querier, actor access.Actor) (tenant.Place, error) {
	return tenant.PlaceAmong(ctx, q, actor, r.leads, r.row.place())
}

// Service carries out what is asked about requests.
type Service struct {
	DB          *postgres.DB
	Outbox      *outbox.Queue // of the mails about requests
	Events      *event.Feed
	Invitations *invitation.Service
	Instances   *instance.Service
	Limits      Limits
}

// Limits bound requests.
type Limits struct {
	TTL      time.Duration // of a request
	ByPerson int           // requests that a person makes in an hour
	BySpace  int           // requests that are made in a space in an hour
}

// The Relay connections of the package's lists, named for gqlgen.
type (
	Connection = relay.Connection[*Request]

	Edge = relay.Edge[*Request]
)
