package tenant

import (
	"context"
	"fmt"
	"strings"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// A person's effective roles derive from the roles that they hold by themselves
// in the organization, in the space and in its instances.

// everywhereInSpace returns the roles that a person with some roles in a space
// has in each of its instances.
func everywhereInSpace(held Roles) Roles {
	above := held &^ rolesInInstances
	return above | above.union(func(d roleDefinition) Roles { return d.implies })
}

// somewhereInSpace returns the roles that a person with some roles in a space has
// in the space or in any of its instances.
func somewhereInSpace(held Roles) Roles {
	return held | everywhereInSpace(held) | inDistributed(held)
}

// inDistributed returns the roles that a person with some roles in a space has in
// its Distributed instance, because of those held in other instances.
func inDistributed(held Roles) Roles {
	return held.union(func(d roleDefinition) Roles { return d.inDistributed })
}

// effectiveRoles returns the roles that a person with some roles in a space has
// in an instance of it, where they are a member with some roles (none: no member).
func effectiveRoles(held Roles, kind Kind, membership Roles) Roles {
	roles := everywhereInSpace(held) | membership
	if kind == Distributed {
		roles |= inDistributed(held)
	}
	return roles
}

// DerivedFrom returns the roles, held elsewhere, from which the person's roles in the
// instance derive; none where the person holds a role in the instance by themselves.
func (i *Instance) DerivedFrom() Roles {
	if i.membership != 0 {
		return 0
	}
	return bringing(i.Space.held, rolesInInstances, func(held Roles) Roles { return effectiveRoles(held, i.Kind, 0) })
}

// DerivedFrom returns the roles in the organization from which the person's roles in the
// space derive; none where the person holds a role by themselves in the space or in any of
// its instances.
func (s *Space) DerivedFrom() Roles {
	if s.held&^rolesInOrganizations != 0 {
		return 0
	}
	return bringing(s.held, rolesInInstances, everywhereInSpace)
}

// The roles that are held in a kind of place.
var (
	rolesInOrganizations = RolesOf(RolesOf(AllRoles()...).HeldIn(globalid.Organization)...)
	rolesInInstances     = RolesOf(RolesOf(AllRoles()...).HeldIn(globalid.Instance)...)
)

// visible reports whether the roles let their holder know of a space or an
// instance: a role in the organization alone does not.
func (s Roles) visible() bool { return s&^rolesInOrganizations != 0 }

// SeesSpaces are the roles in an organization that let their holder know of all
// its spaces.
var SeesSpaces = func() (roles Roles) {
	for _, r := range rolesInOrganizations.List() {
		if everywhereInSpace(RolesOf(r)).visible() {
			roles |= RolesOf(r)
		}
	}
	return roles
}()

// Current returns the SQL condition that a row of instance_member, by its alias, has not come
// to its end. A statement that decides after waiting for a lock is a later one, so that the
// time of its beginning is late enough.
func Current(member string) string {
	return `(` + member + `.until is null or ` + member + `.until > statement_timestamp())`
}

// heldColumns returns the columns of the roles that an account holds by itself in
// space s, whose membership of the organization is om: see heldRow.
func heldColumns(account string) string {
	return `
	om.role as organization_role, coalesce(om.guest, false) as guest,
	` + postgres.Found(`space_administrator sa where sa.space_id = s.id and sa.account_id = `+account) + ` as administrator,
	` + rolesInInstancesOfSpace(account) + ` as instance_roles`
}

// rolesInInstancesOfSpace returns an SQL expression: the different roles that an account
// holds in instances of space s, with commas between them, or null. It looks up the first
// role in the index instance_member_space, then the first one after that, and so on.
// Collecting the roles of all memberships takes long for a person with thousands of them.
// It looks once more than there are roles, so that an unknown one is an error.
func rolesInInstancesOfSpace(account string) string {
	var names []string
	var lookups strings.Builder
	for i := range len(rolesInInstances.List()) + 1 {
		name, after := fmt.Sprintf("r%d", i), ""
		if i > 0 {
			lookups.WriteString(" cross join lateral ")
			after = " and hm.role > " + names[i-1] + ".role"
		}
		lookups.WriteString(`(select min(hm.role) as role from instance_member hm
			where hm.space_id = s.id and hm.account_id = ` + account + after + ` and ` + Current("hm") + `) ` + name)
		names = append(names, name)
	}
	return `(select nullif(concat_ws(',', ` + strings.Join(names, ".role, ") + `.role), '') from ` + lookups.String() + `)`
}

// HasRoleInInstance returns the SQL condition that an account has one of some roles
// in instance i of space s, derived roles included. account is an SQL expression.
// The condition holds exactly where Instance.EffectiveRoles has one of the roles.
func HasRoleInInstance(account string, roles Roles) string {
	conditions := hasRoleFromAbove(account, roles)
	if direct := roles & rolesInInstances; direct != 0 {
		conditions = append(conditions, postgres.Found(`instance_member hm
			where hm.instance_id = i.id and hm.account_id = `+account+` and hm.role in `+direct.SQL(globalid.Instance)+` and `+Current("hm")))
	}
	if elsewhere := bringing(rolesInInstances, roles, inDistributed); elsewhere != 0 {
		conditions = append(conditions, `i.kind = 'DISTRIBUTED' and `+postgres.Found(`instance_member hm
			where hm.space_id = s.id and hm.account_id = `+account+` and hm.role in `+elsewhere.SQL(globalid.Instance)+` and `+Current("hm")))
	}
	return anyOf(conditions)
}

// HasRoleInSpace returns the SQL condition that an account has one of some roles in
// space s, or in any of its instances, derived roles included. account is an SQL
// expression. The condition holds exactly where Space.EffectiveRoles has one of the
// roles.
func HasRoleInSpace(account string, roles Roles) string {
	conditions := hasRoleFromAbove(account, roles)
	direct := roles&rolesInInstances | bringing(rolesInInstances, roles, inDistributed)
	if direct != 0 {
		conditions = append(conditions, postgres.Found(`instance_member hm
			where hm.space_id = s.id and hm.account_id = `+account+` and hm.role in `+direct.SQL(globalid.Instance)+` and `+Current("hm")))
	}
	return anyOf(conditions)
}

// HasRoleInOrganization returns the SQL condition that an account holds one of some roles
// in an organization itself. Both are SQL expressions.
func HasRoleInOrganization(account, organization string, roles Roles) string {
	return postgres.Found(`organization_member ho
		where ho.organization_id = ` + organization + ` and ho.account_id = ` + account + ` and ho.role in ` + roles.SQL(globalid.Organization))
}

// KnowsOfOrganization returns the SQL condition that an account belongs to an organization,
// or has a role in one of its spaces. Both are SQL expressions.
func KnowsOfOrganization(account, organization string) string {
	return `case when ` + HasRoleInOrganization(account, organization, RolesOf(AllRoles()...)) + ` then true else ` + anySpaceIn(organization, `
		select space_id from space_administrator where account_id = `+account+`
		union all
		select space_id from instance_member where account_id = `+account) + ` end`
}

// TellsStaff returns the SQL condition that an account is told the names of an
// organization's staff: see Organization.TellsStaff. Both are SQL expressions.
func TellsStaff(account, organization string) string {
	return `case when ` + postgres.Found(`organization_member ho
		where ho.organization_id = `+organization+` and ho.account_id = `+account+` and not (ho.guest and ho.role = 'MEMBER')`) + ` then true else ` +
		anySpaceIn(organization, `select space_id from space_administrator where account_id = `+account) + ` end`
}

// anySpaceIn returns the SQL condition that one of the spaces that a query selects belongs
// to an organization.
func anySpaceIn(organization, spaces string) string {
	return `exists (select from (` + spaces + `) ko
		cross join lateral (select from space where id = ko.space_id and organization_id = ` + organization + ` limit 1) ks)`
}

// hasRoleFromAbove returns the conditions that an account has one of some roles
// because of a role that it holds in space s or in its organization.
func hasRoleFromAbove(account string, roles Roles) (conditions []string) {
	above := bringing(RolesOf(AllRoles()...)&^rolesInInstances, roles, everywhereInSpace)
	if len(above.HeldIn(globalid.Space)) > 0 {
		conditions = append(conditions, postgres.Found(`space_administrator ha where ha.space_id = s.id and ha.account_id = `+account))
	}
	if len(above.HeldIn(globalid.Organization)) > 0 {
		conditions = append(conditions, HasRoleInOrganization(account, "s.organization_id", above))
	}
	return conditions
}

// bringing returns those roles of a set that bring their holder one of the wanted
// roles: brings returns what a role brings.
func bringing(of, wanted Roles, brings func(held Roles) Roles) (found Roles) {
	for _, r := range of.List() {
		if brings(RolesOf(r))&wanted != 0 {
			found |= RolesOf(r)
		}
	}
	return found
}

func anyOf(conditions []string) string {
	if len(conditions) == 0 {
		return `false`
	}
	return `(` + strings.Join(conditions, ` or `) + `)`
}

type heldRow struct {
	OrganizationRole OrganizationRoles `db:"organization_role"`
	Guest            bool              `db:"guest"`
	Administrator    bool              `db:"administrator"`
	InstanceRoles    InstanceRoles     `db:"instance_roles"` // in any instance of the space
}

func (r heldRow) held() Roles {
	held := Roles(r.OrganizationRole) | Roles(r.InstanceRoles)
	if r.Administrator {
		held |= RolesOf(SpaceAdministrator)
	}
	return held
}

// OrganizationRoles and InstanceRoles read a set of roles from a column: one
// stored role, several with commas between them (string_agg), or null for none. A
// role that is not known is an error.
type (
	OrganizationRoles Roles
	InstanceRoles     Roles
)

// Scan implements sql.Scanner.
func (s *OrganizationRoles) Scan(v any) error {
	return scanRoles((*Roles)(s), globalid.Organization, v)
}

// Scan implements sql.Scanner.
func (s *InstanceRoles) Scan(v any) error { return scanRoles((*Roles)(s), globalid.Instance, v) }

func scanRoles(set *Roles, kind globalid.Kind, v any) error {
	*set = 0
	switch v := v.(type) {
	case nil:
	case []byte:
		return scanRoles(set, kind, string(v))
	case string:
		for stored := range strings.SplitSeq(v, ",") {
			role, err := storedRole(kind, stored)
			if err != nil {
				return err
			}
			*set |= RolesOf(role)
		}
	default:
		return fmt.Errorf("unknown role %v", v)
	}
	return nil
}

// UserInInstance is a person and an instance, by their ids.
type UserInInstance struct{ User, Instance globalid.ID }

// EffectiveRolesOf reads the effective roles of many people in many instances at
// once, in the order of the pairs. Nobody has a role in what is no instance.
func EffectiveRolesOf(ctx context.Context, q postgres.Querier, pairs []UserInInstance) ([]Roles, error) {
	roles := make([]Roles, len(pairs))
	if len(pairs) == 0 {
		return roles, nil
	}
	users, instances := make([]globalid.ID, len(pairs)), make([]globalid.ID, len(pairs))
	for i, p := range pairs {
		users[i], instances[i] = p.User, p.Instance.As(globalid.Instance)
	}
	var rows []struct {
		N          int           `db:"n"`
		Kind       Kind          `db:"kind"`
		Membership InstanceRoles `db:"membership"`
		heldRow
	}
	if err := q.Select(ctx, &rows, effectiveRolesQuery, postgres.IDs(users), postgres.IDs(instances)); err != nil {
		return nil, err
	}
	for _, r := range rows {
		roles[r.N-1] = effectiveRoles(r.held(), r.Kind, Roles(r.Membership))
	}
	return roles, nil
}

var effectiveRolesQuery = `
	select p.n, i.kind, im.role as membership, ` + heldColumns("p.account_id") + `
	from unnest($1::uuid[], $2::uuid[]) with ordinality as p (account_id, instance_id, n)
	join instance i on i.id = p.instance_id
	join space s on s.id = i.space_id
	left join lateral (select om.role, om.guest from organization_member om where om.organization_id = s.organization_id and om.account_id = p.account_id limit 1) om on true
	left join lateral (select im.role from instance_member im where im.instance_id = i.id and im.account_id = p.account_id and ` + Current("im") + ` limit 1) im on true`
