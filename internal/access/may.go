package access

import (
	"context"
	"database/sql"

	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Question asks whether a rule lets a person do something in an instance.
type Question struct {
	Actor    globalid.ID
	Instance globalid.ID
	Rule     Rule
}

// May answers many questions of many people at once: by their roles alone, not
// by the instances' kinds and states.
func May(ctx context.Context, q postgres.Querier, questions []Question) ([]bool, error) {
	may := make([]bool, len(questions))
	if len(questions) == 0 {
		return may, nil
	}
	actors, instances := make([]globalid.ID, len(questions)), make([]globalid.ID, len(questions))
	for k, question := range questions {
		actors[k], instances[k] = question.Actor, question.Instance.As(globalid.Instance)
	}
	var rows []struct {
		N          int            `db:"n"`
		Kind       Kind           `db:"kind"`
		Membership sql.NullString `db:"membership"`
		standing
	}
	err := q.Select(ctx, &rows, mayQuery, globalid.Array(actors), globalid.Array(instances))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		may[r.N-1] = r.rolesIn(r.Kind, InstanceRole(r.Membership.String))&questions[r.N-1].Rule.Roles != 0
	}
	return may, nil
}

var mayQuery = `
	select p.n, i.kind, im.role as membership, ` + standingOf("p.account_id") + `
	from unnest($1::uuid[], $2::uuid[]) with ordinality as p (account_id, instance_id, n)
	join instance i on i.id = p.instance_id
	join space s on s.id = i.space_id
	left join organization_member om on om.organization_id = s.organization_id and om.account_id = p.account_id
	left join instance_member im on im.instance_id = i.id and im.account_id = p.account_id`
