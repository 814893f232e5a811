package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type linkFields struct{ *Root }

var _ graph.InviteLinkResolver = linkFields{}

func (f linkFields) Instance(ctx context.Context, obj *link.Link) (*tenant.Instance, error) {
	a := optionalActor(ctx)
	if a == nil {
		return nil, nil
	}
	return obj.Instance(ctx, f.DB, *a)
}

func (f instanceFields) InviteLinks(ctx context.Context, obj *tenant.Instance, first *int, after *string) (*link.Connection, error) {
	return connection(ctx, f.Root, first, after, linkID, func(page relay.Page) (relay.List[*link.Link], error) {
		return ofInstances(obj, listQuery{list: "inviteLinks", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*link.Link], error) {
			return f.Links.List(ctx, ids, page)
		})
	})
}

func (s spaceFields) InviteLinks(ctx context.Context, obj *tenant.Space, first *int, after *string) (*link.Connection, error) {
	return connection(ctx, s.Root, first, after, linkID, func(page relay.Page) (relay.List[*link.Link], error) {
		return ofSpaces(obj, listQuery{list: "inviteLinks", page: page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*link.Link], error) {
			return s.Links.List(ctx, ids, page)
		})
	})
}
