package access

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// LockStrength is what a transaction lets others do with a place that it has
// locked (PostgreSQL, "Row-Level Locks").
type LockStrength string

// The strengths. Several transactions may hold Shared; Exclusive excludes all
// others.
const (
	Shared    LockStrength = "share"
	Exclusive LockStrength = "no key update"
)

// lockQueries lock places, and the rows that give the accounts $1 their roles there and
// in the organizations $6. They lock in the order of the ids, so that two transactions
// never wait for each other in a circle. Each query is made once, as postgres.Querier
// asks.
var lockQueries = lockQueriesOf(lockedRows{
	instances:     `instance i where i.id = any ($2::uuid[])`,
	spaces:        `space s where s.id = any ($3::uuid[])`,
	organizations: `organization o where o.id = any ($4::uuid[])`,
	belongings:    `$6::uuid[]`,
})

// lockVisibleQueries lock only those places that account $6 may know of, also the
// places that the invitations $7 lead to. A row that the conditions exclude is not
// locked: nobody waits for a lock on a place that they may not know of. Where a space is
// locked, so is the role in its organization, which may be what lets the account in.
var lockVisibleQueries = lockQueriesOf(lockedRows{
	instances: `instance i join space s on s.id = i.space_id
	where i.id = any ($2::uuid[] || array(select instance_id from invitation where id = any ($7::uuid[])))
	and ` + tenant.HasRoleInInstance("$6", everybody),
	spaces: `space s
	where s.id = any ($3::uuid[] || array(select space_id from invitation where id = any ($7::uuid[])))
	and ` + tenant.HasRoleInSpace("$6", everybody),
	organizations: `organization o
	where o.id = any ($4::uuid[] || array(select organization_id from invitation where id = any ($7::uuid[])))
	and ` + tenant.HasRoleInOrganization("$6", "o.id", inOrganization),
	belongings: `array(
		select s.organization_id from locked_space l cross join lateral (select organization_id from space where id = l.id limit 1) s)`,
})

// lockedRows are the places that a query locks, as what follows FROM, and an SQL
// expression: an array of further organizations, in which roles are locked.
type lockedRows struct{ instances, spaces, organizations, belongings string }

func lockQueriesOf(rows lockedRows) map[LockStrength]string {
	return map[LockStrength]string{Shared: lockQuery(Shared, rows), Exclusive: lockQuery(Exclusive, rows)}
}

// The roles are looked up by place and account: an account alone can have thousands.
//
// The counts force PostgreSQL to run the queries of the WITH clause: an
// unreferenced SELECT is skipped.
func lockQuery(strength LockStrength, rows lockedRows) string {
	return `
		with locked_instance as materialized (
			select i.id, i.space_id from ` + rows.instances + ` order by i.id for ` + string(strength) + ` of i),
		locked_space as materialized (
			select s.id from ` + rows.spaces + ` order by s.id for ` + string(strength) + ` of s),
		locked_organization as materialized (
			select o.id from ` + rows.organizations + ` order by o.id for ` + string(strength) + ` of o),
		shared_space as materialized (
			select id from space where id = any ($5::uuid[]) order by id for share),
		administrator as materialized (
			select from (
				select s.id as space_id, a.id as account_id
				from (select space_id as id from locked_instance union select id from locked_space union select id from shared_space) s, unnest($1::uuid[]) as a (id)
				order by s.id, a.id) k
			cross join lateral (
				select from space_administrator sa where sa.space_id = k.space_id and sa.account_id = k.account_id limit 1 for share) sa),
		member as materialized (
			select from (
				select i.id as instance_id, a.id as account_id from locked_instance i, unnest($1::uuid[]) as a (id)
				order by i.id, a.id) k
			cross join lateral (
				select from instance_member m where m.instance_id = k.instance_id and m.account_id = k.account_id limit 1 for share) m),
		belonging as materialized (
			select from organization_member
			where account_id = any ($1::uuid[]) and organization_id = any (array(select id from locked_organization) || ` + rows.belongings + `)
			order by organization_id, account_id for share)
		select array(select id from locked_instance) as instances, array(select id from locked_space) as spaces,
		       array(select id from locked_organization) as organizations,
		       (select count(*) from shared_space) + (select count(*) from administrator) +
		       (select count(*) from member) + (select count(*) from belonging) as others`
}

