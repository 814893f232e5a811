package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/connection"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/relay"
)

type user struct{ *Root }

var _ graph.UserResolver = user{}

func (u user) Spaces(ctx context.Context, obj *access.Person, first *int, after *string) (*connection.Spaces, error) {
	list, page, err := own(ctx, u, obj, first, after, func(a access.Actor, page relay.Page) (relay.List[*access.Space], error) {
		return access.Spaces(ctx, u.DB, a, page)
	})
	if err != nil {
		return nil, err
	}
	return connection.Of(list, page, func(s *access.Space) globalid.ID { return s.ID }), nil
}

func (u user) Organizations(ctx context.Context, obj *access.Person, first *int, after *string) (*connection.Organizations, error) {
	list, page, err := own(ctx, u, obj, first, after, func(a access.Actor, page relay.Page) (relay.List[*access.Organization], error) {
		return access.Organizations(ctx, u.DB, a, page)
	})
	if err != nil {
		return nil, err
	}
	return connection.Of(list, page, func(o *access.Organization) globalid.ID { return o.ID }), nil
}

func (u user) Invitations(ctx context.Context, obj *access.Person, first *int, after *string) (*connection.Invitations, error) {
	list, page, err := own(ctx, u, obj, first, after, func(a access.Actor, page relay.Page) (relay.List[*invitation.Invitation], error) {
		return u.Root.Invitations.PendingFor(ctx, a, page)
	})
	if err != nil {
		return nil, err
	}
	return invitationConnection(list, page), nil
}

// own reads a page of what is shown of oneself alone.
func own[T any](ctx context.Context, u user, obj *access.Person, first *int, after *string,
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
