// Package invitation knows the life of an invitation: people are invited by
// e-mail to an instance, or to administrate a space; they accept or decline;
// administrators watch, send again and revoke.
package invitation

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
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Status says what has become of an invitation.
type Status string

// The statuses. An expired invitation is a pending one whose time is over.
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

// Invitation asks the person of an address to become a member of an instance,
// or an administrator of a space.
type Invitation struct {
	ID        globalid.ID
	Email     string
	Role      *tenant.InstanceRole // nil: an administrator of the space
	Status    Status
	Message   *string
	InvitedBy *fault.Contact
	// RequestedBy is at whose request; nil: nobody's.
	RequestedBy *fault.Contact
	CreatedAt   time.Time
	ExpiresAt   time.Time

	Space        *SpaceSummary
	InstanceName *string // nil: it leads to a space

	row   *row
	place tenant.Place              // where it leads, as the actor sees it; nil: see Place
	leads *batch.Group[globalid.ID] // where those lead that were read together
}

// At gives the invitation with the place where it leads, as the actor sees it.
func (i *Invitation) At(place tenant.Place) *Invitation {
	if i == nil {
		return nil
	}
	v := *i
	v.place = place
	return &v
}

// Place is where the invitation leads; nil where the actor may not see it.
func (i *Invitation) Place(ctx context.Context, q postgres.Querier, actor access.Actor) (tenant.Place, error) {
	if i.place != nil {
		return i.place, nil
	}
	return tenant.PlaceAmong(ctx, q, actor, i.leads, i.row.place())
}

// Delivery is what became of the mail that was sent last, for those who
// administrate the place; nil where none is sent.
func (i *Invitation) Delivery() *Delivery { return i.row.delivery() }

// SpaceSummary is a space as somebody sees it who has no role in it yet.
type SpaceSummary struct{ Name, OrganizationName string }

// Service carries out what is asked about invitations.
type Service struct {
	DB     *postgres.DB
	Outbox *outbox.Queue // of mails
	Events *event.Feed
	Limits Limits
	// Counted is told what came of every address that is invited; nil: nobody is.
	CountOutcome func(InviteOutcome)
}

// The Relay connections of the package's lists, named for gqlgen.
type (
	Connection = relay.Connection[*Invitation]

	Edge = relay.Edge[*Invitation]
)
