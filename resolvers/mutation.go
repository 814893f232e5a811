package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
)

type mutation struct{ *Root }

var _ graph.MutationResolver = mutation{}

func (m mutation) InviteUsers(ctx context.Context, input invitation.Request) (*invitation.Results, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	results, err := m.Invitations.Invite(ctx, a, input)
	return &results, err
}

func (m mutation) DeleteInstance(ctx context.Context, input instance.Request) (*instance.Deletion, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	deletion, err := m.Instances.Delete(ctx, a, input)
	return &deletion, err
}

func (m mutation) RestoreInstance(ctx context.Context, input instance.Request) (*instance.Restoration, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	restoration, err := m.Instances.Restore(ctx, a, input)
	return &restoration, err
}
