package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type spaceFields struct{ *Root }

var _ graph.SpaceResolver = spaceFields{}

func (s spaceFields) Administrators(ctx context.Context, obj *tenant.Space) ([]*fault.Contact, error) {
	return obj.Administrators(ctx, s.DB)
}

func (s spaceFields) Instances(ctx context.Context, obj *tenant.Space, first *int, after *string, state *tenant.State) (*tenant.InstanceConnection, error) {
	return connection(ctx, s.Root, first, after, instanceID, func(page relay.Page) (list relay.List[*tenant.Instance], err error) {
		a, err := actor(ctx)
		if err != nil {
			return list, err
		}
		return obj.Instances(ctx, s.DB, a, orAny(state), page)
	})
}

func (s spaceFields) Members(ctx context.Context, obj *tenant.Space, first *int, after *string) (*membership.SpaceMemberConnection, error) {
	return connection(ctx, s.Root, first, after, spaceMemberID, func(page relay.Page) (relay.List[*membership.SpaceMember], error) {
		return ofSpaces(obj, listQuery{list: "members", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*membership.SpaceMember], error) {
			return s.Memberships.ListInSpaces(ctx, ids, page)
		})
	})
}

func (s spaceFields) FormerMembers(ctx context.Context, obj *tenant.Space, first *int, after *string) (*membership.FormerMemberConnection, error) {
	return connection(ctx, s.Root, first, after, formerMemberID, func(page relay.Page) (relay.List[*membership.FormerMember], error) {
		list, err := ofSpaces(obj, listQuery{list: "formerMembers", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*membership.FormerMember], error) {
			return s.Memberships.ListFormer(ctx, ids, page)
		})
		return formerMembersOf(obj, list), err
	})
}

func (s spaceFields) Invitations(ctx context.Context, obj *tenant.Space, first *int, after *string, status *invitation.Status) (*invitation.Connection, error) {
	filter := invitation.Filter{Status: orAny(status), Stored: nodesHaveOnly(ctx, storedFields)}
	return connection(ctx, s.Root, first, after, invitationID, func(page relay.Page) (relay.List[*invitation.Invitation], error) {
		list, err := ofSpaces(obj, listQuery{"invitations", string(filter.Status), filter.Stored, page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*invitation.Invitation], error) {
			return s.Root.Invitations.List(ctx, ids, filter, page)
		})
		return invitationsTo(obj, list), err
	})
}

func (s spaceFields) Inviting(ctx context.Context, obj *tenant.Space) (*graph.Readiness, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return readiness(s.Root.Invitations.Readiness(ctx, a, obj))
}

func (s spaceFields) Restoring(ctx context.Context, obj *tenant.Space) (*graph.Readiness, error) {
	return readiness(access.Obstacles(ctx, s.DB, obj, access.RestoreSpace))
}

func (s spaceFields) Removing(ctx context.Context, obj *tenant.Space, userID globalid.ID) (*graph.Readiness, error) {
	return s.removing(ctx, obj, userID)
}

func (s spaceFields) Requests(ctx context.Context, obj *tenant.Space, status *request.Status, first *int, after *string) (*request.Connection, error) {
	wanted := orAny(status)
	return connection(ctx, s.Root, first, after, requestID, func(page relay.Page) (relay.List[*request.Request], error) {
		return ofSpaces(obj, listQuery{list: "requests", status: string(wanted), page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*request.Request], error) {
			return s.Root.Requests.ListInSpaces(ctx, ids, wanted, page)
		})
	})
}

func (s spaceFields) AuditLog(ctx context.Context, obj *tenant.Space, first *int, after *string) (*audit.EntryConnection, error) {
	return connection(ctx, s.Root, first, after, auditEntryID, func(page relay.Page) (relay.List[*audit.Entry], error) {
		return ofSpaces(obj, listQuery{list: "auditLog", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*audit.Entry], error) {
			return audit.List(ctx, s.DB, ids, page)
		})
	})
}
