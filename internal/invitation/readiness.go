package invitation

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Readiness gives everything that keeps the actor from inviting somebody to an
// instance, in the order in which Invite would fail with it.
func (s *Service) Readiness(ctx context.Context, actor access.Actor, i *tenant.Instance) (fault.List, error) {
	obstacles, err := access.Obstacles(ctx, s.DB, i, access.Inviting)
	if err != nil || !access.Inviting.Allows(i) {
		return obstacles, err // how much others invite is not for her to know
	}
	type question struct{ access.Actor }
	limited, err := batch.Load(i.Space.Siblings, i.Space, question{actor}, func(spaces []*tenant.Space) (map[*tenant.Space]fault.List, error) {
		return s.limited(ctx, actor, spaces)
	})
	return append(obstacles, limited...), err
}

// limited finds the limits that keep the actor from inviting anybody.
func (s *Service) limited(ctx context.Context, actor access.Actor, spaces []*tenant.Space) (map[*tenant.Space]fault.List, error) {
	var charges []ratelimit.Charge
	var of []*tenant.Space
	for _, space := range spaces {
		for _, c := range s.Limits.charges(actor, space, 1) {
			charges, of = append(charges, c), append(of, space)
		}
	}
	faults, err := ratelimit.Exceeded(ctx, s.DB, charges...)
	limited := map[*tenant.Space]fault.List{}
	for i, f := range faults {
		if f != nil {
			limited[of[i]] = append(limited[of[i]], f)
		}
	}
	return limited, err
}
