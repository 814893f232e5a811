package invitation

import (
	"context"
	"slices"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Readiness returns everything that prevents the actor from inviting one person to a
// place (to an instance, to administrate a space, or to an organization), in the order
// in which the mutation would fail with it.
func (s *Service) Readiness(ctx context.Context, actor access.Actor, p tenant.Place) (obstacles fault.List, err error) {
	to := destinationOf(p)
	rule := access.InviteUsers
	switch {
	case to.Space == nil:
		rule = access.InviteOrganizationMembers
	case to.Instance == nil:
		rule = access.InviteSpaceAdministrators
	}
	obstacles, err = access.Obstacles(ctx, s.DB, p, rule)
	if err != nil || !rule.Allows(p) {
		return obstacles, err // the limits would say how much others invite
	}
	type limitsQuery struct{ access.Actor }
	var exceeded fault.List
	if to.Space == nil {
		exceeded, err = batch.Load(to.Organization.Siblings, to.Organization.ID, limitsQuery{actor}, func(organizations []globalid.ID) (map[globalid.ID]fault.List, error) {
			faults, err := ratelimit.Exceeded(ctx, s.DB, s.inviteCharges(actor, nil, 1, "emails", nil)...)
			faults = slices.DeleteFunc(faults, func(f *fault.Fault) bool { return f == nil })
			lists := make(map[globalid.ID]fault.List, len(organizations))
			for _, id := range organizations {
				lists[id] = faults
			}
			return lists, err
		})
	} else {
		exceeded, err = batch.Load(to.Space.Siblings, to.Space, limitsQuery{actor}, func(spaces []*tenant.Space) (map[*tenant.Space]fault.List, error) {
			return s.exceededLimits(ctx, actor, spaces)
		})
	}
	return append(obstacles, exceeded...), err
}

// exceededLimits returns the limits that do not allow the actor to invite one
// person to each of some spaces.
func (s *Service) exceededLimits(ctx context.Context, actor access.Actor, spaces []*tenant.Space) (map[*tenant.Space]fault.List, error) {
	var charges []ratelimit.Charge
	var chargedTo []*tenant.Space
	for _, space := range spaces {
		for _, c := range s.inviteCharges(actor, space, 1, "emails", nil) {
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
