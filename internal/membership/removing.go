package membership

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

const (
	// maxCandidates is how many people who could be appointed, and how many instances, a
	// refusal has.
	maxCandidates = 20
	// maxNamed is how many people, spaces or instances a text names.
	maxNamed = 5
)

// Removing returns everything that prevents the actor from removing a person from a place
// with removeMember, in the order in which the mutation would fail with it. Nothing
// prevents the removal of a person without any role there, or of nobody: it changes
// nothing.
func (s *Service) Removing(ctx context.Context, actor access.Actor, p tenant.Place, user globalid.ID) (fault.List, error) {
	obstacles, err := access.Obstacles(ctx, s.DB, p, access.RemoveMember)
	if err != nil || !access.RemoveMember.Allows(p) {
		return obstacles, err // others would say which roles the person has
	}
	found, err := removalObstacles(ctx, s.DB, actor, p, user.As(globalid.User))
	return append(obstacles, found...), err
}

// checkRemoval fails with the first of the obstacles to a removal. The place is locked.
func checkRemoval(ctx context.Context, tx *postgres.Tx, actor access.Actor, p tenant.Place, user globalid.ID) error {
	return first(removalObstacles(ctx, tx, actor, p, user))
}

// first returns the first of some obstacles as an error.
func first(obstacles fault.List, err error) error {
	if err != nil || len(obstacles) == 0 {
		return err
	}
	return obstacles[0]
}

// removalObstacles returns the reasons why nobody can remove a person from a place, in
// order: CONFLICT with LAST_MANAGER, LAST_ADMINISTRATOR and ROLE_DERIVED. The actor runs
// the place.
func removalObstacles(ctx context.Context, q postgres.Querier, actor access.Actor, p tenant.Place, user globalid.ID) (fault.List, error) {
	switch p := p.(type) {
	case *tenant.Organization:
		return obstaclesInOrganization(ctx, q, actor, p, user)
	case *tenant.Space:
		last, err := obstacleOfLastAdministrator(ctx, q, p, user)
		if err != nil {
			return nil, err
		}
		type derivedQuery struct{ user globalid.ID }
		from, err := batch.Load(p.Siblings, p, derivedQuery{user}, func(spaces []*tenant.Space) (map[*tenant.Space]tenant.Roles, error) {
			ids := make([]globalid.ID, len(spaces))
			for i, s := range spaces {
				ids[i] = s.ID
			}
			seen, err := tenant.FindPlaces(ctx, q, tenant.User{ID: user}, ids)
			roles := make(map[*tenant.Space]tenant.Roles, len(spaces))
			for _, s := range spaces {
				if there, visible := seen[s.ID].(*tenant.Space); visible {
					roles[s] = there.DerivedFrom()
				}
			}
			return roles, err
		})
		if err != nil {
			return nil, err
		}
		return withDerivation(ctx, q, actor, p, p, user, from, last)
	case *tenant.Instance:
		last, err := obstacleOfLastAdministrator(ctx, q, p.Space, user)
		if err != nil {
			return nil, err
		}
		var from tenant.Roles
		seen, err := tenant.LoadPlace(ctx, q, tenant.User{ID: user}, p.Siblings, p.ID)
		if err != nil {
			return nil, err
		}
		if seen, visible := seen.(*tenant.Instance); visible {
			from = seen.DerivedFrom()
		}
		return withDerivation(ctx, q, actor, p, p.Space, user, from, last)
	}
	return nil, fmt.Errorf("membership: nobody is removed from a %T", p)
}

// withDerivation returns the obstacle of the last administrator of a space, if any, and those
// of roles that derive from others.
func withDerivation(ctx context.Context, q postgres.Querier, actor access.Actor, p tenant.Place, space *tenant.Space, user globalid.ID, from tenant.Roles, last fault.List) (fault.List, error) {
	if _, instance := p.(*tenant.Instance); instance && last != nil && from.Has(tenant.SpaceAdministrator) {
		// Another administrator alone would not be enough.
		last[0].Remedy += " Then remove them from the space, with removeMember and its spaceId: their role here comes from there."
	}
	derived, err := obstaclesOfDerivation(ctx, q, actor, p, space, user, from, last != nil)
	return append(last, derived...), err
}

