package relay

import "alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"

// Connection is a page of a list. Its edges and cursors are made where they are asked
// for.
type Connection[T any] struct {
	Nodes      []T
	TotalCount int

	page    Page
	hasNext bool
	id      func(T) globalid.ID
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

// NewConnection makes a connection of a page; id returns what a row's cursor names.
func NewConnection[T any](list List[T], page Page, id func(T) globalid.ID) *Connection[T] {
	return &Connection[T]{Nodes: list.Nodes, TotalCount: list.Total, page: page, hasNext: list.HasNext, id: id}
}

// Edges returns the rows with their cursors.
func (c *Connection[T]) Edges() []*Edge[T] {
	edges := make([]*Edge[T], len(c.Nodes))
	for i, node := range c.Nodes {
		edges[i] = &Edge[T]{Cursor(c.id(node)), node}
	}
	return edges
}

// PageInfo says where the page ends.
func (c *Connection[T]) PageInfo() *PageInfo {
	info := &PageInfo{HasNextPage: c.hasNext, HasPreviousPage: c.page.HasPrevious()}
	if n := len(c.Nodes); n > 0 {
		info.StartCursor, info.EndCursor = new(Cursor(c.id(c.Nodes[0]))), new(Cursor(c.id(c.Nodes[n-1])))
	}
	return info
}
