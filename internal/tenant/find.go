package tenant

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// spaceColumns are a space and the roles in it of account $1. Nothing is looked up of an
// account where the space is not deleted.
var spaceColumns = `
	s.id as space_id, s.name as space_name, o.id as organization_id, o.name as organization_name,
	s.deleted_at as space_deleted_at, s.restorable_until as space_restorable_until,
	coalesce(s.restorable_until > clock_timestamp(), false) as space_restorable,
	case when s.deleted_by is not null
		then (select array[sd.name, ` + HeldEmail("sd") + `] from account sd where sd.id = s.deleted_by) end as space_deleted_by,` + heldColumns("$1")

const spaceTables = `
	space s
	join organization o on o.id = s.organization_id
	left join lateral (select om.role, om.guest from organization_member om where om.organization_id = o.id and om.account_id = $1 limit 1) om on true`

// instanceColumns are an instance and the membership in it of account $1. Without an
// instance, in a LEFT JOIN, the id is null.
var instanceColumns = `
	i.id, coalesce(i.name, '') as name, coalesce(i.kind, '') as kind, i.deleted_at, i.restorable_until,
	coalesce(i.restorable_until > clock_timestamp(), false) as restorable,
	d.name as deleted_by_name, ` + HeldEmail("d") + ` as deleted_by_email, im.role as membership`

// The limits keep PostgreSQL from reading all memberships of account $1, however many, and
// all accounts.
var instanceTables = `
	instance i
	left join lateral (select * from account where id = i.deleted_by limit 1) d on true
	left join lateral (select im.role from instance_member im where im.instance_id = i.id and im.account_id = $1 and ` + Current("im") + ` limit 1) im on true`

type spaceRow struct {
	SpaceID          uuid.UUID `db:"space_id"`
	SpaceName        string    `db:"space_name"`
	OrganizationID   uuid.UUID `db:"organization_id"`
	OrganizationName string    `db:"organization_name"`

	SpaceDeletedAt       *time.Time     `db:"space_deleted_at"`
	SpaceRestorableUntil *time.Time     `db:"space_restorable_until"`
	SpaceRestorable      bool           `db:"space_restorable"`
	SpaceDeletedBy       pq.StringArray `db:"space_deleted_by"` // name and address; null: it is not deleted
	heldRow
}

func (r *spaceRow) space() *Space {
	s := &Space{
		ID:   globalid.ID{Kind: globalid.Space, UUID: r.SpaceID},
		Name: r.SpaceName,
		Organization: &Organization{
			ID:    globalid.ID{Kind: globalid.Organization, UUID: r.OrganizationID},
			Name:  r.OrganizationName,
			Roles: Roles(r.OrganizationRole),

			administers: r.Administrator,
			guest:       r.Guest,
		},
		DeletedAt:       r.SpaceDeletedAt,
		RestorableUntil: r.SpaceRestorableUntil,
		Restorable:      r.SpaceRestorable,
		held:            r.held(),
	}
	if len(r.SpaceDeletedBy) == 2 {
		s.DeletedBy = &fault.Contact{Name: r.SpaceDeletedBy[0], Email: r.SpaceDeletedBy[1]}
	}
	return s
}

type instanceRow struct {
	ID              uuid.UUID     `db:"id"`
	Name            string        `db:"name"`
	Kind            Kind          `db:"kind"`
	DeletedAt       *time.Time    `db:"deleted_at"`
	RestorableUntil *time.Time    `db:"restorable_until"`
	Restorable      bool          `db:"restorable"`
	DeletedByName   *string       `db:"deleted_by_name"`
	DeletedByEmail  *string       `db:"deleted_by_email"`
	Membership      InstanceRoles `db:"membership"`
}

func (r *instanceRow) instance(space *Space) *Instance {
	i := &Instance{
		ID:              globalid.ID{Kind: globalid.Instance, UUID: r.ID},
		Name:            r.Name,
		Kind:            r.Kind,
		Space:           space,
		Roles:           effectiveRoles(space.held, r.Kind, Roles(r.Membership)),
		membership:      Roles(r.Membership),
		DeletedAt:       r.DeletedAt,
		RestorableUntil: r.RestorableUntil,
		Restorable:      r.Restorable,
	}
	if r.DeletedByName != nil {
		i.DeletedBy = &fault.Contact{Name: *r.DeletedByName, Email: *r.DeletedByEmail}
	}
	return i
}

