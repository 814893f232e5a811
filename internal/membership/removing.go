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
	// maxCandidates is how many people a refusal names who could be appointed.
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
		derived, err := obstaclesOfDerivation(ctx, q, actor, p, p, user, from, last != nil)
		return append(last, derived...), err
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
		derived, err := obstaclesOfDerivation(ctx, q, actor, p, p.Space, user, from, last != nil)
		return append(last, derived...), err
	}
	return nil, fmt.Errorf("membership: nobody is removed from a %T", p)
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
			Message: fmt.Sprintf("The person has no role of their own in %s, and sees it as %s. Nothing was changed.",
				p.Title(), space.HolderName(role)),
		}
		switch role.HeldIn() {
		case globalid.Space:
			f.Remedy = "Remove them from the space, with removeMember and its spaceId."
			f.Contacts, err = space.Contacts(ctx, q, access.Administrators)
		case globalid.Organization:
			err = addRemedyInOrganization(ctx, q, actor, space.Organization, user, role, f)
		default:
			err = addRemedyInInstances(ctx, q, space, user, role, f)
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
	lower := "with changeOrganizationRole"
	first := ""
	if lasts {
		first = "to invite another manager, and then "
	}
	switch {
	case access.ChangeOrganizationRole.Allows(o) && lasts:
		f.Remedy = "Invite another manager first, with inviteOrganizationMembers. Then change the role in the organization, " + lower + "."
	case access.ChangeOrganizationRole.Allows(o):
		f.Remedy = "Change their role in the organization, " + lower + "."
	default:
		f.Remedy = "Ask " + fault.NamesOr(f.Contacts, o.HolderName(role)) + " " + first + "to change their role in the organization."
	}
	return nil
}

// addRemedyInInstances names the instances in which a person has the role from which one
// in the Distributed instance derives.
func addRemedyInInstances(ctx context.Context, q postgres.Querier, space *tenant.Space, user globalid.ID, role tenant.Role, f *fault.Fault) (err error) {
	var rows []struct {
		ID   uuid.UUID `db:"id"`
		Name string    `db:"name"`
	}
	if err := q.Select(ctx, &rows, `
		select i.id, i.name
		from (select instance_id from instance_member where account_id = $2 and space_id = $1 and role = $3 order by instance_id limit $4) m
		cross join lateral (select id, name from instance where id = m.instance_id limit 1) i
		order by i.id`, space.ID.UUID, user.UUID, role.Stored(), maxCandidates); err != nil {
		return err
	}
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r.Name
		f.Instances = append(f.Instances, fault.Instance{ID: globalid.ID{Kind: globalid.Instance, UUID: r.ID}.String(), Name: r.Name})
	}
	in := enumerate(names)
	f.Message = fmt.Sprintf("The person has no role of their own in it, and sees it as %s of %s. Nothing was changed.", role.Noun(), in)
	f.Remedy = "Remove them from there, with removeMember."
	f.Contacts, err = space.Contacts(ctx, q, access.Administrators)
	return err
}

// obstacleOfLastAdministrator returns LAST_ADMINISTRATOR where a person is the last
// administrator of a space, and somebody must be one.
func obstacleOfLastAdministrator(ctx context.Context, q postgres.Querier, space *tenant.Space, user globalid.ID) (fault.List, error) {
	type lastQuery struct{ user globalid.ID }
	last, err := batch.Load(space.Siblings, space, lastQuery{user}, func(spaces []*tenant.Space) (map[*tenant.Space]bool, error) {
		ids, of := make([]globalid.ID, len(spaces)), make(map[uuid.UUID]*tenant.Space, len(spaces))
		for i, s := range spaces {
			ids[i], of[s.ID.UUID] = s.ID, s
		}
		var found []uuid.UUID
		err := q.Select(ctx, &found, `
			select s.id from unnest($1::uuid[]) as of (id) cross join lateral (select * from space where id = of.id limit 1) s
			where `+lastAdministratorOfSpace("$2"), postgres.IDs(ids), user.UUID)
		lasts := make(map[*tenant.Space]bool, len(found))
		for _, id := range found {
			lasts[of[id]] = true
		}
		return lasts, err
	})
	if !last || err != nil {
		return nil, err
	}
	type candidatesQuery struct{ user globalid.ID }
	candidates, err := batch.Load(space.Siblings, space, candidatesQuery{user}, func(spaces []*tenant.Space) (map[*tenant.Space][]fault.Contact, error) {
		ids := make([]globalid.ID, len(spaces))
		for i, s := range spaces {
			ids[i] = s.ID
		}
		found, err := editorsOf(ctx, q, ids, user)
		candidates := make(map[*tenant.Space][]fault.Contact, len(spaces))
		for _, s := range spaces {
			candidates[s] = found[s.ID]
		}
		return candidates, err
	})
	return fault.List{lastAdministrator(space.State() == tenant.Deleted, candidates)}, err
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
			where m.space_id = s.id and m.role = any ($2::text[]) and m.account_id <> $3 order by m.account_id limit $4) m
		cross join lateral (select * from account where id = m.account_id limit 1) a
		order by s.id, a.name, a.id`,
		postgres.IDs(spaces), pq.StringArray(tenant.RolesOf(tenant.InstanceEditor).Stored(globalid.Instance)), user.UUID, maxCandidates)
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
		Deleted        bool      `db:"deleted"`
	}
	type spacesQuery struct{ user globalid.ID }
	spaces, err := batch.Load(o.Siblings, o.ID, spacesQuery{user}, func(organizations []globalid.ID) (map[globalid.ID][]spaceRow, error) {
		var rows []spaceRow
		err := q.Select(ctx, &rows, `
			select s.organization_id, s.id, s.name, s.deleted_at is not null as deleted
			from (select space_id from space_administrator where account_id = $2) m
			cross join lateral (select * from space where id = m.space_id limit 1) s
			where s.organization_id = any ($1::uuid[]) and `+lastAdministratorOfSpace("$2")+`
			order by s.name, s.id`, postgres.IDs(organizations), user.UUID)
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
	names, deleted := make([]string, len(spaces)), false
	var ids []globalid.ID
	for i, s := range spaces {
		names[i], deleted = s.Name, deleted || s.Deleted
		if len(ids) < maxNamed {
			ids = append(ids, globalid.ID{Kind: globalid.Space, UUID: s.ID})
		}
	}
	candidates, err := candidatesInOrganization(ctx, q, actor, o, ids, user)
	return append(obstacles, lastAdministratorOf(names, deleted, candidates)), err
}

// candidatesInOrganization returns people who could be appointed administrators of some
// spaces of an organization in place of a person. Those who leave are told the editors of
// their spaces, and managers, who may not know these, the staff of the organization.
func candidatesInOrganization(ctx context.Context, q postgres.Querier, actor access.Actor, o *tenant.Organization, spaces []globalid.ID, user globalid.ID) (candidates []fault.Contact, err error) {
	if actor.ID == user {
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
				where m.organization_id = o.id and m.role = any ($2::text[]) and m.role <> 'MEMBER' and m.account_id <> $3 limit $4) m
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

// enumerate names some things, maxNamed at most, and says how many more there are.
func enumerate(names []string) string {
	text := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if more := len(names) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