// obstaclesOfDerivation returns a ROLE_DERIVED for each of the roles, held elsewhere, that
// let a person see a place in which they hold none by themselves: removing them from it
// would change nothing. last says that the person is the last administrator of the space.
func obstaclesOfDerivation(ctx context.Context, q postgres.Querier, actor access.Actor, p tenant.Place, space *tenant.Space, user globalid.ID, from tenant.Roles, last bool) (obstacles fault.List, err error) {
	held := from.HeldIn(globalid.Space)
	held = append(held, from.HeldIn(globalid.Organization)...)
	held = append(held, from.HeldIn(globalid.Instance)...)
	for _, role := range held {
		f := &fault.Fault{
			Code:   fault.Conflict,
			Reason: fault.RoleDerived,
			Message: fmt.Sprintf("The person has no role of their own in %s, and sees it as %s.",
				p.Title(), space.HolderName(role)),
		}
		switch role.HeldIn() {
		case globalid.Space:
			f.Remedy = "Remove them from the space, with removeMember and its spaceId."
			if actor.ID == user {
				f.Remedy = "Leave the space, with removeMember, its spaceId and your own id."
			}
			f.Contacts, err = space.Contacts(ctx, q, access.Administrators)
		case globalid.Organization:
			err = addRemedyInOrganization(ctx, q, actor, space.Organization, user, role, f)
		default:
			err = addRemedyInInstances(ctx, q, p, space, user, role, f)
		}
		if err != nil {
			return nil, err
		}
		if last && role.HeldIn() != globalid.Organization {
			f.Remedy = "When the space has another administrator: " + lowerFirst(f.Remedy)
		}
		obstacles = append(obstacles, f)
	}
	return obstacles, nil
}

// addRemedyInOrganization says who can end a person's role in an organization, from which
// one in a place derives.
func addRemedyInOrganization(ctx context.Context, q postgres.Querier, actor access.Actor, o *tenant.Organization, user globalid.ID, role tenant.Role, f *fault.Fault) error {
	lasts, err := lastManagers(ctx, q, o, user)
	if err != nil {
		return err
	}
	if f.Contacts, err = o.Contacts(ctx, q, access.ChangeOrganizationRole.RolesIn(o)); err != nil {
		return err
	}
	before := ""
	if lasts {
		before = "to invite another manager, and then "
	}
	switch {
	case access.ChangeOrganizationRole.Allows(o) && lasts:
		f.Remedy = "Invite another manager first, with inviteOrganizationMembers. Then change the role in the organization, with changeOrganizationRole."
	case access.ChangeOrganizationRole.Allows(o):
		f.Remedy = "Change their role in the organization, with changeOrganizationRole."
	default:
		f.Remedy = "Ask " + fault.NamesOr(f.Contacts, o.HolderName(role)) + " " + before + "to change their role in the organization."
	}
	return nil
}

