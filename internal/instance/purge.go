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

// PurgeBatch is how many rows of one table a transaction of the purge deletes at
// most.
const PurgeBatch = 1000

// Purge removes the deleted instances that could last be restored longer ago than a
// grace period, with everything in them, and returns their number. People and their
// other roles stay. Several gateways can purge at the same time: each instance is
// purged by one of them. Purge works in small transactions and can be interrupted at
// any moment.
func Purge(ctx context.Context, db *postgres.DB, grace time.Duration) (purged int, err error) {
	return PurgeParts(ctx, db, func(tx *postgres.Tx) (found, done bool, err error) { return purgePart(ctx, tx, grace) })
}

// PurgeParts purges part by part, each in a transaction of its own, until part finds
// nothing to purge or ctx ends. It returns how often part deleted the last part of a place.
func PurgeParts(ctx context.Context, db *postgres.DB, part func(*postgres.Tx) (found, done bool, err error)) (purged int, err error) {
	for ctx.Err() == nil {
		var found, done bool
		if err := db.InTx(ctx, func(tx *postgres.Tx) (err error) {
			found, done, err = part(tx)
			return err
		}); err != nil {
			return purged, err
		}
		if done {
			purged++
		}
		if !found {
			break
		}
	}
	return purged, ctx.Err()
}

// purgePart finds an instance that is to be purged and deletes a part of it. It
// reports whether it found one, and whether it deleted the last part.
func purgePart(ctx context.Context, tx *postgres.Tx, grace time.Duration) (found, done bool, err error) {
	var i struct {
		ID        uuid.UUID `db:"id"`
		Name      string    `db:"name"`
		SpaceID   uuid.UUID `db:"space_id"`
		SpaceName string    `db:"space_name"`
	}
	err = tx.Get(ctx, &i, `
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
	if done, err := Empty(ctx, tx, i.ID); !done || err != nil {
		return true, false, err
	}
	if _, err := tx.Exec(ctx, `delete from instance where id = $1`, i.ID); err != nil {
		return true, false, err
	}
	return true, true, audit.Write(ctx, tx, audit.Record{Action: audit.InstancePurged, Target: audit.Target{
		Space:    audit.Name{ID: i.SpaceID, Name: i.SpaceName},
		Instance: audit.Name{ID: i.ID, Name: i.Name},
	}})
}

// Empty deletes a part of what is in an instance that is purged, and reports whether
// nothing is left. The transaction has locked the instance.
func Empty(ctx context.Context, tx *postgres.Tx, id uuid.UUID) (done bool, err error) {
	for _, part := range []string{
		`delete from outbox where id = any (array(select id from outbox where instance_id = $1 limit $2))`,
		`delete from invitation where id = any (array(select id from invitation where instance_id = $1 limit $2))`,
		`delete from invite_link_use where ctid = any (array(
			select u.at_row from invite_link l
			cross join lateral (select ctid as at_row from invite_link_use where link_id = l.id limit $2) u
			where l.instance_id = $1 limit $2))`,
		`delete from invite_link_use where ctid = any (array(select ctid from invite_link_use where instance_id = $1 limit $2))`,
		`delete from invite_link where id = any (array(select id from invite_link where instance_id = $1 limit $2))`,
		`delete from outbox where id = any (array(
			select o.id from request r
			cross join lateral (select id from request_notice where request_id = r.id limit $2) n
			cross join lateral (select id from outbox where subject_id = n.id limit $2) o
			where r.instance_id = $1 limit $2))`,
		`delete from request where id = any (array(select id from request where instance_id = $1 limit $2))`,
		`delete from ended_membership where id = any (array(select id from ended_membership where instance_id = $1 limit $2))`,
		`delete from instance_member where instance_id = $1 and account_id = any (array(
			select account_id from instance_member where instance_id = $1 limit $2))`,
	} {
		if n, err := tx.Exec(ctx, part, id, PurgeBatch); n == PurgeBatch || err != nil {
			return false, err
		}
	}
	return true, nil
}
