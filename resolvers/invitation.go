package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
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

func (f invitationFields) Delivery(ctx context.Context, obj *invitation.Invitation) (*invitation.Delivery, error) {
	place, err := f.place(ctx, obj)
	if err != nil || !access.Administering.Allows(place) {
		return nil, err
	}
	return obj.Delivery(), nil
}

// place returns the place that an invitation leads to; nil where the person who asks
// may not see it.
func (f invitationFields) place(ctx context.Context, obj *invitation.Invitation) (tenant.Place, error) {
	a := anyone(ctx)
	if a == nil {
		return nil, nil
	}
	return obj.Place(ctx, f.DB, *a)
}

func (invitationFields) Accepting(ctx context.Context, obj *invitation.Invitation) (*graph.Readiness, error) {
	if f := obj.Obstacle(anyone(ctx)); f != nil {
		return readiness(fault.List{f}, nil)
	}
	return readiness(nil, nil)
}

// anyone returns the person who asks; nil where nobody is signed in.
func anyone(ctx context.Context) *access.Actor {
	a, signedIn := access.ActorOf(ctx)
	if !signedIn {
		return nil
	}
	return &a
}

func invitationConnection(list relay.List[*invitation.Invitation], page relay.Page) *invitation.Connection {
	return relay.NewConnection(list, page, func(v *invitation.Invitation) globalid.ID { return v.ID })
}

// invitationsTo returns the connection of the invitations to one place. It copies
// the list, because the same field under another alias resolves the same list at the
// same time.
func invitationsTo(place tenant.Place, list relay.List[*invitation.Invitation], page relay.Page) *invitation.Connection {
	nodes := make([]*invitation.Invitation, len(list.Nodes))
	for i, v := range list.Nodes {
		nodes[i] = v.WithPlace(place)
	}
	list.Nodes = nodes
	return invitationConnection(list, page)
}