// addRemedyInInstances names the instances in which a person has the role from which one
// in the Distributed instance derives.
func addRemedyInInstances(ctx context.Context, q postgres.Querier, p tenant.Place, space *tenant.Space, user globalid.ID, role tenant.Role, f *fault.Fault) error {
	type instanceRow struct {
		SpaceID uuid.UUID `db:"space_id"`
		ID      uuid.UUID `db:"id"`
		Name    string    `db:"name"`
		N       int       `db:"n"`
	}
	type instancesQuery struct {
		user globalid.ID
		role tenant.Role
	}
	instances, err := batch.Load(space.Siblings, space, instancesQuery{user, role}, func(spaces []*tenant.Space) (map[*tenant.Space][]instanceRow, error) {
		ids, of := make([]globalid.ID, len(spaces)), make(map[uuid.UUID]*tenant.Space, len(spaces))
		for i, s := range spaces {
			ids[i], of[s.ID.UUID] = s.ID, s
		}
		var rows []instanceRow
		err := q.Select(ctx, &rows, `
			select s.id as space_id, i.id, i.name, m.n
			from unnest($1::uuid[]) as s (id)
			cross join lateral (
				select m.instance_id, count(*) over () as n from instance_member m
				where m.account_id = $2 and m.space_id = s.id and m.role = $3 and `+tenant.Current("m")+` order by m.instance_id limit $4) m
			cross join lateral (select id, name from instance where id = m.instance_id limit 1) i
			order by s.id, i.id`, postgres.IDs(ids), user.UUID, role.Stored(), maxCandidates)
		found := make(map[*tenant.Space][]instanceRow, len(spaces))
		for _, r := range rows {
			found[of[r.SpaceID]] = append(found[of[r.SpaceID]], r)
		}
		return found, err
	})
	if err != nil {
		return err
	}
	names, n := make([]string, len(instances)), 0
	for i, r := range instances {
		names[i], n = r.Name, r.N
		f.Instances = append(f.Instances, fault.Instance{ID: globalid.ID{Kind: globalid.Instance, UUID: r.ID}.String(), Name: r.Name})
	}
	f.Message = fmt.Sprintf("The person has no role of their own in %s, and sees it as %s of %s.", p.Title(), role.Noun(), enumerate(names, n))
	f.Remedy = "Remove them from there, or from the whole space, with removeMember."
	f.Contacts, err = space.Contacts(ctx, q, access.Administrators)
	return err
}

// obstacleOfLastAdministrator returns LAST_ADMINISTRATOR where a person is the last
// administrator of a space, and somebody must be one.
func obstacleOfLastAdministrator(ctx context.Context, q postgres.Querier, space *tenant.Space, user globalid.ID) (fault.List, error) {
	type lost struct {
		is      bool
		editors []fault.Contact
	}
	type lastQuery struct{ user globalid.ID }
	last, err := batch.Load(space.Siblings, space, lastQuery{user}, func(spaces []*tenant.Space) (map[*tenant.Space]lost, error) {
		ids, of := make([]globalid.ID, len(spaces)), make(map[uuid.UUID]*tenant.Space, len(spaces))
		for i, s := range spaces {
			ids[i], of[s.ID.UUID] = s.ID, s
		}
		var found []uuid.UUID
		if err := q.Select(ctx, &found, `
			select s.id from unnest($1::uuid[]) as of (id) cross join lateral (select * from space where id = of.id limit 1) s
			where `+lastAdministratorOfSpace("$2"), postgres.IDs(ids), user.UUID); err != nil || len(found) == 0 {
			return nil, err
		}
		ids = ids[:0]
		for _, id := range found {
			ids = append(ids, of[id].ID)
		}
		editors, err := editorsOf(ctx, q, ids, user)
		lasts := make(map[*tenant.Space]lost, len(found))
		for _, id := range found {
			lasts[of[id]] = lost{true, editors[of[id].ID]}
		}
		return lasts, err
	})
	if !last.is || err != nil {
		return nil, err
	}
	candidates := last.editors
	if candidates == nil && space.Organization.TellsStaff() {
		if candidates, err = staffOf(ctx, q, space.Organization, user); err != nil {
			return nil, err
		}
	}
	return fault.List{lastAdministrator(space.State() == tenant.Deleted, candidates)}, nil
}

// lastAdministratorOfSpace returns the SQL condition that an account administrates space s,
// that nobody else does, and that somebody must. Nobody must where the space can no longer
// be restored. account is an SQL expression.
func lastAdministratorOfSpace(account string) string {
	return postgres.Found(`space_administrator sa where sa.space_id = s.id and sa.account_id = `+account) + `
		and not ` + postgres.Found(`space_administrator sa where sa.space_id = s.id and sa.account_id <> `+account) + `
		and (s.restorable_until > clock_timestamp()) is not false`
}

