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

// place is where an invitation leads, as the person who asks sees it.
func (f invitationFields) place(ctx context.Context, obj *invitation.Invitation) (tenant.Place, error) {
	a := anybody(ctx)
	if a == nil {
		return nil, nil
	}
	return obj.Place(ctx, f.DB, *a)
}

func (invitationFields) Accepting(ctx context.Context, obj *invitation.Invitation) (*graph.Readiness, error) {
	if f := obj.Obstacle(anybody(ctx)); f != nil {
		return readiness(fault.List{f}, nil)
	}
	return readiness(nil, nil)
}

// anybody is the person who asks; nil where nobody is signed in.
func anybody(ctx context.Context) *access.Actor {
	a, signedIn := access.ActorOf(ctx)
	if !signedIn {
		return nil
	}
	return &a
}

func invitationConnection(list relay.List[*invitation.Invitation], page relay.Page) *invitation.Connection {
	return relay.NewConnection(list, page, func(v *invitation.Invitation) globalid.ID { return v.ID })
}

// invitationsTo are those to one place. Their list is shared with whoever asks
// the same of the place under another name, at the same time.
func invitationsTo(place tenant.Place, list relay.List[*invitation.Invitation], page relay.Page) *invitation.Connection {
	nodes := make([]*invitation.Invitation, len(list.Nodes))
	for i, v := range list.Nodes {
		nodes[i] = v.At(place)
	}
	list.Nodes = nodes
	return invitationConnection(list, page)
}
