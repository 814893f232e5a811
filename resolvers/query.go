package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type query struct{ *Root }

var _ graph.QueryResolver = query{}

func (query) Viewer(ctx context.Context) (*tenant.User, error) {
	a, err := actor(ctx)
	return &a, err
}

func (q query) Organization(ctx context.Context, id globalid.ID) (*tenant.Organization, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return tenant.FindOrganization(ctx, q.DB, a, id)
}

func (q query) Space(ctx context.Context, id globalid.ID) (*tenant.Space, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return tenant.FindSpace(ctx, q.DB, a, id)
}

func (q query) Instance(ctx context.Context, id globalid.ID) (*tenant.Instance, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return tenant.FindInstance(ctx, q.DB, a, id)
}

func (q query) Invitation(ctx context.Context, token string) (*invitation.Invitation, error) {
	return q.Invitations.ByToken(ctx, optionalActor(ctx), token)
}

func (q query) InviteLink(ctx context.Context, token string) (*link.Link, error) {
	return q.Links.ByToken(ctx, token)
}

func (q query) CheckEmails(ctx context.Context, emails []string) ([]*invitation.EmailCheck, error) {
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
