package resolvers

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/relay"
)

// page reads the arguments of a connection; its whole list is counted only
// where totalCount is asked for.
func (r *Root) page(ctx context.Context, first *int, after *string, kind globalid.Kind) (relay.Page, error) {
	page, faults := relay.ParsePage(first, after, r.PageSize, kind)
	for _, field := range graphql.CollectFieldsCtx(ctx, nil) {
		page.Total = page.Total || field.Name == "totalCount"
	}
	return page, faults.Err()
}

// connection makes the edges of a list, and the page information that follows
// from their cursors.
func connection[T, E any](list relay.List[T], page relay.Page, id func(T) globalid.ID, edge func(cursor string, node T) E) ([]E, *graph.PageInfo) {
	info := &graph.PageInfo{HasNextPage: list.HasNext, HasPreviousPage: page.HasPrevious()}
	edges := make([]E, len(list.Nodes))
	for k, node := range list.Nodes {
		cursor := relay.Cursor(id(node))
		edges[k] = edge(cursor, node)
		if k == 0 {
			info.StartCursor = &cursor
		}
		info.EndCursor = &cursor
	}
	return edges, info
}
