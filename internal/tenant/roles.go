package tenant

import (
	"context"
	"database/sql"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Standpoint is an instance as one person sees it, by ids.
type Standpoint struct{ User, Instance globalid.ID }

// EffectiveRolesAt reads the effective roles of many people in many instances
// at once, in the order of the standpoints. Nobody has a role in what is no
// instance.
func EffectiveRolesAt(ctx context.Context, q postgres.Querier, standpoints []Standpoint) ([]Roles, error) {
	roles := make([]Roles, len(standpoints))
	if len(standpoints) == 0 {
		return roles, nil
	}
	users, instances := make([]globalid.ID, len(standpoints)), make([]globalid.ID, len(standpoints))
	for i, s := range standpoints {
		users[i], instances[i] = s.User, s.Instance.As(globalid.Instance)
	}
	var rows []struct {
		N          int            `db:"n"`
		Kind       Kind           `db:"kind"`
		Membership sql.NullString `db:"membership"`
		standing
	}
	if err := q.Select(ctx, &rows, effectiveRolesQuery, globalid.Array(users), globalid.Array(instances)); err != nil {
		return nil, err
	}
	for _, r := range rows {
		roles[r.N-1] = r.rolesIn(r.Kind, InstanceRole(r.Membership.String))
	}
	return roles, nil
}

var effectiveRolesQuery = `
	select p.n, i.kind, im.role as membership, ` + standingOf("p.account_id") + `
	from unnest($1::uuid[], $2::uuid[]) with ordinality as p (account_id, instance_id, n)
	join instance i on i.id = p.instance_id
	join space s on s.id = i.space_id
	left join organization_member om on om.organization_id = s.organization_id and om.account_id = p.account_id
	left join instance_member im on im.instance_id = i.id and im.account_id = p.account_id`
