package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/fault"
)

// readiness returns the readiness for a mutation that has some obstacles.
func readiness(obstacles fault.List, err error) (*graph.Readiness, error) {
	if err != nil {
		return nil, err
	}
	return &graph.Readiness{Allowed: len(obstacles) == 0, Obstacles: append([]*fault.Fault{}, obstacles...)}, nil
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
