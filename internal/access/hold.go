package access

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Lock is how strongly a transaction keeps others off a place.
type Lock string

// The locks: Shared ones bear one another, and keep off an Exclusive one.
const (
	Shared    Lock = "share"
	Exclusive Lock = "no key update"
)

// holdQueries lock places, in the order of their ids, so that two transactions
// never wait for each other in a circle, and the rows that give account $1 its
// roles there. Each query is a constant, as postgres.Querier asks.
var holdQueries = map[Lock]string{Shared: holdQuery(Shared), Exclusive: holdQuery(Exclusive)}

func holdQuery(lock Lock) string {
	return `
		with held as materialized (
			select id, space_id from instance where id = any ($2::uuid[]) order by id for ` + string(lock) + `),
		space as materialized (
			select id from space where id = any ($3::uuid[]) order by id for ` + string(lock) + `),
		administrator as materialized (
			select from space_administrator
			where account_id = $1 and space_id in (select space_id from held union select id from space)
			order by space_id for share),
		member as materialized (
			select from instance_member
			where account_id = $1 and instance_id in (select id from held)
			order by instance_id for share),
		organization_member as materialized (
			select from organization_member
			where account_id = $1 and organization_id = any ($4::uuid[])
			order by organization_id for share)
		select (select count(*) from held), (select count(*) from space), (select count(*) from administrator),
		       (select count(*) from member), (select count(*) from organization_member)`
}

// Keep keeps others off places, and off the actor's roles in them, until the
// end of the transaction. An organization itself is not locked. Whoever waited
// for it reads what was there before the wait, up to the end of the statement:
// what counts is read in a later one.
func Keep(ctx context.Context, tx *postgres.Tx, actor Actor, lock Lock, places ...globalid.ID) error {
	of := map[globalid.Kind]globalid.Array{globalid.Instance: {}, globalid.Space: {}, globalid.Organization: {}}
	for _, id := range places {
		of[id.Kind] = append(of[id.Kind], id)
	}
	_, err := tx.Exec(ctx, holdQueries[lock], actor.ID.UUID, of[globalid.Instance], of[globalid.Space], of[globalid.Organization])
	return err
}

// Hold keeps others off the places that ids stand for, and then reads them as
// FindPlaces does.
func Hold(ctx context.Context, tx *postgres.Tx, actor Actor, lock Lock, ids ...globalid.ID) (map[globalid.ID]Place, error) {
	standing, places, err := resolve(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	if err := Keep(ctx, tx, actor, lock, places...); err != nil {
		return nil, err
	}
	return findPlaces(ctx, tx, actor, standing, places)
}

// HoldOne holds one place, and decides by a rule whether the actor may do what
// she is about to. It fails with NOT_FOUND, also where the place is of another
// type, or FORBIDDEN.
func HoldOne[P Place](ctx context.Context, tx *postgres.Tx, actor Actor, id globalid.ID, rule Rule, lock Lock) (place P, err error) {
	places, err := Hold(ctx, tx, actor, lock, id)
	if err != nil {
		return place, err
	}
	place, _ = places[id].(P)
	return place, Permit(ctx, tx, place, rule)
}
