package request

import (
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// DeleteEnded deletes requests that ended longer than a retention time ago, with
// their mails, 500 at most, and returns their number. Several gateways can do it at
// the same time.
func DeleteEnded(ctx context.Context, q postgres.Querier, retention time.Duration) (int64, error) {
	return q.Exec(ctx, `
		with ended as materialized (
			select id from request
			where ended_at <= statement_timestamp() - $1 * interval '1 second'
			order by ended_at limit 500 for update skip locked),
		mails as (
			delete from outbox where id in (
				select o.id from request_notice n join outbox o on o.subject_id = n.id
				where n.request_id in (select id from ended) order by o.id for update of o))
		delete from request where id in (select id from ended)`, retention.Seconds())
}
