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
			delete from outbox where id = any (array(
				select id from outbox where subject_id = any (array(
					select id from request_notice where request_id = any (array(select id from ended))))
				order by id for update)))
		delete from request where id = any (array(select id from ended))`, retention.Seconds())
}