// FindSpace reads a space; nil where there is none that the viewer may know of.
func FindSpace(ctx context.Context, q postgres.Querier, viewer User, id globalid.ID) (*Space, error) {
	id = id.As(globalid.Space)
	found, err := findSpaces(ctx, q, viewer, []globalid.ID{id})
	return found[id], err
}

var (
	spacesQuery    = spacesQueryWith("")
	instancesQuery = instancesQueryWith("")
)

// spacesQueryWith reads the spaces $2, and more columns.
func spacesQueryWith(more string) string {
	return `select ` + spaceColumns + more + ` from ` + spaceTables + ` where s.id = any ($2::uuid[])`
}

func findSpaces(ctx context.Context, q postgres.Querier, viewer User, ids []globalid.ID) (map[globalid.ID]*Space, error) {
	var rows []spaceRow
	err := q.Select(ctx, &rows, spacesQuery, viewer.ID.UUID, postgres.IDs(ids))
	if err != nil {
		return nil, err
	}
	return visibleSpacesOf(rows), nil
}

// visibleSpacesOf returns those spaces that the viewer may know of.
func visibleSpacesOf(rows []spaceRow) map[globalid.ID]*Space {
	found := make(map[globalid.ID]*Space, len(rows))
	for i := range rows {
		if space := rows[i].space(); space.Visible() {
			found[space.ID] = space
		}
	}
	groupSpaces(slices.Collect(maps.Values(found)))
	return found
}

// groupSpaces groups spaces that were read together, and their organizations.
func groupSpaces(spaces []*Space) {
	siblings := batch.NewGroup(spaces...)
	organizations := make([]*Organization, len(spaces))
	for i, s := range spaces {
		s.Siblings, organizations[i] = siblings, s.Organization
	}
	groupOrganizations(organizations)
}

// groupOrganizations groups organizations that were read together, some of them several
// times.
func groupOrganizations(organizations []*Organization) {
	ids := make([]globalid.ID, len(organizations))
	for i, o := range organizations {
		ids[i] = o.ID
	}
	slices.SortFunc(ids, func(a, b globalid.ID) int { return bytes.Compare(a.UUID[:], b.UUID[:]) })
	siblings := batch.NewGroup(slices.Compact(ids)...)
	for _, o := range organizations {
		o.Siblings = siblings
	}
}

// inState returns the SQL condition that space s is in a state ("": in any).
func inState(state State) string {
	switch state {
	case Active:
		return `s.deleted_at is null`
	case Deleted:
		return `s.deleted_at is not null`
	}
	return `true`
}

// byState makes a query for spaces in each state, and in any (""), from the condition.
// Each is a text of its own, so that PostgreSQL can read the index space_deleted.
func byState(query func(condition string) string) map[State]string {
	queries := map[State]string{}
	for _, state := range []State{"", Active, Deleted} {
		queries[state] = query(inState(state))
	}
	return queries
}

// visibleSpaces selects the ids of the first $3 spaces after $2 that account $1 may know
// of, and that meet a condition on space s. Each part is read in the order of an index up
// to the limit, however many spaces there are.
func visibleSpaces(condition string) string {
	meets := ` cross join lateral (select from space s where s.id = m.space_id and ` + condition + ` limit 1) s`
	if condition == inState("") {
		meets = ""
	}
	return `
	select id from (
		(select m.space_id as id from space_administrator m` + meets + `
		 where m.account_id = $1 and m.space_id > $2 order by m.space_id limit $3)
		union
		(select m.space_id from (
			select distinct im.space_id from instance_member im where im.account_id = $1 and im.space_id > $2 and ` + Current("im") + ` order by im.space_id) m` + meets + `
		 order by m.space_id limit $3)
		union
		(select ms.id from organization_member m cross join lateral (
			select s.id from space s where s.organization_id = m.organization_id and s.id > $2 and ` + condition + ` order by s.id limit $3) ms
		 where m.account_id = $1 and m.role in ` + SeesSpaces.SQL(globalid.Organization) + `)) visible
	order by id limit $3`
}