// Lock locks places, and the actor's roles in them, until the end of the transaction. A
// statement that had to wait for a lock still sees the data of before the wait, so read
// what you decide by in a later statement.
func Lock(ctx context.Context, tx *postgres.Tx, actor Actor, strength LockStrength, places ...globalid.ID) error {
	return Locks{Places: places, Strength: strength, Accounts: []globalid.ID{actor.ID}}.Take(ctx, tx)
}

// Locks are what a transaction that changes something in some places locks.
type Locks struct {
	Places   []globalid.ID
	Strength LockStrength
	// Spaces are locked Shared. Removing somebody from a space locks it Exclusive.
	Spaces []globalid.ID
	// Organizations are not locked, but the roles in them.
	Organizations []globalid.ID
	// Accounts are people whose roles in all these must not change.
	Accounts []globalid.ID
}

// Take locks until the end of the transaction, as the function Lock does.
func (l Locks) Take(ctx context.Context, tx *postgres.Tx) error {
	if err := tx.TakeShares(sharesOf(ctx, l.Places, l.Spaces)...); err != nil {
		return err
	}
	of := byKind(l.Places)
	_, err := tx.Exec(ctx, lockQueries[l.Strength], postgres.IDs(l.Accounts),
		of[globalid.Instance], of[globalid.Space], of[globalid.Organization], postgres.IDs(l.Spaces), postgres.IDs(l.Organizations))
	return err
}

// sharesOf returns whose shares of the connections a transaction takes that locks some
// places: those of their spaces, and those of organizations. An instance whose space is
// not known, and not among spaces, has a share of its own. Requests that wait for one
// space then leave connections to all others.
func sharesOf(ctx context.Context, places, spaces []globalid.ID) postgres.UUIDs {
	known, shares := placesOf(ctx), postgres.IDs(spaces)
	for _, id := range places {
		switch p := known[id].(type) {
		case *tenant.Instance:
			shares = append(shares, p.Space.ID.UUID)
		case *tenant.Space:
			shares = append(shares, p.ID.UUID)
		default:
			if id.Kind == globalid.Organization || id.Kind == globalid.Space || id.Kind == globalid.Instance && len(spaces) == 0 {
				shares = append(shares, id.UUID)
			}
		}
	}
	return shares
}

func byKind(ids []globalid.ID) map[globalid.Kind]postgres.UUIDs {
	of := map[globalid.Kind]postgres.UUIDs{}
	for _, id := range ids {
		of[id.Kind] = append(of[id.Kind], id.UUID)
	}
	return of
}

// lockedPlaces are the places that lockVisibleQueries have locked.
type lockedPlaces struct {
	Instances     postgres.UUIDs `db:"instances"`
	Spaces        postgres.UUIDs `db:"spaces"`
	Organizations postgres.UUIDs `db:"organizations"`
	Others        int            `db:"others"` // other rows
}

func (l lockedPlaces) has(p tenant.Place) bool {
	switch p := p.(type) {
	case *tenant.Instance:
		return slices.Contains(l.Instances, p.ID.UUID)
	case *tenant.Space:
		return slices.Contains(l.Spaces, p.ID.UUID)
	case *tenant.Organization:
		// People without a role in the organization itself may know of it because of a
		// space. They may ask for one, which decides nothing, and do nothing else with it, so
		// that it is not locked for them.
		return slices.Contains(l.Organizations, p.ID.UUID) || p.Roles == 0
	}
	return true
}

