package outbox

import (
	"cmp"
	"context"
	"errors"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/telemetry/recovery"
)

// batchSize is how many jobs a worker claims at most. The limit in claim is the same.
const batchSize = 20

// claimQuery leases the jobs that have been due longest. Three details let PostgreSQL find
// them by the index outbox_due and by their ids, however many rows there are:
// statement_timestamp() is stable, where clock_timestamp() is volatile; the limit is a
// literal, because a generic plan expects an unknown limit to return a tenth of all rows;
// and the array has the ids, where a plan for a join may read the whole table.
const claimQuery = `
	with due as materialized (
		select id, submitted and lease is not null as lost from outbox
		where kind = $1 and state = 'QUEUED' and next_attempt_at <= statement_timestamp() and (lease is null or $3)
		order by next_attempt_at limit 20 for update skip locked)
	update outbox o
	set attempts = attempts + 1, lease = gen_random_uuid(), next_attempt_at = clock_timestamp() + $2 * interval '1 second'
	from due
	where o.id = due.id and o.id = any (array(select id from due))
	returning o.id, o.subject_id, coalesce(o.secret, '') as secret, o.attempts, o.lease, o.uncertain, due.lost`

// claim leases the jobs that have been due longest. It returns those that are not this
// gateway's already, and how many there were with the others.
//
// After the database was away, leases that ended meanwhile are left alone for the time
// of a lease: their gateways could not renew them, and may have outcomes to store.
func (q *Queue) claim(ctx context.Context) (jobs []Job, claimed int, err error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	q.owned.claiming.RLock()
	defer q.owned.claiming.RUnlock()
	err = q.DB.Select(ctx, &jobs, claimQuery, q.Kind, q.lease().Seconds(), q.owned.takesOver(q.lease()))
	if err != nil && !errors.Is(err, postgres.ErrPoolFull) {
		q.owned.databaseFailed()
	}
	for i := range jobs {
		jobs[i].queue = q
	}
	return q.owned.add(jobs), len(jobs), err
}

// keepLeases renews the leases of jobs until done is closed, each time when a third of
// them is over. If it fails, the leases expire and the jobs are attempted again, by another
// gateway.
func (q *Queue) keepLeases(ctx context.Context, jobs []Job, done <-chan struct{}) {
	recovery.Do(ctx, q.Log, "outbox", func() {
		next := q.lease() / 3
		for _, job := range jobs {
			if !job.leasedAt.IsZero() {
				next = min(next, q.lease()/3-time.Since(job.leasedAt))
			}
		}
		for {
			select {
			case <-done:
				return
			case <-time.After(next):
			}
			next = q.lease() / 3
			if err := q.renew(ctx, jobs); err != nil {
				q.logError(err)
			}
		}
	})
}

// renew extends the leases that are still this gateway's. A job whose outcome is
// stored already has no lease.
func (q *Queue) renew(ctx context.Context, jobs []Job) error {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	leases, _ := q.owned.leases(jobs)
	_, err := q.DB.Exec(ctx, `
		update outbox set next_attempt_at = clock_timestamp() + $3 * interval '1 second'
		where id = any (array(
			select o.id from outbox o join unnest($1::uuid[], $2::uuid[]) as j (id, lease) on o.id = j.id and o.lease = j.lease
			where o.id = any ($1::uuid[]) order by o.id for no key update of o))`, ids(jobs), leases, q.lease().Seconds())
	return err
}

func (q *Queue) lease() time.Duration { return cmp.Or(q.Lease, defaultLease) }

func ids(jobs []Job) (ids postgres.UUIDs) {
	for _, job := range jobs {
		ids = append(ids, job.ID)
	}
	return ids
}