var (
	countSpaces = byState(func(condition string) string {
		return `select count(*) from (` + visibleSpaces(condition) + `) counted`
	})

	listSpaces = byState(func(condition string) string {
		return `
	select ` + spaceColumns + ` from ` + spaceTables + ` where s.id in (` + visibleSpaces(condition) + `) order by s.id`
	})
)

// Spaces reads a page of the spaces that the viewer may know of, in the order
// of their creation; of one state, or of both ("").
func Spaces(ctx context.Context, q postgres.Querier, viewer User, state State, page relay.Page) (list relay.List[*Space], err error) {
	total := 0
	if page.Total {
		if err := q.Get(ctx, &total, countSpaces[state], viewer.ID.UUID, uuid.Nil, relay.MaxTotal); err != nil {
			return list, err
		}
	}
	var rows []spaceRow
	if err := q.Select(ctx, &rows, listSpaces[state], viewer.ID.UUID, page.After, page.Limit()); err != nil {
		return list, err
	}
	spaces := make([]*Space, len(rows))
	for i := range rows {
		spaces[i] = rows[i].space()
	}
	groupSpaces(spaces)
	return relay.Cut(spaces, page, total), nil
}

// Spaces reads a page of the spaces of an organization, in the order of their creation; of
// one state, or of both (""). It is for those who may know of all of them: see SeesSpaces.
func (o *Organization) Spaces(ctx context.Context, q postgres.Querier, viewer User, state State, page relay.Page) (relay.List[*Space], error) {
	type spacesQuery struct {
		viewer globalid.ID
		State
		relay.Page
	}
	return batch.Load(o.Siblings, o.ID, spacesQuery{viewer.ID, state, page}, func(organizations []globalid.ID) (map[globalid.ID]relay.List[*Space], error) {
		totals, err := postgres.Counts(ctx, q, page.Total, countSpacesOf[state], postgres.IDs(organizations))
		if err != nil {
			return nil, err
		}
		var rows []spaceRow
		if err := q.Select(ctx, &rows, listSpacesOf[state], viewer.ID.UUID, postgres.IDs(organizations), page.After, page.Limit()); err != nil {
			return nil, err
		}
		all, found := make([]*Space, len(rows)), map[uuid.UUID][]*Space{}
		for i := range rows {
			all[i] = rows[i].space()
			found[rows[i].OrganizationID] = append(found[rows[i].OrganizationID], all[i])
		}
		groupSpaces(all)
		return relay.CutEach(organizations, found, page, totals), nil
	})
}

var (
	countSpacesOf = byState(func(condition string) string {
		return `
		select of.id, ` + relay.CountSQL(`select from space s where s.organization_id = of.id and `+condition) + ` as n from unnest($1::uuid[]) as of (id)`
	})

	listSpacesOf = byState(func(condition string) string {
		return `
		select ` + spaceColumns + `
		from unnest($2::uuid[]) as of (id)
		cross join lateral (select s.id from space s where s.organization_id = of.id and s.id > $3 and ` + condition + ` order by s.id limit $4) p
		join (` + spaceTables + `) on s.id = p.id
		order by of.id, s.id`
	})
)

// FindInstance reads an instance; nil where there is none that the viewer may
// know of.
func FindInstance(ctx context.Context, q postgres.Querier, viewer User, id globalid.ID) (*Instance, error) {
	id = id.As(globalid.Instance)
	found, err := findInstances(ctx, q, viewer, []globalid.ID{id})
	return found[id], err
}

// instanceInSpaceRow is an instance with its space.
type instanceInSpaceRow struct {
	spaceRow
	instanceRow
}

// instancesQueryWith reads the instances $2 with their spaces, and more columns.
func instancesQueryWith(more string) string {
	return `
		select ` + instanceColumns + `, ` + spaceColumns + more + `
		from ` + instanceTables + ` join (` + spaceTables + `) on s.id = i.space_id
		where i.id = any ($2::uuid[])`
}

