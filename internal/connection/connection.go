// Package connection names the lists that are paged through (Relay cursor
// connections specification), for gqlgen to bind the schema's types to.
package connection

import (
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/relay"
	"alphacruncher.com/datahub-gateway/internal/request"
)

// Connection is a page of a list.
type Connection[T any] struct {
	Nodes      []T
	Edges      []*Edge[T]
	PageInfo   *PageInfo
	TotalCount int
}

// Edge is a row of a page.
type Edge[T any] struct {
	Cursor string
	Node   T
}

// PageInfo says where a page ends.
type PageInfo struct {
	HasNextPage     bool
	HasPreviousPage bool
	StartCursor     *string
	EndCursor       *string
}

// Of makes a connection of a page; id gives what a row's cursor names.
func Of[T any](list relay.List[T], page relay.Page, id func(T) globalid.ID) *Connection[T] {
	c := &Connection[T]{
		Nodes:      list.Nodes,
		Edges:      make([]*Edge[T], len(list.Nodes)),
		PageInfo:   &PageInfo{HasNextPage: list.HasNext, HasPreviousPage: page.HasPrevious()},
		TotalCount: list.Total,
	}
	for k, node := range list.Nodes {
		cursor := relay.Cursor(id(node))
		c.Edges[k] = &Edge[T]{cursor, node}
		if k == 0 {
			c.PageInfo.StartCursor = &cursor
		}
		c.PageInfo.EndCursor = &cursor
	}
	return c
}

// The schema's connections, and their edges.
type (
	Organizations   = Connection[*access.Organization]
	Spaces          = Connection[*access.Space]
	Instances       = Connection[*access.Instance]
	InstanceMembers = Connection[*membership.Member]
	SpaceMembers    = Connection[*membership.SpaceMember]
	Invitations     = Connection[*invitation.Invitation]
	Requests        = Connection[*request.Request]
	AuditEntries    = Connection[*audit.Entry]

	OrganizationEdge   = Edge[*access.Organization]
	SpaceEdge          = Edge[*access.Space]
	InstanceEdge       = Edge[*access.Instance]
	InstanceMemberEdge = Edge[*membership.Member]
	SpaceMemberEdge    = Edge[*membership.SpaceMember]
	InvitationEdge     = Edge[*invitation.Invitation]
	RequestEdge        = Edge[*request.Request]
	AuditEntryEdge     = Edge[*audit.Entry]
)
