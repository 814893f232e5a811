// Package invitation holds everything about invitations. An administrator
// invites people by e-mail to an instance, or to administrate a space. The
// invited people accept or decline. Administrators list, watch, resend and revoke
// invitations.
//
// There is one file per use case: invite.go, answer.go, resend.go, revoke.go,
// list.go, watch.go and readiness.go. They share rows.go (the table), emails.go
// (the addresses of a request), limits.go, mail.go and delivery.go.
package invitation

import (
	"context"
	"io"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/event"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Service invites people, and manages their invitations.
type Service struct {
	DB     *postgres.DB
	Outbox *outbox.Queue // of mails
	Events *event.Feed
	Limits Limits
	// HashKey is the key of the hashes that stand for addresses.
	HashKey keyedhash.Key
	// Retention is what invited people are told.
	Retention Retention
	// CountOutcome is called with the outcome of every invited address; it may be
	// nil.
	CountOutcome func(InviteOutcome)
}

// Status is the state of an invitation.
type Status string

// The statuses. The database has no EXPIRED: an expired invitation is a pending
// one whose time is over.
const (
	Pending  Status = "PENDING"
	Accepted Status = "ACCEPTED"
	Declined Status = "DECLINED"
	Revoked  Status = "REVOKED"
	Expired  Status = "EXPIRED"
)

// MarshalGQL writes the schema's enum InvitationStatus.
func (s Status) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, s) }

// UnmarshalGQL reads the schema's enum InvitationStatus.
func (s *Status) UnmarshalGQL(v any) (err error) {
	*s, err = graphqltypes.ReadEnum(v, Pending, Accepted, Declined, Revoked, Expired)
	return err
}

// Invitation asks the owner of an address to become a member of an instance, or
// an administrator of a space.
type Invitation struct {
	ID        globalid.ID
	Email     string
	Role      *tenant.InstanceRole // nil: administrator of the space
	Status    Status
	Message   *string
	InvitedBy *fault.Contact
	// RequestedBy is the person whose request the inviter approved; nil: there was
	// no request.
	RequestedBy *fault.Contact
	CreatedAt   time.Time
	ExpiresAt   time.Time

	Space        *SpaceSummary
	InstanceName *string // nil: it leads to a space

	row   *row
	place tenant.Place              // where it leads, as the actor sees it; nil: see Place
	group *batch.Group[globalid.ID] // where the invitations lead that were read together
}

// SpaceSummary is what a person without a role in a space may know about it.
type SpaceSummary struct{ Name, OrganizationName string }

// WithPlace returns a copy of the invitation that knows the place it leads to, as
// the actor sees it.
func (i *Invitation) WithPlace(place tenant.Place) *Invitation {
	if i == nil {
		return nil
	}
	v := *i
	v.place = place
	return &v
}

// Place returns the place that the invitation leads to; nil where the actor may
// not see it.
func (i *Invitation) Place(ctx context.Context, q postgres.Querier, actor access.Actor) (tenant.Place, error) {
	if i.place != nil {
		return i.place, nil
	}
	return tenant.LoadPlace(ctx, q, actor, i.group, i.row.placeID())
}

// Delivery returns the state of the newest mail of the invitation; nil where none
// will be sent. Only administrators of the place may see it: the caller checks
// that.
func (i *Invitation) Delivery() *Delivery {
	if i.row.MailRefused {
		return suppressed()
	}
	return i.row.delivery()
}

// Obstacle returns why a person cannot accept the invitation; nil where they can.
// The actor is nil where nobody is signed in.
func (i *Invitation) Obstacle(ctx context.Context, q postgres.Querier, actor *access.Actor) (*fault.Fault, error) {
	return i.row.obstacle(ctx, q, actor)
}

// Relay connections of invitations, named for gqlgen.
type (
	Connection = relay.Connection[*Invitation]
	Edge       = relay.Edge[*Invitation]
)

// destination is the place that invitations lead to: an instance, or a space
// where Instance is nil. Space is always set.
type destination struct {
	Space    *tenant.Space
	Instance *tenant.Instance
}

// destinationOf returns an empty destination for a place that nobody can be
// invited to.
func destinationOf(p tenant.Place) destination {
	switch p := p.(type) {
	case *tenant.Instance:
		return destination{p.Space, p}
	case *tenant.Space:
		return destination{Space: p}
	}
	return destination{}
}

func (d destination) place() tenant.Place {
	if d.Instance != nil {
		return d.Instance
	}
	return d.Space
}

func (d destination) id() globalid.ID {
	if d.Instance != nil {
		return d.Instance.ID
	}
	return d.Space.ID
}

// instanceID and spaceID are the columns of an invitation: one of them is null.
func (d destination) instanceID() (id uuid.NullUUID) {
	if d.Instance != nil {
		id = uuid.NullUUID{UUID: d.Instance.ID.UUID, Valid: true}
	}
	return id
}

func (d destination) spaceID() (id uuid.NullUUID) {
	if d.Instance == nil {
		id = uuid.NullUUID{UUID: d.Space.ID.UUID, Valid: true}
	}
	return id
}

func (d destination) auditTarget() audit.Target {
	if d.Instance != nil {
		return audit.OnInstance(d.Instance)
	}
	return audit.OnSpace(d.Space)
}

// checkState checks the kind and state of an instance. Spaces have neither.
func (d destination) checkState(ctx context.Context, q postgres.Querier, rule access.Rule) error {
	if d.Instance == nil {
		return nil
	}
	return access.CheckState(ctx, q, d.Instance, rule)
}
