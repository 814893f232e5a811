package resolvers

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// cursors are the kinds of ids in the cursors of each connection.
var cursors = map[string]globalid.Kind{
	"OrganizationConnection":       globalid.Organization,
	"OrganizationMemberConnection": globalid.User,
	"SpaceConnection":              globalid.Space,
	"InstanceConnection":           globalid.Instance,
	"InstanceMemberConnection":     globalid.User,
	"SpaceMemberConnection":        globalid.User,
	"FormerMemberConnection":       globalid.FormerMember,
	"InvitationConnection":         globalid.Invitation,
	"InviteLinkConnection":         globalid.Link,
	"RequestConnection":            globalid.Request,
	"AuditEntryConnection":         globalid.AuditEntry,
}

// What the cursor of each node names.
func organizationID(o *tenant.Organization) globalid.ID                 { return o.ID }
func spaceID(s *tenant.Space) globalid.ID                               { return s.ID }
func instanceID(i *tenant.Instance) globalid.ID                         { return i.ID }
func memberID(m *membership.Member) globalid.ID                         { return m.User.ID }
func organizationMemberID(m *membership.OrganizationMember) globalid.ID { return m.User.ID }
func spaceMemberID(m *membership.SpaceMember) globalid.ID               { return m.User.ID }
func formerMemberID(m *membership.FormerMember) globalid.ID             { return m.ID }
func invitationID(v *invitation.Invitation) globalid.ID                 { return v.ID }
func linkID(l *link.Link) globalid.ID                                   { return l.ID }
func requestID(r *request.Request) globalid.ID                          { return r.ID }
func auditEntryID(e *audit.Entry) globalid.ID                           { return e.ID }

// connection reads the page that the arguments of a field name, and returns it
// as a connection. It fails with BAD_USER_INPUT.
func connection[T any](ctx context.Context, r *Root, first *int, after *string, id func(T) globalid.ID,
	read func(relay.Page) (relay.List[T], error)) (*relay.Connection[T], error) {
	page, err := r.page(ctx, first, after)
	if err != nil {
		return nil, err
	}
	list, err := read(page)
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(list, page, id), nil
}

// page reads the arguments of a connection. The whole list is counted only where
// totalCount is selected.
func (r *Root) page(ctx context.Context, first *int, after *string) (relay.Page, error) {
	kind := cursors[graphql.GetFieldContext(ctx).Field.Definition.Type.Name()]
	page, faults := relay.ParsePage(first, after, r.PageSize, kind)
	for _, field := range graphql.CollectFieldsCtx(ctx, nil) {
		page.Total = page.Total || field.Name == "totalCount"
	}
	return page, faults.Err()
}

// nodesHaveOnly reports whether, below a connection, no other fields of the nodes are
// selected than some.
func nodesHaveOnly(ctx context.Context, some map[string]bool) bool {
	operation := graphql.GetOperationContext(ctx)
	only := func(node graphql.CollectedField) bool {
		for _, f := range graphql.CollectFields(operation, node.Selections, nil) {
			if !some[f.Name] {
				return false
			}
		}
		return true
	}
	for _, f := range graphql.CollectFieldsCtx(ctx, nil) {
		switch f.Name {
		case "nodes":
			if !only(f) {
				return false
			}
		case "edges":
			for _, f := range graphql.CollectFields(operation, f.Selections, nil) {
				if f.Name == "node" && !only(f) {
					return false
				}
			}
		}
	}
	return true
}

// viewerConnection is connection for lists of a person that only they
// themselves can read. It fails with FORBIDDEN for any other person.
func viewerConnection[T any](ctx context.Context, u user, obj *tenant.User, first *int, after *string, id func(T) globalid.ID,
	read func(access.Actor, relay.Page) (relay.List[T], error)) (*relay.Connection[T], error) {
	a, err := viewerSelf(ctx, obj)
	if err != nil {
		return nil, err
	}
	return connection(ctx, u.Root, first, after, id, func(page relay.Page) (relay.List[T], error) { return read(a, page) })
}

// viewerSelf returns the person who sends the request where they are obj. It fails
// with FORBIDDEN for any other person.
func viewerSelf(ctx context.Context, obj *tenant.User) (access.Actor, error) {
	a, err := actor(ctx)
	if err == nil && obj.ID != a.ID {
		err = &fault.Fault{
			Code:    fault.Forbidden,
			Message: "This list of another person is private.",
			Remedy:  "Request your own lists, below viewer.",
		}
	}
	return a, err
}

// listQuery identifies a page of a list of instances or spaces that were read
// together.
type listQuery struct {
	list   string // name of the field
	status string // "": any
	stored bool   // see invitation.Filter
	page   relay.Page
}

// ofInstances reads a list of an instance, together with those of the instances
// that were read with it.
func ofInstances[T any](obj *tenant.Instance, query listQuery, read func([]globalid.ID) (map[globalid.ID]relay.List[T], error)) (relay.List[T], error) {
	return batch.Load(obj.Siblings, obj.ID, query, read)
}

// ofSpaces reads a list of a space, together with those of the spaces that were
// read with it.
func ofSpaces[T any](obj *tenant.Space, query listQuery, read func([]globalid.ID) (map[globalid.ID]relay.List[T], error)) (relay.List[T], error) {
	return batch.Load(obj.Siblings, obj, query, func(spaces []*tenant.Space) (map[*tenant.Space]relay.List[T], error) {
		ids := make([]globalid.ID, len(spaces))
		for i, s := range spaces {
			ids[i] = s.ID
		}
		byID, err := read(ids)
		lists := make(map[*tenant.Space]relay.List[T], len(spaces))
		for _, s := range spaces {
			lists[s] = byID[s.ID]
		}
		return lists, err
	})
}

// orAny returns the status or state that a list is limited to; "" where it may
// be any.
func orAny[S ~string](wanted *S) S {
	if wanted == nil {
		return ""
	}
	return *wanted
}
