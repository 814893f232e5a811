package membership

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// grantQueries give account $2 a role in place $1. $3 is the role as it is
// stored, and $4 are the lower roles that it replaces. A guest of an organization who is
// granted a role in it is no guest any more.
var grantQueries = map[globalid.Kind]string{
	globalid.Organization: `
		insert into organization_member as m (organization_id, account_id, role) values ($1, $2, $3)
		on conflict (organization_id, account_id) do update
		set role = case when m.role = any ($4::text[]) then excluded.role else m.role end, guest = false
		where m.role = any ($4::text[]) or m.guest`,
	// An end that is still to come stays, unless there is another one: $5.
	globalid.Instance: `
		insert into instance_member as m (instance_id, account_id, role, until) values ($1, $2, $3, $5::timestamptz)
		on conflict (instance_id, account_id) do update
		set role = excluded.role, since = case when ` + tenant.Current("m") + ` then m.since else excluded.since end,
		    until = coalesce(excluded.until, case when ` + tenant.Current("m") + ` then m.until end)
		where m.role = any ($4::text[]) or not ` + tenant.Current("m"),
}

// Grant gives an account a role in an organization, a space or an instance, and
// reports whether that changed anything. It replaces a lower role in the same
// place, and leaves the same or a higher one as it is. The caller has decided
// that the actor may grant the role, and writes the trail.
func Grant(ctx context.Context, tx *postgres.Tx, account uuid.UUID, place globalid.ID, role tenant.Role) (changed bool, err error) {
	return GrantUntil(ctx, tx, account, place, role, nil)
}

// GrantUntil is Grant of a role that ends at a time; nil: it does not end. Only roles in
// instances end.
func GrantUntil(ctx context.Context, tx *postgres.Tx, account uuid.UUID, place globalid.ID, role tenant.Role, until *time.Time) (changed bool, err error) {
	if role.HeldIn() != place.Kind {
		return false, fmt.Errorf("membership: nobody can be %v in a place of the kind %q", role, place.Kind)
	}
	var n int64
	if place.Kind == globalid.Space { // the row itself says that it is an administrator's
		n, err = tx.Exec(ctx, `insert into space_administrator (space_id, account_id) values ($1, $2) on conflict do nothing`, place.UUID, account)
	} else {
		args := []any{place.UUID, account, role.Stored(), pq.StringArray(role.Lower().Stored(place.Kind))}
		if place.Kind == globalid.Instance {
			args = append(args, until)
		}
		n, err = tx.Exec(ctx, grantQueries[place.Kind], args...)
	}
	if n == 0 || err != nil {
		return false, err
	}
	return true, forgetEnded(ctx, tx, account, place)
}

// RoleIn reads the role that an account holds by itself in an instance; nil where
// it holds none.
func RoleIn(ctx context.Context, q postgres.Querier, instance globalid.ID, account uuid.UUID) (*tenant.InstanceRole, error) {
	return readRole[tenant.InstanceRole](ctx, q, `select role from instance_member m where instance_id = $1 and account_id = $2 and `+tenant.Current("m"), instance.UUID, account)
}

// RoleInOrganization reads the role that an account holds in an organization itself; nil
// where it holds none.
func RoleInOrganization(ctx context.Context, q postgres.Querier, organization globalid.ID, account uuid.UUID) (*tenant.OrganizationRole, error) {
	return readRole[tenant.OrganizationRole](ctx, q, `select role from organization_member where organization_id = $1 and account_id = $2`, organization.UUID, account)
}

func readRole[R any](ctx context.Context, q postgres.Querier, query string, place, account uuid.UUID) (role *R, err error) {
	err = q.Get(ctx, &role, query, place, account)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return role, err
}
