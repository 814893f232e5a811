package resolvers

import (
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type invitationFields struct{ *Root }

var _ graph.InvitationResolver = invitationFields{}

func (f invitationFields) Instance(ctx context.Context, obj *invitation.Invitation) (*tenant.Instance, error) {
	place, err := f.place(ctx, obj)
	i, _ := place.(*tenant.Instance)
	return i, err
}

func (f invitationFields) Organization(ctx context.Context, obj *invitation.Invitation) (*tenant.Organization, error) {
	place, err := f.place(ctx, obj)
	o, _ := place.(*tenant.Organization)
	return o, err
}

func (f invitationFields) Delivery(ctx context.Context, obj *invitation.Invitation) (*invitation.Delivery, error) {
	place, err := f.place(ctx, obj)
	if err != nil {
		return nil, err
	}
	rule := access.InstanceInvitations
	switch place.(type) {
	case *tenant.Space:
		rule = access.SpaceInvitations
	case *tenant.Organization:
		rule = access.OrganizationInvitations
	}
	if !rule.Allows(place) {
		return nil, nil
	}
	return obj.Delivery(), nil
}

func (f invitationFields) KeptUntil(_ context.Context, obj *invitation.Invitation) (*time.Time, error) {
	return new(f.Invitations.KeptUntil(obj)), nil
}

func (f invitationFields) LoggedUntil(_ context.Context, obj *invitation.Invitation) (*time.Time, error) {
	return new(f.Invitations.LoggedUntil(obj)), nil
}

// place returns the place that an invitation is for; nil where the person may
// not see it.
func (f invitationFields) place(ctx context.Context, obj *invitation.Invitation) (tenant.Place, error) {
	a := optionalActor(ctx)
	if a == nil {
		return nil, nil
	}
	return obj.Place(ctx, f.DB, *a)
}

func (f invitationFields) Accepting(ctx context.Context, obj *invitation.Invitation) (*graph.Readiness, error) {
	obstacle, err := obj.Obstacle(ctx, f.DB, optionalActor(ctx))
	if obstacle == nil || err != nil {
		return readiness(nil, err)
	}
	return readiness(fault.List{obstacle}, nil)
}

// storedFields are the fields of the type Invitation that invitation.Filter.Stored has.
var storedFields = map[string]bool{
	"__typename": true, "id": true, "email": true, "role": true, "organizationRole": true, "status": true, "message": true, "createdAt": true, "until": true, "expiresAt": true,
}

// invitationsTo returns invitations that know the place they are for. It copies
// the list, which other fields with the same arguments share.
func invitationsTo(place tenant.Place, list relay.List[*invitation.Invitation]) relay.List[*invitation.Invitation] {
	nodes := make([]*invitation.Invitation, len(list.Nodes))
	for i, v := range list.Nodes {
		nodes[i] = v.WithPlace(place)
	}
	list.Nodes = nodes
	return list
}
