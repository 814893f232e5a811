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
	page, err := relay.ParsePage(first, after, r.PageSize, kind)
	for _, field := range graphql.CollectFieldsCtx(ctx, nil) {
		page.Total = page.Total || field.Name == "totalCount"
	}
	return page, err
}

// cursors are the cursors of a list's rows, and the page information that
// follows from them.
func cursors[T any](list relay.List[T], page relay.Page, id func(T) globalid.ID) ([]string, *graph.PageInfo) {
	cursors := make([]string, len(list.Nodes))
	for k, node := range list.Nodes {
		cursors[k] = relay.Cursor(id(node))
	}
	info := &graph.PageInfo{HasNextPage: list.HasNext, HasPreviousPage: page.HasPrevious()}
	if n := len(cursors); n > 0 {
		info.StartCursor, info.EndCursor = &cursors[0], &cursors[n-1]
	}
	return cursors, info
}