func findInstances(ctx context.Context, q postgres.Querier, viewer User, ids []globalid.ID) (map[globalid.ID]*Instance, error) {
	var rows []instanceInSpaceRow
	err := q.Select(ctx, &rows, instancesQuery, viewer.ID.UUID, postgres.IDs(ids))
	if err != nil {
		return nil, err
	}
	return visibleInstancesOf(rows), nil
}

// visibleInstancesOf returns those instances that the viewer may know of.
func visibleInstancesOf(rows []instanceInSpaceRow) map[globalid.ID]*Instance {
	found := make(map[globalid.ID]*Instance, len(rows))
	spaces := map[uuid.UUID]*Space{}
	for i := range rows {
		space := spaces[rows[i].SpaceID]
		if space == nil {
			space = rows[i].space()
			spaces[rows[i].SpaceID] = space
		}
		if instance := rows[i].instance(space); instance.Visible() {
			found[instance.ID] = instance
		}
	}
	siblings := batch.NewGroup(slices.Collect(maps.Keys(found))...)
	groupSpaces(slices.Collect(maps.Values(spaces)))
	for _, instance := range found {
		instance.Siblings = siblings
	}
	return found
}

// leadingQuery returns a query of the spaces and instances that things $2 lead to, with
// what account $1 may know of them, each place once. of selects from things the columns
// instance_id, space_id (null for an instance), and an array of ids.
func leadingQuery(of string) string {
	return `
		select v.ids, ` + instanceColumns + `, ` + spaceColumns + `
		from (` + of + `) v
		left join (` + instanceTables + `) on i.id = v.instance_id
		join (` + spaceTables + `) on s.id = coalesce(v.space_id, i.space_id)`
}

var (
	invitedPlacesQuery = leadingQuery(`
		select instance_id, space_id, array_agg(id) as ids from invitation where id = any ($2::uuid[]) group by instance_id, space_id`)
	linkedPlacesQuery = leadingQuery(`
		select l.instance_id, l.space_id, array_agg(l.id) as ids
		from (select id, instance_id, case when instance_id is null then space_id end as space_id from invite_link where id = any ($2::uuid[])) l
		group by l.instance_id, l.space_id`)
)

// findLinkedPlaces reads the places that course links lead to: an instance or, where
// everybody gets an instance of their own, the space.
func findLinkedPlaces(ctx context.Context, q postgres.Querier, viewer User, links []globalid.ID) (map[globalid.ID]Place, error) {
	return findLeading(ctx, q, viewer, linkedPlacesQuery, links)
}

// findLeading reads the places that things of one kind lead to, by a leadingQuery.
func findLeading(ctx context.Context, q postgres.Querier, viewer User, query string, things []globalid.ID) (found map[globalid.ID]Place, err error) {
	var rows []struct {
		IDs postgres.UUIDs `db:"ids"`
		instanceInSpaceRow
	}
	if err := q.Select(ctx, &rows, query, viewer.ID.UUID, postgres.IDs(things)); err != nil {
		return nil, err
	}
	var ofInstances []instanceInSpaceRow
	var ofSpaces []spaceRow
	for _, r := range rows {
		if r.ID != uuid.Nil {
			ofInstances = append(ofInstances, r.instanceInSpaceRow)
		} else {
			ofSpaces = append(ofSpaces, r.spaceRow)
		}
	}
	instances, spaces := visibleInstancesOf(ofInstances), visibleSpacesOf(ofSpaces)
	found = make(map[globalid.ID]Place, len(things))
	for _, r := range rows {
		var place Place
		if instance := instances[globalid.ID{Kind: globalid.Instance, UUID: r.ID}]; instance != nil {
			place = instance
		} else if space := spaces[globalid.ID{Kind: globalid.Space, UUID: r.SpaceID}]; space != nil && r.ID == uuid.Nil {
			place = space
		} else {
			continue
		}
		for _, id := range r.IDs {
			found[globalid.ID{Kind: things[0].Kind, UUID: id}] = place
		}
	}
	return found, nil
}