// editorsOf reads the people who could be appointed administrators of each of some spaces
// in place of a person: the editors of their instances, maxCandidates at most.
func editorsOf(ctx context.Context, q postgres.Querier, spaces []globalid.ID, user globalid.ID) (map[globalid.ID][]fault.Contact, error) {
	var rows []struct {
		SpaceID uuid.UUID `db:"space_id"`
		fault.Contact
	}
	err := q.Select(ctx, &rows, `
		select s.id as space_id, a.name, a.email
		from unnest($1::uuid[]) as s (id)
		cross join lateral (
			select distinct m.account_id from instance_member m cross join lateral (select from address_holder where account_id = m.account_id limit 1) h
			where m.space_id = s.id and m.role in `+tenant.RolesOf(tenant.InstanceEditor).SQL(globalid.Instance)+` and m.account_id <> $2 and `+tenant.Current("m")+` order by m.account_id limit $3) m
		cross join lateral (select * from account where id = m.account_id limit 1) a
		order by s.id, a.name, a.id`, postgres.IDs(spaces), user.UUID, maxCandidates)
	found := make(map[globalid.ID][]fault.Contact, len(spaces))
	for _, r := range rows {
		id := globalid.ID{Kind: globalid.Space, UUID: r.SpaceID}
		found[id] = append(found[id], r.Contact)
	}
	return found, err
}

// obstaclesInOrganization returns LAST_MANAGER for the last manager of an organization, and
// LAST_ADMINISTRATOR for the last administrator of any of its spaces.
func obstaclesInOrganization(ctx context.Context, q postgres.Querier, actor access.Actor, o *tenant.Organization, user globalid.ID) (obstacles fault.List, err error) {
	last, err := lastManagers(ctx, q, o, user)
	if err != nil {
		return nil, err
	}
	if last {
		obstacles = append(obstacles, lastManager())
	}
	type spaceRow struct {
		OrganizationID uuid.UUID `db:"organization_id"`
		ID             uuid.UUID `db:"id"`
		Name           string    `db:"name"`
		Position       int       `db:"position"`
		N              int       `db:"n"`
		Deleted        bool      `db:"deleted"` // any of them is
	}
	type spacesQuery struct{ user globalid.ID }
	spaces, err := batch.Load(o.Siblings, o.ID, spacesQuery{user}, func(organizations []globalid.ID) (map[globalid.ID][]spaceRow, error) {
		var rows []spaceRow
		err := q.Select(ctx, &rows, `
			select * from (
				select s.organization_id, s.id, s.name, count(*) over of as n, bool_or(s.deleted_at is not null) over of as deleted,
				       row_number() over (partition by s.organization_id order by s.name, s.id) as position
				from (select space_id from space_administrator where account_id = $2) m
				cross join lateral (select * from space where id = m.space_id limit 1) s
				where s.organization_id = any ($1::uuid[]) and `+lastAdministratorOfSpace("$2")+`
				window of as (partition by s.organization_id)) s
			where position <= $3
			order by s.organization_id, position`, postgres.IDs(organizations), user.UUID, maxNamed)
		found := make(map[globalid.ID][]spaceRow, len(organizations))
		for _, r := range rows {
			id := globalid.ID{Kind: globalid.Organization, UUID: r.OrganizationID}
			found[id] = append(found[id], r)
		}
		return found, err
	})
	if err != nil || len(spaces) == 0 {
		return obstacles, err
	}
	names, ids := make([]string, len(spaces)), make([]globalid.ID, len(spaces))
	for i, s := range spaces {
		names[i], ids[i] = s.Name, globalid.ID{Kind: globalid.Space, UUID: s.ID}
	}
	candidates, err := candidatesInOrganization(ctx, q, actor, o, ids, user)
	return append(obstacles, lastAdministratorOf(enumerate(names, spaces[0].N), spaces[0].Deleted, candidates)), err
}

