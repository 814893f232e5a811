// Package event publishes changes in a place to the people who watch it, whichever
// gateway makes the change.
//
// Triggers of the database record every change in the table event, in the
// transaction that makes it. While somebody watches, a gateway reads four times a
// second what was committed since its last read. Unlike PostgreSQL's NOTIFY, this
// makes no commit wait for another one, and loses nothing while the database is
// away.
package event

import (
	"context"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Event is a change of some subjects in a place.
type Event struct {
	Topic    string
	Place    uuid.UUID
	Change   string
	Subjects []uuid.UUID
	At       time.Time
}

// A position is how far a feed has read. Transaction ids, and with them snapshots,
// have a meaning in the history of one cluster only.
type position struct {
	history  string    // the cluster's system identifier and timeline
	snapshot string    // everything visible in it has been read; "" before the first read
	moment   time.Time // everything that expired up to it has been read
}

// readSince reads the events in some places that were committed since a position, in
// their order, and returns the position of this read. Where the database has another
// history than that position, it returns no events.
func readSince(ctx context.Context, q postgres.Querier, places []globalid.ID, since position) (events []Event, now position, err error) {
	var rows []struct {
		History  string         `db:"history"`
		Snapshot string         `db:"snapshot"`
		Moment   time.Time      `db:"moment"`
		Topic    *string        `db:"topic"`
		PlaceID  uuid.NullUUID  `db:"place_id"`
		Change   *string        `db:"change"`
		At       *time.Time     `db:"at"`
		Subjects postgres.UUIDs `db:"subjects"`
	}
	// Events become visible when their transaction commits, not in the order of
	// their ids. A snapshot knows which transactions have been committed. The events of a
	// restored dump have the transaction ids of another cluster: those ahead of this
	// one's are not news. The name of the current WAL file begins with the timeline; the
	// control file has that of the last checkpoint.
	err = q.Select(ctx, &rows, `
		select p.history, p.snapshot::text, p.moment, e.topic, e.place_id, e.change, e.at, e.subjects
		from (
			select pg_current_snapshot() as snapshot, clock_timestamp() as moment, nullif($2, '')::pg_snapshot as since,
				(select system_identifier from pg_control_system()) || '/'
				|| case when pg_is_in_recovery() then '' else left(pg_walfile_name(pg_current_wal_lsn()), 8) end as history) p
		left join event e on p.history = $3 and e.place_id = any ($1::uuid[])
			and e.xid >= pg_snapshot_xmin(p.since) and not pg_visible_in_snapshot(e.xid, p.since)
			and pg_visible_in_snapshot(e.xid, p.snapshot)
		order by e.id`, postgres.IDs(places), since.snapshot, since.history)
	if err != nil {
		return nil, position{}, err
	}
	for _, r := range rows {
		now = position{r.History, r.Snapshot, r.Moment}
		if r.Topic == nil {
			continue
		}
		events = append(events, Event{Topic: *r.Topic, Place: r.PlaceID.UUID, Change: *r.Change, Subjects: r.Subjects, At: *r.At})
	}
	return events, now, nil
}

// deleteForeign deletes events with transaction ids that this cluster has yet to reach.
// They come from a dump of another cluster, and would be news when it reaches them.
func deleteForeign(ctx context.Context, q postgres.Querier) error {
	_, err := q.Exec(ctx, `delete from event where xid >= pg_snapshot_xmax(pg_current_snapshot())`)
	return err
}

// DeleteOld deletes events that are older than an hour, 1,000 at most, and returns
// their number.
func DeleteOld(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from event where id = any (array(
			select id from event where at <= statement_timestamp() - interval '1 hour' order by at limit 1000))`)
}
