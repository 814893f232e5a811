package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
)

type space struct{ *Root }

var _ graph.SpaceResolver = space{}

func (s space) Administrators(ctx context.Context, obj *access.Space) ([]*fault.Contact, error) {
	return obj.Administrators(ctx, s.DB)
}

func (s space) Instances(ctx context.Context, obj *access.Space, first *int, after *string, state *access.State) (*graph.InstanceConnection, error) {
	page, err := s.page(ctx, first, after, globalid.Instance)
	if err != nil {
		return nil, err
	}
	var of access.State
	if state != nil {
		of = *state
	}
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	list, err := obj.Instances(ctx, s.DB, a, of, page)
	if err != nil {
		return nil, err
	}
	edges, info := connection(list, page, func(i *access.Instance) globalid.ID { return i.ID },
		func(cursor string, node *access.Instance) *graph.InstanceEdge {
			return &graph.InstanceEdge{Cursor: cursor, Node: node}
		})
	return &graph.InstanceConnection{Nodes: list.Nodes, Edges: edges, PageInfo: info, TotalCount: list.Total}, nil
}
