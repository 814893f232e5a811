package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// instanceFields answers what is asked of one instance for all its siblings at
// once.
type instanceFields struct{ *Root }

var _ graph.InstanceResolver = instanceFields{}

func (f instanceFields) Members(ctx context.Context, obj *tenant.Instance, first *int, after *string) (*membership.MemberConnection, error) {
	page, err := f.page(ctx, first, after)
	if err != nil {
		return nil, err
	}
	type question struct{ relay.Page }
	list, err := batch.Load(obj.Siblings, obj.ID, question{page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*membership.Member], error) {
		return f.Memberships.ListInInstances(ctx, ids, page)
	})
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(list, page, func(m *membership.Member) globalid.ID { return m.User.ID }), nil
}

func (f instanceFields) Invitations(ctx context.Context, obj *tenant.Instance, first *int, after *string, status *invitation.Status) (*invitation.Connection, error) {
	page, err := f.page(ctx, first, after)
	if err != nil {
		return nil, err
	}
	q := selectionOf(page, status)
	list, err := batch.Load(obj.Siblings, obj.ID, q, func(ids []globalid.ID) (map[globalid.ID]relay.List[*invitation.Invitation], error) {
		return f.Root.Invitations.List(ctx, ids, q.Status, page)
	})
	if err != nil {
		return nil, err
	}
	return invitationsTo(obj, list, page), nil
}
