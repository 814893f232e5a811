package access

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/relay"
)

// spaceColumns are a space and the standing in it of account $1.
const spaceColumns = `
	s.id as space_id, s.name as space_name, o.id as organization_id, o.name as organization_name,
	om.role as organization_role,
	exists (select from space_administrator sa where sa.space_id = s.id and sa.account_id = $1) as administrator,
	exists (select from instance_member em join instance ei on ei.id = em.instance_id
	        where em.account_id = $1 and em.role = 'EDITOR' and ei.space_id = s.id) as edits,
	exists (select from instance_member vm join instance vi on vi.id = vm.instance_id
	        where vm.account_id = $1 and vm.role = 'VIEWER' and vi.space_id = s.id) as views`

const spaceTables = `
	space s
	join organization o on o.id = s.organization_id
	left join organization_member om on om.organization_id = o.id and om.account_id = $1`

// instanceColumns are an instance and the membership in it of account $1.
const instanceColumns = `
	i.id, i.name, i.kind, i.deleted_at, i.restorable_until,
	coalesce(i.restorable_until > clock_timestamp(), false) as restorable,
	d.name as deleted_by_name, d.email as deleted_by_email, im.role as membership`

const instanceTables = `
	instance i
	left join account d on d.id = i.deleted_by
	left join instance_member im on im.instance_id = i.id and im.account_id = $1`

type spaceRow struct {
	SpaceID          uuid.UUID `db:"space_id"`
	SpaceName        string    `db:"space_name"`
	OrganizationID   uuid.UUID `db:"organization_id"`
	OrganizationName string    `db:"organization_name"`
	standing
}

func (r *spaceRow) space() *Space {
	return &Space{
		ID:   globalid.ID{Kind: globalid.Space, UUID: r.SpaceID},
		Name: r.SpaceName,
		Organization: &Organization{
			ID:   globalid.ID{Kind: globalid.Organization, UUID: r.OrganizationID},
			Name: r.OrganizationName,
		},
		standing: r.standing,
	}
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
	Membership      *InstanceRole `db:"membership"`
}

func (r *instanceRow) instance(space *Space) *Instance {
	var membership InstanceRole
	if r.Membership != nil {
		membership = *r.Membership
	}
	i := &Instance{
		ID:              globalid.ID{Kind: globalid.Instance, UUID: r.ID},
		Name:            r.Name,
		Kind:            r.Kind,
		Space:           space,
		Roles:           space.standing.rolesIn(r.Kind, membership),
		DeletedAt:       r.DeletedAt,
		RestorableUntil: r.RestorableUntil,
		Restorable:      r.Restorable,
	}
	if r.DeletedByName != nil {
		i.DeletedBy = &fault.Contact{Name: *r.DeletedByName, Email: *r.DeletedByEmail}
	}
	return i
}

