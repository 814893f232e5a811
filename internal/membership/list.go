package membership

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

var (
	countInInstances = `
		select i.id, ` + relay.CountSQL(`select from instance_member m where m.instance_id = i.id and `+tenant.Current("m")) + ` as n
		from unnest($1::uuid[]) as i (id)`

	countInSpaces = `
		select s.id, ` + relay.CountSQL(peopleOfSpace(`true`, strconv.Itoa(relay.MaxTotal))) + ` as n
		from unnest($1::uuid[]) as s (id)`

	// listInSpaces finds the people of a page first, and then their roles.
	listInSpaces = `
		select s.id as space_id, p.account_id, a.name, a.email, ` + tenant.FormerHolder + ` as former_holder, m.administrator, m.instance_roles, m.since
		from unnest($1::uuid[]) as s (id)
		cross join lateral (` + peopleOfSpace(`account_id > $2`, `$3`) + ` order by account_id limit $3) p
		cross join lateral (
			select min(h.since) as since, bool_or(h.administrator) as administrator, string_agg(distinct h.role, ',') as instance_roles
			from (select since, true as administrator, null as role
			      from space_administrator where space_id = s.id and account_id = p.account_id
			      union all
			      select since, false, role
			      from instance_member im where space_id = s.id and account_id = p.account_id and ` + tenant.Current("im") + `) h) m
		cross join lateral (select * from account where id = p.account_id limit 1) a
		order by s.id, p.account_id`
)

// peopleOfSpace selects the account_id of the first people with a role in space s, and
// perhaps of some more, among those who meet a condition. Each part is read in the order
// of an index up to the limit.
func peopleOfSpace(condition, limit string) string {
	return `
		select account_id from (
			(select account_id from space_administrator where space_id = s.id and ` + condition + ` order by account_id limit ` + limit + `)
			union
			(select distinct account_id from instance_member im where space_id = s.id and ` + condition + ` and ` + tenant.Current("im") + ` order by account_id limit ` + limit + `)) people`
}

// ListInInstances reads a page of the members of each instance, in an order that
// never changes.
func (s *Service) ListInInstances(ctx context.Context, instances []globalid.ID, page relay.Page) (map[globalid.ID]relay.List[*Member], error) {
	totals, err := postgres.Counts(ctx, s.DB, page.Total, countInInstances, postgres.IDs(instances))
	if err != nil {
		return nil, err
	}
	type memberRow struct {
		instance uuid.UUID
		user     tenant.User
		member   Member
	}
	rows, err := postgres.Collect(ctx, s.DB, func(r *memberRow) []any {
		return []any{&r.instance, &r.user.ID.UUID, &r.user.Name, &r.user.Email, &r.user.FormerHolder, &r.member.Role, &r.member.Since, &r.member.Until}
	}, `
		select m.instance_id, m.account_id, a.name, a.email, `+tenant.FormerHolder+`, m.role, m.since, m.until
		from unnest($1::uuid[]) as i (id)
		cross join lateral (
			select * from instance_member m
			where instance_id = i.id and account_id > $2 and `+tenant.Current("m")+` order by account_id limit $3) m
		cross join lateral (select * from account where id = m.account_id limit 1) a
		order by m.instance_id, m.account_id`, postgres.IDs(instances), page.After, page.Limit())
	if err != nil {
		return nil, err
	}
	members := make(map[uuid.UUID][]*Member, len(instances))
	for _, row := range rows {
		row.user.ID.Kind = globalid.User
		row.member.User = &row.user
		members[row.instance] = append(members[row.instance], &row.member)
	}
	return relay.CutEach(instances, members, page, totals), nil
}

// SpaceMember is a person with a role of their own in a space or in any of its
// instances.
type SpaceMember struct {
	User  *tenant.User
	Held  tenant.Roles // without derived roles
	Since time.Time    // when they got the first of them
}

// Roles lists Held.
func (m *SpaceMember) Roles() []tenant.Role { return m.Held.List() }

