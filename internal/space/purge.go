package space

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Purge removes the deleted spaces that could last be restored longer ago than a grace
// period, with everything in them, and returns their number. People and their other roles
// stay, and so does the trail, in which the organization's managers find the purge. Several
// gateways can purge at the same time: each space is purged by one of them. Purge works in
// small transactions and can be interrupted at any moment.
func Purge(ctx context.Context, db *postgres.DB, grace time.Duration) (purged int, err error) {
	return instance.PurgeParts(ctx, db, func(tx *postgres.Tx) (found, done bool, err error) { return purgePart(ctx, tx, grace) })
}

// purgePart finds a space that is to be purged and deletes a part of it. It reports
// whether it found one, and whether it deleted the last part.
func purgePart(ctx context.Context, tx *postgres.Tx, grace time.Duration) (found, done bool, err error) {
	var s struct {
		ID               uuid.UUID `db:"id"`
		Name             string    `db:"name"`
		OrganizationID   uuid.UUID `db:"organization_id"`
		OrganizationName string    `db:"organization_name"`
	}
	err = tx.Get(ctx, &s, `
		select s.id, s.name, s.organization_id, o.name as organization_name
		from space s cross join lateral (select name from organization where id = s.organization_id limit 1) o
		where s.restorable_until <= statement_timestamp() - $1 * interval '1 second'
		order by s.restorable_until limit 1 for update of s skip locked`, grace.Seconds())
	if errors.Is(err, sql.ErrNoRows) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	// Others lock an instance and then its space, so that the purge must not wait for one.
	var instances []uuid.UUID
	if err := tx.Select(ctx, &instances, `select id from instance where space_id = $1 order by id limit 1 for update skip locked`, s.ID); err != nil {
		return true, false, err
	}
	if len(instances) > 0 {
		if empty, err := instance.Empty(ctx, tx, instances[0]); !empty || err != nil {
			return true, false, err
		}
		_, err := tx.Exec(ctx, `delete from instance where id = $1`, instances[0])
		return true, false, err
	}
	var locked bool
	if err := tx.Get(ctx, &locked, `select exists (select from instance where space_id = $1)`, s.ID); locked || err != nil {
		return false, false, err // the next purge goes on
	}
	for _, part := range []string{
		`delete from outbox where id = any (array(
			select o.id from invitation v
			cross join lateral (select id from outbox where subject_id = v.id limit $2) o
			where v.space_id = $1 limit $2))`,
		`delete from invitation where id = any (array(select id from invitation where space_id = $1 limit $2))`,
		`delete from invite_link_use where ctid = any (array(
			select u.at_row from invite_link l
			cross join lateral (select ctid as at_row from invite_link_use where link_id = l.id limit $2) u
			where l.space_id = $1 limit $2))`,
		`delete from invite_link where id = any (array(select id from invite_link where space_id = $1 limit $2))`,
		`delete from outbox where id = any (array(
			select o.id from request r
			cross join lateral (select id from request_notice where request_id = r.id limit $2) n
			cross join lateral (select id from outbox where subject_id = n.id limit $2) o
			where r.space_id = $1 limit $2))`,
		`delete from request where id = any (array(select id from request where space_id = $1 limit $2))`,
		`delete from outbox where id = any (array(
			select o.id from membership_reminder r
			cross join lateral (select id from outbox where subject_id = r.id limit $2) o
			where r.space_id = $1 limit $2))`,
		`delete from membership_reminder where id = any (array(select id from membership_reminder where space_id = $1 limit $2))`,
		`delete from ended_membership where id = any (array(select id from ended_membership where space_id = $1 limit $2))`,
	} {
		if n, err := tx.Exec(ctx, part, s.ID, instance.PurgeBatch); n == instance.PurgeBatch || err != nil {
			return true, false, err
		}
	}
	if err := tx.Get(ctx, &done, `select space_delete_expired($1)`, s.ID); !done || err != nil {
		return true, false, err
	}
	return true, true, audit.Write(ctx, tx, audit.Record{Action: audit.SpacePurged, Target: audit.Target{
		Space:        audit.Name{ID: s.ID, Name: s.Name},
		Organization: audit.Name{ID: s.OrganizationID, Name: s.OrganizationName},
	}})
}
