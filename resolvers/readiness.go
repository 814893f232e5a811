package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// readiness says whether something can be done that has some obstacles.
func readiness(obstacles fault.List, err error) (*graph.Readiness, error) {
	if err != nil {
		return nil, err
	}
	return &graph.Readiness{Allowed: len(obstacles) == 0, Obstacles: append([]*fault.Fault{}, obstacles...)}, nil
}

func (f instanceFields) Inviting(ctx context.Context, obj *tenant.Instance) (*graph.Readiness, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return readiness(f.Root.Invitations.Readiness(ctx, a, obj))
}

func (f instanceFields) Restoring(ctx context.Context, obj *tenant.Instance) (*graph.Readiness, error) {
	return readiness(access.Obstacles(ctx, f.DB, obj, access.Restoring))
}

type obstacle struct{}

var _ graph.ObstacleResolver = obstacle{}

func (obstacle) Reason(_ context.Context, obj *fault.Fault) (*string, error) {
	return optional(obj.Reason)
}

func (obstacle) Request(_ context.Context, obj *fault.Fault) (*string, error) {
	return optional(obj.Request)
}

func (obstacle) RetryAfter(_ context.Context, obj *fault.Fault) (*int, error) {
	if obj.RetryAfter == 0 {
		return nil, nil
	}
	return new(int(obj.RetryAfter.Seconds())), nil
}

func optional(text string) (*string, error) {
	if text == "" {
		return nil, nil
	}
	return &text, nil
}
