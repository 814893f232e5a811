package outbox

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Every statement of this package that locks several rows locks them in the order
// of their ids, so that two of them cannot deadlock.

// The states are parameters of the statements below: a literal lets PostgreSQL read the
// partial index of all jobs in that state, of whatever instance.

// Hold stops further attempts at the jobs of an instance. An attempt that is
// running is not interrupted; if it would be repeated, the job is held instead.
func Hold(ctx context.Context, tx *postgres.Tx, instance globalid.ID) error {
	_, err := tx.Exec(ctx, `
		update outbox set state = 'HELD'
		where id = any (array(select id from outbox where instance_id = $1 and state = $2 order by id for no key update))`, instance.UUID, "QUEUED")
	return err
}

// Release makes the held jobs of an instance due at once, except those of uncertain
// attempts: their pauses go on.
func Release(ctx context.Context, tx *postgres.Tx, instance globalid.ID) error {
	_, err := tx.Exec(ctx, `
		update outbox
		set state = 'QUEUED', next_attempt_at = case when lease is null and uncertain = 0 then clock_timestamp() else next_attempt_at end
		where id = any (array(select id from outbox where instance_id = $1 and state = $2 order by id for no key update))`, instance.UUID, "HELD")
	return err
}
