package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type organizationFields struct{ *Root }

var _ graph.OrganizationResolver = organizationFields{}

func (f organizationFields) Members(ctx context.Context, obj *tenant.Organization, first *int, after *string) (*membership.OrganizationMemberConnection, error) {
	return connection(ctx, f.Root, first, after, organizationMemberID, func(page relay.Page) (relay.List[*membership.OrganizationMember], error) {
		return ofOrganizations(obj, listQuery{list: "members", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*membership.OrganizationMember], error) {
			return f.Memberships.ListInOrganizations(ctx, ids, page)
		})
	})
}

func (f organizationFields) FormerMembers(ctx context.Context, obj *tenant.Organization, first *int, after *string) (*membership.FormerMemberConnection, error) {
	return connection(ctx, f.Root, first, after, formerMemberID, func(page relay.Page) (relay.List[*membership.FormerMember], error) {
		list, err := ofOrganizations(obj, listQuery{list: "formerMembers", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*membership.FormerMember], error) {
			return f.Memberships.ListFormer(ctx, ids, page)
		})
		return formerMembersOf(obj, list), err
	})
}

func (f organizationFields) Invitations(ctx context.Context, obj *tenant.Organization, first *int, after *string, status *invitation.Status) (*invitation.Connection, error) {
	filter := invitation.Filter{Status: orAny(status), Stored: nodesHaveOnly(ctx, storedFields)}
	return connection(ctx, f.Root, first, after, invitationID, func(page relay.Page) (relay.List[*invitation.Invitation], error) {
		list, err := ofOrganizations(obj, listQuery{"invitations", string(filter.Status), filter.Stored, page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*invitation.Invitation], error) {
			return f.Root.Invitations.List(ctx, ids, filter, page)
		})
		return invitationsTo(obj, list), err
	})
}

func (f organizationFields) Spaces(ctx context.Context, obj *tenant.Organization, first *int, after *string, state *tenant.State) (*tenant.SpaceConnection, error) {
	return connection(ctx, f.Root, first, after, spaceID, func(page relay.Page) (list relay.List[*tenant.Space], err error) {
		a, err := actor(ctx)
		if err != nil {
			return list, err
		}
		return obj.Spaces(ctx, f.DB, a, orAny(state), page)
	})
}

func (f organizationFields) Requests(ctx context.Context, obj *tenant.Organization, status *request.Status, first *int, after *string) (*request.Connection, error) {
	wanted := orAny(status)
	return connection(ctx, f.Root, first, after, requestID, func(page relay.Page) (relay.List[*request.Request], error) {
		return ofOrganizations(obj, listQuery{list: "requests", status: string(wanted), page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*request.Request], error) {
			return f.Root.Requests.ListInOrganizations(ctx, ids, wanted, page)
		})
	})
}

func (f organizationFields) AuditLog(ctx context.Context, obj *tenant.Organization, first *int, after *string) (*audit.EntryConnection, error) {
	return connection(ctx, f.Root, first, after, auditEntryID, func(page relay.Page) (relay.List[*audit.Entry], error) {
		return ofOrganizations(obj, listQuery{list: "auditLog", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*audit.Entry], error) {
			return audit.List(ctx, f.DB, ids, page)
		})
	})
}

func (f organizationFields) Inviting(ctx context.Context, obj *tenant.Organization) (*graph.Readiness, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return readiness(f.Root.Invitations.Readiness(ctx, a, obj))
}

func (f organizationFields) Removing(ctx context.Context, obj *tenant.Organization, userID globalid.ID) (*graph.Readiness, error) {
	return f.removing(ctx, obj, userID)
}

// ofOrganizations reads a list of an organization, together with those of the
// organizations that were read with it.
func ofOrganizations[T any](obj *tenant.Organization, query listQuery, read func([]globalid.ID) (map[globalid.ID]relay.List[T], error)) (relay.List[T], error) {
	return batch.Load(obj.Siblings, obj.ID, query, read)
}
