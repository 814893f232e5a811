package outbox

import (
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// DeleteFinished deletes jobs that are done, whatever their outcome, and whose last
// attempt is longer than a retention time ago: 1,000 at most, whose number it
// returns. Several gateways can do it at the same time.
//
// It needs no index of its own, which every mail would have to be entered in: ids
// are in the order of the time, so that what is due is among the first rows.
func DeleteFinished(ctx context.Context, q postgres.Querier, retention time.Duration) (int64, error) {
	return q.Exec(ctx, `
		delete from outbox where id = any (array(
			select id from outbox
			where id = any (array(
				select id from (
					select id, state, coalesce(attempted_at, created_at) as at from outbox order by id limit 5000) oldest
				where state not in ('QUEUED', 'HELD') and at <= statement_timestamp() - $1 * interval '1 second'
				limit 1000))
			order by id for update skip locked))`, retention.Seconds())
}
