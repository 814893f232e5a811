package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
)

type user struct{ *Root }

var _ graph.UserResolver = user{}

func (u user) Spaces(ctx context.Context, obj *access.Person, first *int, after *string) (*graph.SpaceConnection, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	if !obj.Viewer {
		return nil, &fault.Fault{
			Code:    fault.Forbidden,
			Message: "The spaces of other people are not shown.",
			Remedy:  "Ask for your own: viewer { spaces { nodes { name } } }.",
		}
	}
	page, err := u.page(ctx, first, after, globalid.Space)
	if err != nil {
		return nil, err
	}
	list, err := access.Spaces(ctx, u.DB, a, page)
	if err != nil {
		return nil, err
	}
	edges, info := connection(list, page, func(s *access.Space) globalid.ID { return s.ID },
		func(cursor string, node *access.Space) *graph.SpaceEdge {
			return &graph.SpaceEdge{Cursor: cursor, Node: node}
		})
	return &graph.SpaceConnection{Nodes: list.Nodes, Edges: edges, PageInfo: info, TotalCount: list.Total}, nil
}
