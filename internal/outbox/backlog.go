package outbox

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Backlog counts the waiting jobs of one kind in one state: DUE, LEASED (a gateway
// works on them), DELAYED (to be attempted again later) or HELD.
type Backlog struct {
	Kind    string  `db:"kind"`
	State   string  `db:"state"`
	Jobs    int     `db:"jobs"`
	Age     float64 `db:"age"`     // of the oldest job, in seconds
	Overdue float64 `db:"overdue"` // of the job that has been due longest, in seconds; not positive if none is due
}

// ReadBacklog returns the backlog of each kind and state. To stay fast it counts at
// most 10,000 queued jobs, those due first, and at most 10,000 held jobs.
func ReadBacklog(ctx context.Context, q postgres.Querier) (backlogs []Backlog, err error) {
	err = q.Select(ctx, &backlogs, `
		select kind,
		       case when state = 'HELD' then 'HELD' when next_attempt_at <= statement_timestamp() then 'DUE'
		            when lease is not null then 'LEASED' else 'DELAYED' end as state,
		       count(*) as jobs,
		       extract(epoch from statement_timestamp() - min(created_at))::float8 as age,
		       coalesce(extract(epoch from statement_timestamp() - min(next_attempt_at) filter (where state = 'QUEUED')), 0)::float8 as overdue
		from ((select kind, state, next_attempt_at, lease, created_at from outbox
		       where state = 'QUEUED' order by next_attempt_at limit 10000)
		      union all
		      (select kind, state, next_attempt_at, lease, created_at from outbox
		       where state = 'HELD' order by instance_id limit 10000)) w
		group by 1, 2 order by 1, 2`)
	return backlogs, err
}
