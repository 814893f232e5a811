package access

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Check asks whether a rule lets a person do something in an instance.
type Check struct {
	Actor    globalid.ID
	Instance globalid.ID
	Rule     Rule
}

// CheckMany decides many checks of many people at once: by their roles alone,
// not by the instances' kinds and states. The results are in the order of the
// checks.
func CheckMany(ctx context.Context, q postgres.Querier, checks []Check) ([]bool, error) {
	pairs := make([]tenant.UserInInstance, len(checks))
	for i, c := range checks {
		pairs[i] = tenant.UserInInstance{User: c.Actor, Instance: c.Instance}
	}
	roles, err := tenant.EffectiveRolesOf(ctx, q, pairs)
	if err != nil {
		return nil, err
	}
	allowed := make([]bool, len(checks))
	for i, c := range checks {
		allowed[i] = roles[i]&c.Rule.Roles != 0
	}
	return allowed, nil
}
