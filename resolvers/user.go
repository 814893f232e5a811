package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type user struct{ *Root }

var _ graph.UserResolver = user{}

func (u user) Spaces(ctx context.Context, obj *tenant.User, first *int, after *string, state *tenant.State) (*tenant.SpaceConnection, error) {
	return viewerConnection(ctx, u, obj, first, after, spaceID, func(a access.Actor, page relay.Page) (relay.List[*tenant.Space], error) {
		return tenant.Spaces(ctx, u.DB, a, orAny(state), page)
	})
}

func (u user) Organizations(ctx context.Context, obj *tenant.User, first *int, after *string) (*tenant.OrganizationConnection, error) {
	return viewerConnection(ctx, u, obj, first, after, organizationID, func(a access.Actor, page relay.Page) (relay.List[*tenant.Organization], error) {
		return tenant.Organizations(ctx, u.DB, a, page)
	})
}

func (u user) Invitations(ctx context.Context, obj *tenant.User, first *int, after *string) (*invitation.Connection, error) {
	return viewerConnection(ctx, u, obj, first, after, invitationID, func(a access.Actor, page relay.Page) (relay.List[*invitation.Invitation], error) {
		return u.Root.Invitations.ListPendingFor(ctx, a, page)
	})
}

func (u user) RefusesInvitations(ctx context.Context, obj *tenant.User) (*bool, error) {
	a, err := viewerSelf(ctx, obj)
	if err != nil {
		return nil, err
	}
	refuses, err := u.Root.Invitations.Refuses(ctx, a)
	return &refuses, err
}

func (u user) Requests(ctx context.Context, obj *tenant.User, status *request.Status, first *int, after *string) (*request.Connection, error) {
	return viewerConnection(ctx, u, obj, first, after, requestID, func(a access.Actor, page relay.Page) (relay.List[*request.Request], error) {
		return u.Root.Requests.ListMadeBy(ctx, a, orAny(status), page)
	})
}

func (u user) RequestsToAnswer(ctx context.Context, obj *tenant.User, first *int, after *string) (*request.Connection, error) {
	return viewerConnection(ctx, u, obj, first, after, requestID, func(a access.Actor, page relay.Page) (relay.List[*request.Request], error) {
		return u.Root.Requests.ListToAnswer(ctx, a, page)
	})
}
