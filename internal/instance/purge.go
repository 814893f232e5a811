package instance

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// purgeBatch is how many rows of one kind a transaction of the purge removes at
// most.
const purgeBatch = 1000

// Purge removes for good the deleted instances that nobody could restore any
// more for a time of grace, with everything in them, and gives their number.
// People and their other roles stay. Any number of gateways can purge at once:
// each instance is one's alone. It works in small transactions, each of which
// decides anew, and can be ended at any moment.
func Purge(ctx context.Context, db *postgres.DB, grace time.Duration) (purged int, err error) {
	for ctx.Err() == nil {
		var more, gone bool
		if err := db.InTx(ctx, func(tx *postgres.Tx) (err error) {
			more, gone, err = purgeSome(ctx, tx, grace)
			return err
		}); err != nil {
			return purged, err
		}
		if gone {
			purged++
		}
		if !more {
			break
		}
	}
	return purged, ctx.Err()
}

// purgeSome removes a part of an instance that is due and, where nothing is left
// in it, the instance: gone. There is more to do unless none is due.
func purgeSome(ctx context.Context, tx *postgres.Tx, grace time.Duration) (more, gone bool, err error) {
	var due struct {
		ID        uuid.UUID `db:"id"`
		Name      string    `db:"name"`
		SpaceID   uuid.UUID `db:"space_id"`
		SpaceName string    `db:"space_name"`
	}
	// A restoration holds the row, or finds it gone.
	err = tx.Get(ctx, &due, `
		select i.id, i.name, i.space_id, s.name as space_name
		from instance i join space s on s.id = i.space_id
		where i.restorable_until <= statement_timestamp() - $1 * interval '1 second'
		order by i.restorable_until limit 1 for update of i skip locked`, grace.Seconds())
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	for _, part := range []string{
		`delete from outbox where id in (select id from outbox where instance_id = $1 limit $2)`,
		`delete from invitation where id in (select id from invitation where instance_id = $1 limit $2)`,
		`delete from outbox where id in (
			select o.id from request r join request_notice n on n.request_id = r.id join outbox o on o.subject_id = n.id
			where r.instance_id = $1 limit $2)`,
		`delete from request where id in (select id from request where instance_id = $1 limit $2)`,
		`delete from instance_member where (instance_id, account_id) in (
			select instance_id, account_id from instance_member where instance_id = $1 limit $2)`,
	} {
		if n, err := tx.Exec(ctx, part, due.ID, purgeBatch); n == purgeBatch || err != nil {
			return true, false, err
		}
	}
	if _, err := tx.Exec(ctx, `delete from instance where id = $1`, due.ID); err != nil {
		return true, false, err
	}
	return true, true, audit.Write(ctx, tx, audit.Record{Action: audit.InstancePurged, Target: audit.Target{
		Space:    audit.Name{ID: due.SpaceID, Name: due.SpaceName},
		Instance: audit.Name{ID: due.ID, Name: due.Name},
	}})
}
