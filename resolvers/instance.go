package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type instanceFields struct{ *Root }

var _ graph.InstanceResolver = instanceFields{}

func (f instanceFields) Members(ctx context.Context, obj *tenant.Instance, first *int, after *string) (*membership.MemberConnection, error) {
	return connection(ctx, f.Root, first, after, memberID, func(page relay.Page) (relay.List[*membership.Member], error) {
		return ofInstances(obj, listQuery{list: "members", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*membership.Member], error) {
			return f.Memberships.ListInInstances(ctx, ids, page)
		})
	})
}

func (f instanceFields) FormerMembers(ctx context.Context, obj *tenant.Instance, first *int, after *string) (*membership.FormerMemberConnection, error) {
	return connection(ctx, f.Root, first, after, formerMemberID, func(page relay.Page) (relay.List[*membership.FormerMember], error) {
		list, err := ofInstances(obj, listQuery{list: "formerMembers", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*membership.FormerMember], error) {
			return f.Memberships.ListFormer(ctx, ids, page)
		})
		return formerMembersOf(obj, list), err
	})
}

func (f instanceFields) Invitations(ctx context.Context, obj *tenant.Instance, first *int, after *string, status *invitation.Status) (*invitation.Connection, error) {
	filter := invitation.Filter{Status: orAny(status), Stored: nodesHaveOnly(ctx, storedFields)}
	return connection(ctx, f.Root, first, after, invitationID, func(page relay.Page) (relay.List[*invitation.Invitation], error) {
		list, err := ofInstances(obj, listQuery{"invitations", string(filter.Status), filter.Stored, page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*invitation.Invitation], error) {
			return f.Root.Invitations.List(ctx, ids, filter, page)
		})
		return invitationsTo(obj, list), err
	})
}

func (f instanceFields) Inviting(ctx context.Context, obj *tenant.Instance) (*graph.Readiness, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return readiness(f.Root.Invitations.Readiness(ctx, a, obj))
}

func (f instanceFields) Restoring(ctx context.Context, obj *tenant.Instance) (*graph.Readiness, error) {
	return readiness(access.Obstacles(ctx, f.DB, obj, access.RestoreInstance))
}

func (f instanceFields) Removing(ctx context.Context, obj *tenant.Instance, userID globalid.ID) (*graph.Readiness, error) {
	return f.removing(ctx, obj, userID)
}
