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
	cursors, info := cursors(list, page, func(s *access.Space) globalid.ID { return s.ID })
	c := &graph.SpaceConnection{Nodes: list.Nodes, PageInfo: info, TotalCount: list.Total}
	for k, node := range list.Nodes {
		c.Edges = append(c.Edges, &graph.SpaceEdge{Cursor: cursors[k], Node: node})
	}
	return c, nil
}
