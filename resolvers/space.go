package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type spaceFields struct{ *Root }

var _ graph.SpaceResolver = spaceFields{}

func (s spaceFields) Administrators(ctx context.Context, obj *tenant.Space) ([]*fault.Contact, error) {
	return obj.Administrators(ctx, s.DB)
}

func (s spaceFields) Instances(ctx context.Context, obj *tenant.Space, first *int, after *string, state *tenant.State) (*tenant.InstanceConnection, error) {
	page, err := s.page(ctx, first, after)
	if err != nil {
		return nil, err
	}
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	list, err := obj.Instances(ctx, s.DB, a, anyUnless(state), page)
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(list, page, func(i *tenant.Instance) globalid.ID { return i.ID }), nil
}

func (s spaceFields) Members(ctx context.Context, obj *tenant.Space, first *int, after *string) (*membership.SpaceMemberConnection, error) {
	page, err := s.page(ctx, first, after)
	if err != nil {
		return nil, err
	}
	type question struct{ relay.Page }
	list, err := askSpaces(obj, question{page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*membership.SpaceMember], error) {
		return s.Memberships.ListInSpaces(ctx, ids, page)
	})
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(list, page, func(m *membership.SpaceMember) globalid.ID { return m.User.ID }), nil
}

func (s spaceFields) Invitations(ctx context.Context, obj *tenant.Space, first *int, after *string, status *invitation.Status) (*invitation.Connection, error) {
	page, err := s.page(ctx, first, after)
	if err != nil {
		return nil, err
	}
	q := selectionOf(page, status)
	list, err := askSpaces(obj, q, func(ids []globalid.ID) (map[globalid.ID]relay.List[*invitation.Invitation], error) {
		return s.Root.Invitations.List(ctx, ids, q.Status, page)
	})
	if err != nil {
		return nil, err
	}
	return invitationsTo(obj, list, page), nil
}

func (s spaceFields) AuditLog(ctx context.Context, obj *tenant.Space, first *int, after *string) (*audit.EntryConnection, error) {
	page, err := s.page(ctx, first, after)
	if err != nil {
		return nil, err
	}
	type question struct{ relay.Page }
	list, err := askSpaces(obj, question{page}, func(ids []globalid.ID) (map[globalid.ID]relay.List[*audit.Entry], error) {
		return audit.List(ctx, s.DB, ids, page)
	})
	if err != nil {
		return nil, err
	}
	return relay.NewConnection(list, page, func(e *audit.Entry) globalid.ID { return e.ID }), nil
}

// askSpaces asks about a space's siblings too, by their ids.
func askSpaces[V any](of *tenant.Space, question any, ask func([]globalid.ID) (map[globalid.ID]V, error)) (V, error) {
	return batch.Load(of.Siblings, of, question, func(spaces []*tenant.Space) (map[*tenant.Space]V, error) {
		ids := make([]globalid.ID, len(spaces))
		for i, s := range spaces {
			ids[i] = s.ID
		}
		byID, err := ask(ids)
		answers := make(map[*tenant.Space]V, len(spaces))
		for _, s := range spaces {
			answers[s] = byID[s.ID]
		}
		return answers, err
	})
}
