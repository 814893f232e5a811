package relay

import "alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"

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

// NewConnection makes a connection of a page; id gives what a row's cursor names.
func NewConnection[T any](list List[T], page Page, id func(T) globalid.ID) *Connection[T] {
	c := &Connection[T]{
		Nodes:      list.Nodes,
		Edges:      make([]*Edge[T], len(list.Nodes)),
		PageInfo:   &PageInfo{HasNextPage: list.HasNext, HasPreviousPage: page.HasPrevious()},
		TotalCount: list.Total,
	}
	for i, node := range list.Nodes {
		cursor := Cursor(id(node))
		c.Edges[i] = &Edge[T]{cursor, node}
		if i == 0 {
			c.PageInfo.StartCursor = &cursor
		}
		c.PageInfo.EndCursor = &cursor
	}
	return c
}