// LockSelected locks the places that a query selects, each as instance_id, as space_id or
// as organization_id, until the end of the transaction. Nobody's roles are locked.
func LockSelected(ctx context.Context, tx *postgres.Tx, strength LockStrength, query string, args ...any) error {
	var rows []struct {
		Instance     uuid.NullUUID `db:"instance_id"`
		Space        uuid.NullUUID `db:"space_id"`
		Organization uuid.NullUUID `db:"organization_id"`
	}
	if err := tx.Select(ctx, &rows, query, args...); err != nil {
		return err
	}
	places := make([]globalid.ID, len(rows))
	for i, r := range rows {
		switch {
		case r.Instance.Valid:
			places[i] = globalid.ID{Kind: globalid.Instance, UUID: r.Instance.UUID}
		case r.Space.Valid:
			places[i] = globalid.ID{Kind: globalid.Space, UUID: r.Space.UUID}
		default:
			places[i] = globalid.ID{Kind: globalid.Organization, UUID: r.Organization.UUID}
		}
	}
	return Lock(ctx, tx, Actor{}, strength, places...)
}

// LockPlaces locks the places that ids stand for, and then reads them as
// tenant.FindPlaces does. It does not lock a place that the actor may not know of: one
// statement decides that and locks. There is no such place then, even where the actor
// gets a role there before it is read, since nothing would keep it as it is.
func LockPlaces(ctx context.Context, tx *postgres.Tx, actor Actor, strength LockStrength, ids ...globalid.ID) (map[globalid.ID]tenant.Place, error) {
	if err := tx.TakeShares(sharesOf(ctx, ids, nil)...); err != nil {
		return nil, err
	}
	of, locked := byKind(ids), lockedPlaces{}
	if err := tx.Get(ctx, &locked, lockVisibleQueries[strength], postgres.IDs([]globalid.ID{actor.ID}),
		of[globalid.Instance], of[globalid.Space], of[globalid.Organization], postgres.UUIDs{}, actor.ID.UUID, of[globalid.Invitation]); err != nil {
		return nil, err
	}
	found, err := tenant.FindPlaces(ctx, tx, actor, ids)
	maps.DeleteFunc(found, func(_ globalid.ID, p tenant.Place) bool { return !locked.has(p) })
	return found, err
}

// GetLocking reads the only row of a query that locks a place and writes, in a
// transaction of its own, as one of the transactions that use the place's space: see
// postgres.DB.GetWriting.
func GetLocking(ctx context.Context, db *postgres.DB, place globalid.ID, dest any, query string, args ...any) error {
	return db.GetWriting(ctx, sharesOf(ctx, []globalid.ID{place}, nil), dest, query, args...)
}

// LockSpace locks a space exclusively, and before it its instances, in the order in which
// everybody does who locks both. It decides by a rule whether the actor may do what they
// are about to do, before it locks anything and when it has. It fails with NOT_FOUND or
// FORBIDDEN.
func LockSpace(ctx context.Context, tx *postgres.Tx, actor Actor, id globalid.ID, rule Rule) (*tenant.Space, error) {
	space, err := tenant.FindSpace(ctx, tx, actor, id)
	if err != nil {
		return nil, err
	}
	if err := CheckRole(ctx, tx, space, rule); err != nil {
		return nil, err
	}
	if err := tx.TakeShares(id.UUID); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `select from instance where space_id = $1 order by id for no key update`, id.UUID); err != nil {
		return nil, err
	}
	return LockAndCheckRole[*tenant.Space](ctx, tx, actor, id, rule, Exclusive)
}

// LockNewInstances locks the instances that were created while LockSpace waited for the
// space. It waits for nobody, because everybody else locks an instance before its space: it
// fails where somebody holds one, and the request can be repeated.
func LockNewInstances(ctx context.Context, tx *postgres.Tx, space globalid.ID) error {
	_, err := tx.Exec(ctx, `select from instance where space_id = $1 order by id for no key update nowait`, space.UUID)
	return err
}

// LockAndCheckRole locks one place, reads it, and decides by a rule whether the
// actor may do what they are about to do. It fails with NOT_FOUND, also where the
// place is of another type than P, or FORBIDDEN.
func LockAndCheckRole[P tenant.Place](ctx context.Context, tx *postgres.Tx, actor Actor, id globalid.ID, rule Rule, strength LockStrength) (place P, err error) {
	places, err := LockPlaces(ctx, tx, actor, strength, id)
	if err != nil {
		return place, err
	}
	place, _ = places[id].(P)
	return place, CheckRole(ctx, tx, place, rule)
}
