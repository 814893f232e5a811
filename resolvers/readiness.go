package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// readiness returns the readiness for a mutation that has some obstacles.
func readiness(obstacles fault.List, err error) (*graph.Readiness, error) {
	if err != nil {
		return nil, err
	}
	return &graph.Readiness{Allowed: len(obstacles) == 0, Obstacles: append([]*fault.Fault{}, obstacles...)}, nil
}

// removing returns the readiness for removing a person from a place.
func (r *Root) removing(ctx context.Context, p tenant.Place, user globalid.ID) (*graph.Readiness, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return readiness(r.Memberships.Removing(ctx, a, p, user))
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
