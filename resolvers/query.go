package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
)

type query struct{ *Root }

var _ graph.QueryResolver = query{}

func (query) Viewer(ctx context.Context) (*access.Person, error) {
	a, err := actor(ctx)
	return &a, err
}

func (q query) Space(ctx context.Context, id globalid.ID) (*access.Space, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return access.FindSpace(ctx, q.DB, a, id)
}

func (q query) Instance(ctx context.Context, id globalid.ID) (*access.Instance, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return access.FindInstance(ctx, q.DB, a, id)
}

func (q query) Invitation(ctx context.Context, token string) (*invitation.Invitation, error) {
	return q.Invitations.ByToken(ctx, anybody(ctx), token)
}

func (q query) CheckEmails(ctx context.Context, emails []string) ([]*invitation.Check, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	domains, err := q.Colleagues.Domains(ctx, a)
	if err != nil {
		return nil, err
	}
	return invitation.CheckEmails(ctx, emails, domains)
}
