package membership

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Holder is the person who holds an address, with the roles that they hold in an instance
// and in its space.
type Holder struct {
	InstanceID    globalid.ID // zero: only the space was asked about
	EmailKey      string
	User          *tenant.User
	Administrator bool // of the space
	// Role is the person's own in the instance; nil: they are no member.
	Role  *tenant.InstanceRole
	Since time.Time  // when they became a member
	Until *time.Time // when they stop being one; nil: without an end
}

// InstanceRole returns the highest role that the person has in the instance, as a member
// or as an administrator of the space; nil: none.
func (h *Holder) InstanceRole() *tenant.InstanceRole {
	var held tenant.Roles
	if h.Role != nil {
		held |= tenant.RolesOf(h.Role.Role())
	}
	if h.Administrator {
		held |= tenant.SpaceAdministrator.Implies()
	}
	for _, role := range held.HeldIn(globalid.Instance) {
		highest, _ := role.InstanceRole()
		return &highest
	}
	return nil
}

// Member returns the membership; nil where the person is no member.
func (h *Holder) Member() *Member {
	if h.Role == nil {
		return nil
	}
	return &Member{h.User, *h.Role, h.Since, h.Until}
}

// holderRow is a membership or an administrator's role, with the person.
type holderRow struct {
	InstanceID    uuid.NullUUID        `db:"instance_id"`
	EmailKey      string               `db:"email_key"`
	AccountID     uuid.UUID            `db:"account_id"`
	Name          string               `db:"name"`
	Email         string               `db:"email"`
	Former        bool                 `db:"former_holder"`
	Administrator bool                 `db:"administrator"`
	Role          *tenant.InstanceRole `db:"role"`
	Since         *time.Time           `db:"since"`
	Until         *time.Time           `db:"until"`
}

func (r holderRow) holder() *Holder {
	h := &Holder{
		EmailKey:      r.EmailKey,
		User:          &tenant.User{ID: globalid.ID{Kind: globalid.User, UUID: r.AccountID}, Name: r.Name, Email: r.Email, FormerHolder: r.Former},
		Administrator: r.Administrator,
		Role:          r.Role,
		Until:         r.Until,
	}
	if r.InstanceID.Valid {
		h.InstanceID = globalid.ID{Kind: globalid.Instance, UUID: r.InstanceID.UUID}
	}
	if r.Since != nil {
		h.Since = *r.Since
	}
	return h
}

func holdersOf(rows []holderRow) []*Holder {
	holders := make([]*Holder, len(rows))
	for i, r := range rows {
		holders[i] = r.holder()
	}
	return holders
}

// FindHolders reads who holds some addresses, of those people who administrate a space or
// are members of the instance of it that stands at the same index (uuid.Nil: of none).
func FindHolders(ctx context.Context, q postgres.Querier, space globalid.ID, instances postgres.UUIDs, emailKeys []string) ([]*Holder, error) {
	var rows []holderRow
	err := q.Select(ctx, &rows, `
		select e.instance_id, e.email_key, h.account_id, a.name, a.email, false as former_holder, p.administrator is not null as administrator, m.role, m.since, m.until
		from unnest($2::uuid[], $3::text[]) as e (instance_id, email_key)
		cross join lateral (select h.account_id from address_holder h where h.email_key = e.email_key limit 1) h
		cross join lateral (
			select (select sa.account_id from space_administrator sa where sa.space_id = $1 and sa.account_id = h.account_id) as administrator) p
		left join lateral (
			select m.role, m.since, m.until from instance_member m
			where m.instance_id = e.instance_id and m.account_id = h.account_id and `+tenant.Current("m")+` limit 1) m on true
		cross join lateral (select * from account where id = h.account_id limit 1) a
		where m.role is not null or p.administrator is not null`,
		space.UUID, instances, pq.StringArray(emailKeys))
	return holdersOf(rows), err
}