// ListInSpaces reads a page of the people with a role in each space, in an order
// that never changes.
func (s *Service) ListInSpaces(ctx context.Context, spaces []globalid.ID, page relay.Page) (map[globalid.ID]relay.List[*SpaceMember], error) {
	totals, err := postgres.Counts(ctx, s.DB, page.Total, countInSpaces, postgres.IDs(spaces))
	if err != nil {
		return nil, err
	}
	var rows []struct {
		SpaceID       uuid.UUID            `db:"space_id"`
		AccountID     uuid.UUID            `db:"account_id"`
		Name          string               `db:"name"`
		Email         string               `db:"email"`
		Former        bool                 `db:"former_holder"`
		Administrator bool                 `db:"administrator"`
		InstanceRoles tenant.InstanceRoles `db:"instance_roles"`
		Since         time.Time            `db:"since"`
	}
	err = s.DB.Select(ctx, &rows, listInSpaces, postgres.IDs(spaces), page.After, page.Limit())
	if err != nil {
		return nil, err
	}
	members := make(map[uuid.UUID][]*SpaceMember, len(spaces))
	for _, row := range rows {
		m := &SpaceMember{
			User:  &tenant.User{ID: globalid.ID{Kind: globalid.User, UUID: row.AccountID}, Name: row.Name, Email: row.Email, FormerHolder: row.Former},
			Held:  tenant.Roles(row.InstanceRoles),
			Since: row.Since,
		}
		if row.Administrator {
			m.Held |= tenant.RolesOf(tenant.SpaceAdministrator)
		}
		members[row.SpaceID] = append(members[row.SpaceID], m)
	}
	return relay.CutEach(spaces, members, page, totals), nil
}

// OrganizationMember is a person with a role of their own in an organization itself.
type OrganizationMember struct {
	User  *tenant.User
	Role  tenant.OrganizationRole
	Since time.Time
}

var (
	countInOrganizations = `
		select o.id, ` + relay.CountSQL(`select from organization_member where organization_id = o.id`) + ` as n
		from unnest($1::uuid[]) as o (id)`

	listInOrganizations = `
		select m.organization_id, m.account_id, a.name, a.email, ` + tenant.FormerHolder + `, m.role, m.since
		from unnest($1::uuid[]) as o (id)
		cross join lateral (
			select * from organization_member
			where organization_id = o.id and account_id > $2 order by account_id limit $3) m
		cross join lateral (select * from account where id = m.account_id limit 1) a
		order by m.organization_id, m.account_id`
)

// ListInOrganizations reads a page of the members of each organization, in an order that
// never changes.
func (s *Service) ListInOrganizations(ctx context.Context, organizations []globalid.ID, page relay.Page) (map[globalid.ID]relay.List[*OrganizationMember], error) {
	totals, err := postgres.Counts(ctx, s.DB, page.Total, countInOrganizations, postgres.IDs(organizations))
	if err != nil {
		return nil, err
	}
	type memberRow struct {
		organization uuid.UUID
		user         tenant.User
		member       OrganizationMember
	}
	rows, err := postgres.Collect(ctx, s.DB, func(r *memberRow) []any {
		return []any{&r.organization, &r.user.ID.UUID, &r.user.Name, &r.user.Email, &r.user.FormerHolder, &r.member.Role, &r.member.Since}
	}, listInOrganizations, postgres.IDs(organizations), page.After, page.Limit())
	if err != nil {
		return nil, err
	}
	members := make(map[uuid.UUID][]*OrganizationMember, len(organizations))
	for _, row := range rows {
		row.user.ID.Kind = globalid.User
		row.member.User = &row.user
		members[row.organization] = append(members[row.organization], &row.member)
	}
	return relay.CutEach(organizations, members, page, totals), nil
}

// The Relay connections of the package's lists, named for gqlgen.
type (
	MemberConnection             = relay.Connection[*Member]
	SpaceMemberConnection        = relay.Connection[*SpaceMember]
	OrganizationMemberConnection = relay.Connection[*OrganizationMember]

	MemberEdge             = relay.Edge[*Member]
	SpaceMemberEdge        = relay.Edge[*SpaceMember]
	OrganizationMemberEdge = relay.Edge[*OrganizationMember]
)