// candidatesInOrganization returns people who could be appointed administrators of some
// spaces of an organization in place of a person. Those who leave are told the editors of
// their spaces, and managers, who may not know these, the staff of the organization.
func candidatesInOrganization(ctx context.Context, q postgres.Querier, actor access.Actor, o *tenant.Organization, spaces []globalid.ID, user globalid.ID) (candidates []fault.Contact, err error) {
	if actor.ID != user {
		return staffOf(ctx, q, o, user)
	}
	editors, err := editorsOf(ctx, q, spaces, user)
	seen := map[fault.Contact]bool{}
	for _, id := range spaces {
		for _, c := range editors[id] {
			if !seen[c] && len(candidates) < maxCandidates {
				seen[c], candidates = true, append(candidates, c)
			}
		}
	}
	return candidates, err
}

// staffOf reads the managers and the faculty of an organization but for a person, maxCandidates
// at most.
func staffOf(ctx context.Context, q postgres.Querier, o *tenant.Organization, user globalid.ID) ([]fault.Contact, error) {
	type staffQuery struct{ user globalid.ID }
	return batch.Load(o.Siblings, o.ID, staffQuery{user}, func(organizations []globalid.ID) (map[globalid.ID][]fault.Contact, error) {
		var rows []struct {
			OrganizationID uuid.UUID `db:"organization_id"`
			fault.Contact
		}
		err := q.Select(ctx, &rows, `
			select o.id as organization_id, a.name, a.email
			from unnest($1::uuid[]) as o (id)
			cross join lateral (
				select m.account_id from organization_member m cross join lateral (select from address_holder where account_id = m.account_id limit 1) h
				where m.organization_id = o.id and m.role = any ($2::text[]) and m.role <> 'MEMBER' and m.account_id <> $3
				order by array_position($2::text[], m.role), m.account_id limit $4) m
			cross join lateral (select * from account where id = m.account_id limit 1) a
			order by o.id, a.name, a.id`,
			postgres.IDs(organizations), pq.StringArray(access.CreateSpace.Roles.Stored(globalid.Organization)), user.UUID, maxCandidates)
		found := make(map[globalid.ID][]fault.Contact, len(organizations))
		for _, r := range rows {
			id := globalid.ID{Kind: globalid.Organization, UUID: r.OrganizationID}
			found[id] = append(found[id], r.Contact)
		}
		return found, err
	})
}

// lastManagers reports whether a person is the last manager of an organization.
func lastManagers(ctx context.Context, q postgres.Querier, o *tenant.Organization, user globalid.ID) (bool, error) {
	type lastQuery struct{ user globalid.ID }
	return batch.Load(o.Siblings, o.ID, lastQuery{user}, func(organizations []globalid.ID) (map[globalid.ID]bool, error) {
		managers := tenant.RolesOf(tenant.OrganizationManager).SQL(globalid.Organization)
		var found []uuid.UUID
		err := q.Select(ctx, &found, `
			select o.id from unnest($1::uuid[]) as o (id)
			where `+postgres.Found(`organization_member m where m.organization_id = o.id and m.account_id = $2 and m.role in `+managers)+`
			and not `+postgres.Found(`organization_member m where m.organization_id = o.id and m.account_id <> $2 and m.role in `+managers),
			postgres.IDs(organizations), user.UUID)
		lasts := make(map[globalid.ID]bool, len(found))
		for _, id := range found {
			lasts[globalid.ID{Kind: globalid.Organization, UUID: id}] = true
		}
		return lasts, err
	})
}

// enumerate names some of n things, maxNamed at most, and says how many more there are.
func enumerate(names []string, n int) string {
	text := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if more := n - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