// findInvitedPlaces reads the places that invitations lead to, each place once. One
// statement finds the spaces and instances, and what the viewer may know of them, and
// another one the organizations, where some ids are left: nobody learns from the time it
// takes which invitations exist.
func findInvitedPlaces(ctx context.Context, q postgres.Querier, viewer User, invitations []globalid.ID) (found map[globalid.ID]Place, err error) {
	found, err = findLeading(ctx, q, viewer, invitedPlacesQuery, invitations)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(invitations, func(id globalid.ID) bool { return found[id] == nil }) {
		return found, nil
	}
	var invited []struct {
		Invitations postgres.UUIDs `db:"invitations"`
		organizationViewRow
	}
	if err := q.Select(ctx, &invited, invitedOrganizationsQuery, viewer.ID.UUID, postgres.IDs(invitations)); err != nil {
		return nil, err
	}
	for _, r := range invited {
		organization := r.organization()
		groupOrganizations([]*Organization{organization})
		for _, id := range r.Invitations {
			found[globalid.ID{Kind: globalid.Invitation, UUID: id}] = organization
		}
	}
	return found, nil
}

// Instances reads a page of the instances of a space that the viewer may know
// of, in the order of their creation; of one state, or of both ("").
func (s *Space) Instances(ctx context.Context, q postgres.Querier, viewer User, state State, page relay.Page) (relay.List[*Instance], error) {
	type listQuery struct {
		State
		relay.Page
	}
	return batch.Load(s.Siblings, s, listQuery{state, page}, func(spaces []*Space) (map[*Space]relay.List[*Instance], error) {
		return instances(ctx, q, viewer, spaces, state, page)
	})
}

var (
	countInstances = `
		select of.id, ` + relay.CountSQL(`select from `+visibleInstances) + ` as n from ` + spacesOfInstances

	listInstances = `
		select of.id as space_id, i.* from ` + spacesOfInstances + `
		cross join lateral (select ` + instanceColumns + ` from ` + visibleInstances + ` and i.id > $6 order by i.id limit $7) i
		order by of.id, i.id`

	visibleInstances = instanceTables + `
		where i.space_id = of.id
		  and ($5 = '' or ($5 = 'DELETED') = (i.deleted_at is not null))
		  and (of.sees_all or im.role is not null or (i.kind = 'DISTRIBUTED' and of.sees_distributed))`
)

// spacesOfInstances are the spaces, each with what the viewer may know of there because of
// roles held elsewhere in it.
const spacesOfInstances = ` unnest($2::uuid[], $3::bool[], $4::bool[]) as of (id, sees_all, sees_distributed)`

func instances(ctx context.Context, q postgres.Querier, viewer User, spaces []*Space, state State, page relay.Page) (map[*Space]relay.List[*Instance], error) {
	ids := make([]globalid.ID, len(spaces))
	seesAll, seesDistributed := make([]bool, len(spaces)), make([]bool, len(spaces))
	for i, s := range spaces {
		ids[i], seesAll[i], seesDistributed[i] = s.ID, everywhereInSpace(s.held).visible(), inDistributed(s.held).visible()
	}
	args := []any{viewer.ID.UUID, postgres.IDs(ids), pq.BoolArray(seesAll), pq.BoolArray(seesDistributed), string(state)}

	totals, err := postgres.Counts(ctx, q, page.Total, countInstances, args...)
	if err != nil {
		return nil, err
	}
	var rows []struct {
		SpaceID uuid.UUID `db:"space_id"`
		instanceRow
	}
	err = q.Select(ctx, &rows, listInstances, append(args, page.After, page.Limit())...)
	if err != nil {
		return nil, err
	}

	found := make(map[uuid.UUID][]instanceRow, len(spaces))
	for _, row := range rows {
		found[row.SpaceID] = append(found[row.SpaceID], row.instanceRow)
	}
	siblings := make([]globalid.ID, 0, len(rows))
	lists := make(map[*Space]relay.List[*Instance], len(spaces))
	for _, s := range spaces {
		list := make([]*Instance, len(found[s.ID.UUID]))
		for i := range list {
			list[i] = found[s.ID.UUID][i].instance(s)
		}
		lists[s] = relay.Cut(list, page, totals[s.ID.UUID])
		for _, i := range lists[s].Nodes {
			siblings = append(siblings, i.ID)
		}
	}
	group := batch.NewGroup(siblings...)
	for _, list := range lists {
		for _, i := range list.Nodes {
			i.Siblings = group
		}
	}
	return lists, nil
}

