package access

import (
	"context"

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

// lockQueries lock places, and the rows that give the accounts $1 their roles there. They
// lock in the order of the ids, so that two transactions never wait for each other
// in a circle. Each query is made once, as postgres.Querier asks.
var lockQueries = map[LockStrength]string{Shared: lockQuery(Shared), Exclusive: lockQuery(Exclusive)}

// The counts force PostgreSQL to run the queries of the WITH clause: an
// unreferenced SELECT is skipped.
func lockQuery(strength LockStrength) string {
	return `
		with locked_instance as materialized (
			select id, space_id from instance where id = any ($2::uuid[]) order by id for ` + string(strength) + `),
		locked_space as materialized (
			select id from space where id = any ($3::uuid[]) order by id for ` + string(strength) + `),
		shared_space as materialized (
			select id from space where id = any ($5::uuid[]) order by id for share),
		administrator as materialized (
			select from space_administrator
			where account_id = any ($1::uuid[])
			and space_id in (select space_id from locked_instance union select id from locked_space union select id from shared_space)
			order by space_id, account_id for share),
		member as materialized (
			select from instance_member
			where account_id = any ($1::uuid[]) and instance_id in (select id from locked_instance)
			order by instance_id, account_id for share),
		belonging as materialized (
			select from organization_member
			where account_id = any ($1::uuid[]) and organization_id = any ($4::uuid[])
			order by organization_id, account_id for share)
		select (select count(*) from locked_instance), (select count(*) from locked_space), (select count(*) from shared_space),
		       (select count(*) from administrator), (select count(*) from member), (select count(*) from belonging)`
}

// Lock locks places, and the actor's roles in them, until the end of the
// transaction. An organization itself is not locked. A statement that had to wait
// for a lock still sees the data of before the wait, so read what you decide by in
// a later statement.
func Lock(ctx context.Context, tx *postgres.Tx, actor Actor, strength LockStrength, places ...globalid.ID) error {
	return Locks{Places: places, Strength: strength, Accounts: []globalid.ID{actor.ID}}.Take(ctx, tx)
}

// Locks are what a transaction that changes something in some places locks.
type Locks struct {
	Places   []globalid.ID
	Strength LockStrength
	// Spaces are locked Shared. Removing somebody from a space locks it Exclusive.
	Spaces []globalid.ID
	// Accounts are people whose roles in all these must not change.
	Accounts []globalid.ID
}

// Take locks until the end of the transaction, as the function Lock does.
func (l Locks) Take(ctx context.Context, tx *postgres.Tx) error {
	of := map[globalid.Kind]postgres.UUIDs{}
	for _, id := range l.Places {
		of[id.Kind] = append(of[id.Kind], id.UUID)
	}
	_, err := tx.Exec(ctx, lockQueries[l.Strength], postgres.IDs(l.Accounts),
		of[globalid.Instance], of[globalid.Space], of[globalid.Organization], postgres.IDs(l.Spaces))
	return err
}

// LockPlaces locks the places that ids stand for, and then reads them as
// tenant.FindPlaces does.
func LockPlaces(ctx context.Context, tx *postgres.Tx, actor Actor, strength LockStrength, ids ...globalid.ID) (map[globalid.ID]tenant.Place, error) {
	resolved, err := tenant.ResolvePlaces(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	if err := Lock(ctx, tx, actor, strength, resolved.IDs...); err != nil {
		return nil, err
	}
	return resolved.Find(ctx, tx, actor)
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
