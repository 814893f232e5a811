package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/relay"
)

// instanceFields answers what is asked of one instance for all its siblings at
// once.
type instanceFields struct{ *Root }

var _ graph.InstanceResolver = instanceFields{}

func (f instanceFields) Members(ctx context.Context, obj *access.Instance, first *int, after *string) (*graph.InstanceMemberConnection, error) {
	page, err := f.page(ctx, first, after, globalid.User)
	if err != nil {
		return nil, err
	}
	type question struct{ relay.Page }
	list, err := batch.Ask(obj.Siblings, obj.ID, question{page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*instance.Member], error) {
		return f.Instances.Members(ctx, ids, page)
	})
	if err != nil {
		return nil, err
	}
	cursors, info := cursors(list, page, func(m *instance.Member) globalid.ID { return m.User.ID })
	c := &graph.InstanceMemberConnection{Nodes: list.Nodes, PageInfo: info, TotalCount: list.Total}
	for k, node := range list.Nodes {
		c.Edges = append(c.Edges, &graph.InstanceMemberEdge{Cursor: cursors[k], Node: node})
	}
	return c, nil
}

func (f instanceFields) Invitations(ctx context.Context, obj *access.Instance, first *int, after *string, status *invitation.Status) (*graph.InvitationConnection, error) {
	page, err := f.page(ctx, first, after, globalid.Invitation)
	if err != nil {
		return nil, err
	}
	type question struct {
		relay.Page
		invitation.Status
	}
	q := question{Page: page}
	if status != nil {
		q.Status = *status
	}
	list, err := batch.Ask(obj.Siblings, obj.ID, q, func(ids []globalid.ID) (map[globalid.ID]relay.List[*invitation.Invitation], error) {
		return f.Root.Invitations.Of(ctx, ids, q.Status, page)
	})
	if err != nil {
		return nil, err
	}
	cursors, info := cursors(list, page, func(v *invitation.Invitation) globalid.ID { return v.ID })
	c := &graph.InvitationConnection{Nodes: list.Nodes, PageInfo: info, TotalCount: list.Total}
	for k, node := range list.Nodes {
		node.Instance = obj
		c.Edges = append(c.Edges, &graph.InvitationEdge{Cursor: cursors[k], Node: node})
	}
	return c, nil
}