// findOrganizations reads organizations in which the viewer is a member, or holds a role
// in one of their spaces.
func findOrganizations(ctx context.Context, q postgres.Querier, viewer User, ids []globalid.ID) (map[globalid.ID]*Organization, error) {
	var rows []organizationViewRow
	if err := q.Select(ctx, &rows, organizationsQuery, viewer.ID.UUID, postgres.IDs(ids)); err != nil {
		return nil, err
	}
	found := make(map[globalid.ID]*Organization, len(rows))
	for _, row := range rows {
		o := row.organization()
		found[o.ID] = o
	}
	groupOrganizations(slices.Collect(maps.Values(found)))
	return found, nil
}

// FindOrganization reads an organization; nil where there is none that the viewer may
// know of.
func FindOrganization(ctx context.Context, q postgres.Querier, viewer User, id globalid.ID) (*Organization, error) {
	id = id.As(globalid.Organization)
	found, err := findOrganizations(ctx, q, viewer, []globalid.ID{id})
	return found[id], err
}

var (
	organizationsQuery        = organizationsQueryOf(`organization o`, ``) + ` and o.id = any ($2::uuid[])`
	invitedOrganizationsQuery = organizationsQueryOf(`(
		select v.organization_id, array_agg(i.id) as invitations
		from unnest($2::uuid[]) as i (id)
		cross join lateral (select organization_id from invitation where id = i.id limit 1) v
		where v.organization_id is not null group by v.organization_id) v
		join organization o on o.id = v.organization_id`, `, v.invitations`)
)

// organizationsQueryOf reads those organizations o that account $1 may know of. OFFSET
// makes PostgreSQL look into an index for each space of the organization; it could
// otherwise read all memberships of the viewer.
func organizationsQueryOf(from, more string) string {
	return `
		select o.id, o.name, m.role, coalesce(m.guest, false) as guest, ad.administers` + more + `
		from ` + from + `
		left join organization_member m on m.organization_id = o.id and m.account_id = $1
		cross join lateral (select exists (
			select from space s join space_administrator a on a.space_id = s.id
			where s.organization_id = o.id and a.account_id = $1) as administers) ad
		where (m.role is not null or ad.administers
			or exists (select from space s where s.organization_id = o.id and exists (
				select from instance_member im where im.space_id = s.id and im.account_id = $1 and ` + Current("im") + ` offset 0)))`
}

// organizationViewRow is an organization with what decides whom it tells the viewer.
type organizationViewRow struct {
	organizationRow
	Administers bool `db:"administers"`
}

func (r organizationViewRow) organization() *Organization {
	o := r.organizationRow.organization()
	o.administers = r.Administers
	return o
}

type organizationRow struct {
	ID    uuid.UUID         `db:"id"`
	Name  string            `db:"name"`
	Roles OrganizationRoles `db:"role"`
	Guest bool              `db:"guest"`
}

func (r organizationRow) organization() *Organization {
	return &Organization{
		ID:    globalid.ID{Kind: globalid.Organization, UUID: r.ID},
		Name:  r.Name,
		Roles: Roles(r.Roles),
		guest: r.Guest,
	}
}

// Organizations reads a page of the organizations that the viewer belongs to,
// in the order of their creation.
func Organizations(ctx context.Context, q postgres.Querier, viewer User, page relay.Page) (list relay.List[*Organization], err error) {
	total := 0
	if page.Total {
		if err := q.Get(ctx, &total, `select `+relay.CountSQL(`select from organization_member where account_id = $1`), viewer.ID.UUID); err != nil {
			return list, err
		}
	}
	var rows []organizationRow
	err = q.Select(ctx, &rows, `
		select o.id, o.name, m.role, m.guest from organization o join organization_member m on m.organization_id = o.id
		where m.account_id = $1 and o.id > $2 order by o.id limit $3`, viewer.ID.UUID, page.After, page.Limit())
	if err != nil {
		return list, err
	}
	organizations := make([]*Organization, len(rows))
	for i, row := range rows {
		organizations[i] = row.organization()
	}
	groupOrganizations(organizations)
	return relay.Cut(organizations, page, total), nil
}
