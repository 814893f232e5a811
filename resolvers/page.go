package resolvers

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
)

// cursors are what the cursors of each connection name.
var cursors = map[string]globalid.Kind{
	"OrganizationConnection":   globalid.Organization,
	"SpaceConnection":          globalid.Space,
	"InstanceConnection":       globalid.Instance,
	"InstanceMemberConnection": globalid.User,
	"SpaceMemberConnection":    globalid.User,
	"InvitationConnection":     globalid.Invitation,
	"RequestConnection":        globalid.Request,
	"AuditEntryConnection":     globalid.AuditEntry,
}

// page reads the arguments of a connection; its whole list is counted only
// where totalCount is asked for.
func (r *Root) page(ctx context.Context, first *int, after *string) (relay.Page, error) {
	kind := cursors[graphql.GetFieldContext(ctx).Field.Definition.Type.Name()]
	page, faults := relay.ParsePage(first, after, r.PageSize, kind)
	for _, field := range graphql.CollectFieldsCtx(ctx, nil) {
		page.Total = page.Total || field.Name == "totalCount"
	}
	return page, faults.Err()
}

// selection tells apart what is asked about the invitations, or the requests, of
// places that were read together.
type selection[S ~string] struct {
	Status S // "": any
	relay.Page
}

func selectionOf[S ~string](page relay.Page, status *S) selection[S] {
	return selection[S]{anyUnless(status), page}
}

// anyUnless is a status, or a state, that is wanted; "" where it may be any.
func anyUnless[S ~string](wanted *S) S {
	if wanted == nil {
		return ""
	}
	return *wanted
}
