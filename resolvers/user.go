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

type user struct{ *Root }

var _ graph.UserResolver = user{}

func (u user) Spaces(ctx context.Context, obj *tenant.User, first *int, after *string) (*tenant.SpaceConnection, error) {
	list, page, err := own(ctx, u, obj, first, after, func(a access.Actor, page relay.Page) (relay.List[*tenant.Space], error) {
		return tenant.Spaces(ctx, u.DB, a, page)
	})
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(list, page, func(s *tenant.Space) globalid.ID { return s.ID }), nil
}

func (u user) Organizations(ctx context.Context, obj *tenant.User, first *int, after *string) (*tenant.OrganizationConnection, error) {
	list, page, err := own(ctx, u, obj, first, after, func(a access.Actor, page relay.Page) (relay.List[*tenant.Organization], error) {
		return tenant.Organizations(ctx, u.DB, a, page)
	})
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(list, page, func(o *tenant.Organization) globalid.ID { return o.ID }), nil
}

func (u user) Invitations(ctx context.Context, obj *tenant.User, first *int, after *string) (*invitation.Connection, error) {
	list, page, err := own(ctx, u, obj, first, after, func(a access.Actor, page relay.Page) (relay.List[*invitation.Invitation], error) {
		return u.Root.Invitations.ListPendingFor(ctx, a, page)
	})
	if err != nil {
		return nil, err
	}
	return invitationConnection(list, page), nil
}

// own reads a page of what is shown of oneself alone.
func own[T any](ctx context.Context, u user, obj *tenant.User, first *int, after *string,
	read func(access.Actor, relay.Page) (relay.List[T], error)) (list relay.List[T], page relay.Page, err error) {
	a, err := actor(ctx)
	if err != nil {
		return list, page, err
	}
	if obj.ID != a.ID {
		return list, page, &fault.Fault{
			Code:    fault.Forbidden,
			Message: "This is shown of oneself alone.",
			Remedy:  "Ask for your own, below viewer.",
		}
	}
	if page, err = u.page(ctx, first, after); err != nil {
		return list, page, err
	}
	list, err = read(a, page)
	return list, page, err
}
