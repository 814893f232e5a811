package outbox

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Every statement of this package that locks several rows locks them in the order
// of their ids, so that two of them cannot deadlock.

// A mail about an invitation to a space names no instance. It is found by its invitation.

// The states are parameters of the statements below: a literal lets PostgreSQL read the
// partial index of all jobs in that state, of whatever instance.

// Hold stops further attempts at the jobs of an instance. An attempt that is
// running is not interrupted; if it would be repeated, the job is held instead.
func Hold(ctx context.Context, tx *postgres.Tx, instance globalid.ID) error {
	_, err := tx.Exec(ctx, `
		update outbox set state = 'HELD'
		where id = any (array(select id from outbox where instance_id = $1 and state = $2 order by id for no key update))`, instance.UUID, stateQueued)
	return err
}

// HoldSpace stops further attempts at the jobs of a space: those of its instances, and those
// of invitations to administrate it.
func HoldSpace(ctx context.Context, tx *postgres.Tx, space globalid.ID) error {
	_, err := tx.Exec(ctx, holdSpace, space.UUID, stateQueued)
	return err
}

const holdSpace = `
	update outbox set state = 'HELD' where id = any (array(` + ofSpace + ` order by id for no key update))`

// ReleaseSpace makes the held jobs of a space due, as Release does, except those of deleted
// instances.
func ReleaseSpace(ctx context.Context, tx *postgres.Tx, space globalid.ID) error {
	_, err := tx.Exec(ctx, releaseSpace, space.UUID, stateHeld)
	return err
}

// ofSpace selects the jobs of space $1 in state $2, without those of deleted instances.
const ofSpace = `
	select id from outbox where state = $2 and id = any (array(
		select id from outbox where instance_id = any (array(select id from instance where space_id = $1 and deleted_at is null)) and state = $2
		union all
		select o.id from invitation v cross join lateral (select id from outbox where subject_id = v.id and state = $2 limit 1000) o
		where v.space_id = $1))`

// Release makes the held jobs of an instance due at once, except those of uncertain
// attempts: their pauses go on.
func Release(ctx context.Context, tx *postgres.Tx, instance globalid.ID) error {
	_, err := tx.Exec(ctx, releaseInstance, instance.UUID, stateHeld)
	return err
}

var (
	releaseInstance = releaseQuery(`select id from outbox where instance_id = $1 and state = $2`)
	releaseSpace    = releaseQuery(ofSpace)
)

func releaseQuery(selected string) string {
	return `
		update outbox
		set state = 'QUEUED', next_attempt_at = case when lease is null and uncertain = 0 then clock_timestamp() else next_attempt_at end
		where id = any (array(` + selected + ` order by id for no key update))`
}