// FindSpace reads a space; nil where there is none that the actor may know of.
func FindSpace(ctx context.Context, q postgres.Querier, actor Actor, id globalid.ID) (*Space, error) {
	if id.Kind != globalid.Space {
		return nil, nil
	}
	var row spaceRow
	err := q.Get(ctx, &row, `select `+spaceColumns+` from `+spaceTables+` where s.id = $2`, actor.ID.UUID, id.UUID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	space := row.space()
	if !space.standing.roles().visible() {
		return nil, nil
	}
	space.siblings = batch.NewGroup(space)
	return space, nil
}

// Spaces reads a page of the spaces that the actor may know of, in the order
// of their creation.
func Spaces(ctx context.Context, q postgres.Querier, actor Actor, page relay.Page) (list relay.List[*Space], err error) {
	const visible = ` from ` + spaceTables + ` where s.id in (
		select space_id from space_administrator where account_id = $1
		union
		select mi.space_id from instance_member m join instance mi on mi.id = m.instance_id where m.account_id = $1
		union
		select ms.id from space ms join organization_member m on m.organization_id = ms.organization_id
		where m.account_id = $1 and m.role = 'MANAGER')`
	total := 0
	if page.Total {
		if err := q.Get(ctx, &total, `select count(*)`+visible, actor.ID.UUID); err != nil {
			return list, err
		}
	}
	var rows []spaceRow
	err = q.Select(ctx, &rows, `select `+spaceColumns+visible+` and s.id > $2 order by s.id limit $3`,
		actor.ID.UUID, page.After, page.Limit())
	if err != nil {
		return list, err
	}
	spaces := make([]*Space, len(rows))
	for k := range rows {
		spaces[k] = rows[k].space()
	}
	siblings := batch.NewGroup(spaces...)
	for _, s := range spaces {
		s.siblings = siblings
	}
	return relay.Cut(spaces, page, total), nil
}

// FindInstance reads an instance; nil where there is none that the actor may
// know of.
func FindInstance(ctx context.Context, q postgres.Querier, actor Actor, id globalid.ID) (*Instance, error) {
	if id.Kind != globalid.Instance {
		return nil, nil
	}
	var row struct {
		spaceRow
		instanceRow
	}
	err := q.Get(ctx, &row, `
		select `+instanceColumns+`, `+spaceColumns+`
		from `+instanceTables+` join (`+spaceTables+`) on s.id = i.space_id
		where i.id = $2`, actor.ID.UUID, id.UUID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	space := row.space()
	instance := row.instance(space)
	if !instance.Roles.visible() {
		return nil, nil
	}
	space.siblings = batch.NewGroup(space)
	instance.Siblings = batch.NewGroup(instance.ID)
	return instance, nil
}

// Instances reads a page of the instances of a space that the actor may know
// of, in the order of their creation; of one state, or of both ("").
func (s *Space) Instances(ctx context.Context, q postgres.Querier, actor Actor, state State, page relay.Page) (relay.List[*Instance], error) {
	type question struct {
		State
		relay.Page
	}
	return batch.Ask(s.siblings, s, question{state, page}, func(spaces []*Space) (map[*Space]relay.List[*Instance], error) {
		return instances(ctx, q, actor, spaces, state, page)
	})
}

func instances(ctx context.Context, q postgres.Querier, actor Actor, spaces []*Space, state State, page relay.Page) (map[*Space]relay.List[*Instance], error) {
	// of are the spaces, each with what decides about its instances, and
	// visible those instances.
	const of = ` unnest($2::uuid[], $3::bool[], $4::bool[]) as of (id, everything, edits)`
	const visible = instanceTables + `
		where i.space_id = of.id
		  and ($5 = '' or ($5 = 'DELETED') = (i.deleted_at is not null))
		  and (of.everything or im.role is not null or (i.kind = 'DISTRIBUTED' and of.edits))`
	ids := make([]globalid.ID, len(spaces))
	everything, edits := make([]bool, len(spaces)), make([]bool, len(spaces))
	for k, s := range spaces {
		ids[k], everything[k], edits[k] = s.ID, s.standing.inSpace().visible(), s.standing.Edits
	}
	args := []any{actor.ID.UUID, globalid.Array(ids), pq.BoolArray(everything), pq.BoolArray(edits), string(state)}

	totals := map[uuid.UUID]int{}
	if page.Total {
		var err error
		if totals, err = postgres.Counts(ctx, q, `
			select of.id, (select count(*) from `+visible+`) as n from `+of, args...); err != nil {
			return nil, err
		}
	}
	var rows []struct {
		SpaceID uuid.UUID `db:"space_id"`
		instanceRow
	}
	err := q.Select(ctx, &rows, `
		select of.id as space_id, i.* from `+of+`
		cross join lateral (select `+instanceColumns+` from `+visible+` and i.id > $6 order by i.id limit $7) i
		order by of.id, i.id`, append(args, page.After, page.Limit())...)
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
		for k := range list {
			list[k] = found[s.ID.UUID][k].instance(s)
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

// Lock is how strongly Hold keeps others off an instance.
type Lock string

// The locks: Shared ones bear one another, and keep off an Exclusive one.
const (
	Shared    Lock = "share"
	Exclusive Lock = "no key update"
)

// holdQueries lock an instance and the rows that give account $2 its roles
// there. Each query is a constant, as postgres.Querier asks.
var holdQueries = map[Lock]string{Shared: holdQuery(Shared), Exclusive: holdQuery(Exclusive)}

func holdQuery(lock Lock) string {
	return `
		with held as materialized (
			select id, space_id from instance where id = $1 for ` + string(lock) + `),
		administrator as materialized (
			select from space_administrator
			where account_id = $2 and space_id = (select space_id from held) for share),
		member as materialized (
			select from instance_member
			where account_id = $2 and instance_id = (select id from held) for share)
		select (select count(*) from held), (select count(*) from administrator), (select count(*) from member)`
}

// Hold locks an instance and the actor's roles in it until the end of the
// transaction, and then decides by a rule whether she may do what she is
// about to. It fails with NOT_FOUND or FORBIDDEN.
func Hold(ctx context.Context, tx *postgres.Tx, actor Actor, id globalid.ID, rule Rule, lock Lock) (*Instance, error) {
	if id.Kind == globalid.Instance {
		if _, err := tx.Exec(ctx, holdQueries[lock], id.UUID, actor.ID.UUID); err != nil {
			return nil, err
		}
	}
	// A statement of its own: one that waited for a lock sees what was there
	// before the wait.
	instance, err := FindInstance(ctx, tx, actor, id)
	if err != nil {
		return nil, err
	}
	return instance, Permit(ctx, tx, instance, rule)
}

// contacts are the people who hold one of the roles of a set in the instance.
func (i *Instance) contacts(ctx context.Context, q postgres.Querier, roles Roles) ([]fault.Contact, error) {
	type holders Roles
	return batch.Ask(i.Siblings, i.ID, holders(roles), func(ids []globalid.ID) (map[globalid.ID][]fault.Contact, error) {
		return contacts(ctx, q, ids, roles)
	})
}

// contacts are the people who hold, by themselves, one of the roles of a set
// in each of some instances: editors first, then the space's administrators;
// 20 an instance at most.
func contacts(ctx context.Context, q postgres.Querier, instances []globalid.ID, roles Roles) (map[globalid.ID][]fault.Contact, error) {
	var rows []struct {
		InstanceID uuid.UUID `db:"instance_id"`
		fault.Contact
	}
	err := q.Select(ctx, &rows, `
		select i.id as instance_id, h.name, h.email
		from instance i cross join lateral (
			select a.id, a.name, a.email, min(r.rank) as rank
			from account a join (
				select m.account_id, 1 as rank from instance_member m
				where $2 and m.instance_id = i.id and m.role = 'EDITOR'
				union all
				select sa.account_id, 2 from space_administrator sa
				where $3 and sa.space_id = i.space_id) r on r.account_id = a.id
			group by a.id order by min(r.rank), a.name, a.id limit 20) h
		where i.id = any ($1::uuid[])
		order by i.id, h.rank, h.name, h.id`,
		globalid.Array(instances), roles.Has(InstanceEditor), roles.Has(SpaceAdministrator))
	if err != nil {
		return nil, err
	}
	holders := make(map[globalid.ID][]fault.Contact, len(instances))
	for _, row := range rows {
		id := globalid.ID{Kind: globalid.Instance, UUID: row.InstanceID}
		holders[id] = append(holders[id], row.Contact)
	}
	return holders, nil
}

// Administrators are a space's administrators, by name; 100 at most.
func (s *Space) Administrators(ctx context.Context, q postgres.Querier) ([]*fault.Contact, error) {
	type administrators struct{}
	return batch.Ask(s.siblings, s, administrators{}, func(spaces []*Space) (map[*Space][]*fault.Contact, error) {
		of := make(map[uuid.UUID]*Space, len(spaces))
		ids := make([]globalid.ID, len(spaces))
		found := make(map[*Space][]*fault.Contact, len(spaces))
		for k, s := range spaces {
			ids[k], of[s.ID.UUID], found[s] = s.ID, s, []*fault.Contact{}
		}
		var rows []struct {
			SpaceID uuid.UUID `db:"space_id"`
			fault.Contact
		}
		err := q.Select(ctx, &rows, `
			select s.id as space_id, a.name, a.email
			from unnest($1::uuid[]) as s (id)
			cross join lateral (
				select a.id, a.name, a.email from account a join space_administrator sa on sa.account_id = a.id
				where sa.space_id = s.id order by a.name, a.id limit $2) a
			order by s.id, a.name, a.id`, globalid.Array(ids), 100)
		for k := range rows {
			s := of[rows[k].SpaceID]
			found[s] = append(found[s], &rows[k].Contact)
		}
		return found, err
	})
}

// invitable are the instances of a space that people can be invited to; 20 at
// most.
func invitable(ctx context.Context, q postgres.Querier, space *Space) ([]fault.Place, error) {
	var rows []struct {
		ID   uuid.UUID `db:"id"`
		Name string    `db:"name"`
	}
	err := q.Select(ctx, &rows, `
		select id, name from instance
		where space_id = $1 and kind <> 'DISTRIBUTED' and deleted_at is null order by id limit 20`, space.ID.UUID)
	if err != nil {
		return nil, err
	}
	places := make([]fault.Place, len(rows))
	for k, row := range rows {
		places[k] = fault.Place{ID: globalid.ID{Kind: globalid.Instance, UUID: row.ID}.String(), Name: row.Name}
	}
	return places, nil
}
