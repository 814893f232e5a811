package invitation

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Readiness returns everything that prevents the actor from inviting one person to
// an instance, in the order in which Invite would fail with it.
func (s *Service) Readiness(ctx context.Context, actor access.Actor, i *tenant.Instance) (fault.List, error) {
	obstacles, err := access.Obstacles(ctx, s.DB, i, access.InviteUsers)
	if err != nil || !access.InviteUsers.Allows(i) {
		return obstacles, err // the limits would say how much others invite
	}
	type limitsQuery struct{ access.Actor }
	exceeded, err := batch.Load(i.Space.Siblings, i.Space, limitsQuery{actor}, func(spaces []*tenant.Space) (map[*tenant.Space]fault.List, error) {
		return s.exceededLimits(ctx, actor, spaces)
	})
	return append(obstacles, exceeded...), err
}

// exceededLimits returns the limits that do not allow the actor to invite one
// person to each of some spaces.
func (s *Service) exceededLimits(ctx context.Context, actor access.Actor, spaces []*tenant.Space) (map[*tenant.Space]fault.List, error) {
	var charges []ratelimit.Charge
	var chargedTo []*tenant.Space
	for _, space := range spaces {
		for _, c := range s.inviteCharges(actor, space, 1, nil) {
			charges, chargedTo = append(charges, c), append(chargedTo, space)
		}
	}
	faults, err := ratelimit.Exceeded(ctx, s.DB, charges...)
	exceeded := map[*tenant.Space]fault.List{}
	for i, f := range faults {
		if f != nil {
			exceeded[chargedTo[i]] = append(exceeded[chargedTo[i]], f)
		}
	}
	return exceeded, err
}
