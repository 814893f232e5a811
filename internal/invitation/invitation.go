// Package invitation holds everything about invitations. An administrator
// invites people by e-mail to an instance, or to administrate a space; a manager
// invites them to an organization. The invited people accept or decline. Those who
// invite list, watch, resend and revoke
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
	// OrganizationOutbox has the mails of invitations to organizations.
	OrganizationOutbox *outbox.Queue

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

// Invitation asks the owner of an address to become a member of an instance, an
// administrator of a space, or a member of an organization.
type Invitation struct {
	ID    globalid.ID
	Email string
	Role  *tenant.InstanceRole // nil: it leads to no instance
	// OrganizationRole is the role in the organization; nil: it leads to a place inside.
	OrganizationRole *tenant.OrganizationRole
	Status           Status
	Message          *string
	InvitedBy        *fault.Contact
	// RequestedBy is the person whose request the inviter approved; nil: there was
	// no request.
	RequestedBy *fault.Contact
	CreatedAt   time.Time
	Until       *time.Time // when the membership ends; nil: it does not
	ExpiresAt   time.Time

	Space        *SpaceSummary
	InstanceName *string // nil: it leads to no instance

	row   *row
	place tenant.Place              // where it leads, as the actor sees it; nil: see Place
	group *batch.Group[globalid.ID] // where the invitations lead that were read together
}

// SpaceSummary is what a person without a role in a space may know about it. Of an
// invitation to an organization it has the organization's name twice: it always has been
// there, and clients show it.
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
	d := i.row.delivery()
	if d != nil && i.row.SpaceDeleted && i.row.held() {
		d.Explanation = new("The space is deleted. The mail is sent when it is restored.")
	}
	return d
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

// destination is the place that invitations lead to: an instance, a space where Instance
// is nil, or an organization where Space is nil, too. Organization is always set.
type destination struct {
	Organization *tenant.Organization
	Space        *tenant.Space
	Instance     *tenant.Instance
}

// destinationOf returns an empty destination for nil.
func destinationOf(p tenant.Place) destination {
	switch p := p.(type) {
	case *tenant.Instance:
		return destination{p.Space.Organization, p.Space, p}
	case *tenant.Space:
		return destination{p.Organization, p, nil}
	case *tenant.Organization:
		return destination{Organization: p}
	}
	return destination{}
}

func (d destination) place() tenant.Place {
	switch {
	case d.Instance != nil:
		return d.Instance
	case d.Space != nil:
		return d.Space
	}
	return d.Organization
}

func (d destination) id() globalid.ID {
	switch {
	case d.Instance != nil:
		return d.Instance.ID
	case d.Space != nil:
		return d.Space.ID
	}
	return d.Organization.ID
}

// limited returns what has a limit of invitations and of resends: the space or, where
// invitations lead to it, the organization.
func (d destination) limited() globalid.ID {
	if d.Space != nil {
		return d.Space.ID
	}
	return d.Organization.ID
}

// column returns the column of an invitation for a kind of place: null unless it leads
// to such a place.
func (d destination) column(kind globalid.Kind) (id uuid.NullUUID) {
	if d.id().Kind == kind {
		id = uuid.NullUUID{UUID: d.id().UUID, Valid: true}
	}
	return id
}

func (d destination) instanceID() uuid.NullUUID { return d.column(globalid.Instance) }

func (d destination) auditTarget() audit.Target {
	switch {
	case d.Instance != nil:
		return audit.OnInstance(d.Instance)
	case d.Space != nil:
		return audit.OnSpace(d.Space)
	}
	return audit.OnOrganization(d.Organization)
}

// checkState checks the state of the place and, of an instance, the kind.
func (d destination) checkState(ctx context.Context, q postgres.Querier, rule access.Rule) error {
	return access.CheckState(ctx, q, d.place(), rule)
}

// queue returns the outbox of the mails to a kind of place, and mailKind its name.
func (s *Service) queue(place globalid.Kind) *outbox.Queue {
	if place == globalid.Organization {
		return s.OrganizationOutbox
	}
	return s.Outbox
}

func mailKind(place globalid.Kind) string {
	if place == globalid.Organization {
		return OrganizationMailKind
	}
	return MailKind
}

// instanceRole returns a role as one in an instance; nil where it is held elsewhere.
func instanceRole(r tenant.Role) *tenant.InstanceRole {
	if role, ok := r.InstanceRole(); ok {
		return &role
	}
	return nil
}

// organizationRole returns a role as one in an organization; nil where it is held
// elsewhere.
func organizationRole(r tenant.Role) *tenant.OrganizationRole {
	if role, ok := r.OrganizationRole(); ok {
		return &role
	}
	return nil
}

// details returns what the trail says about invitations with a role.
func details(role tenant.Role, emails ...string) audit.Details {
	return audit.Details{Emails: emails, Role: instanceRole(role), OrganizationRole: organizationRole(role)}
}
