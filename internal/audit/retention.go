package audit

import (
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// DeleteOld deletes records of the trail that are older than a retention time, 1,000
// at most, and returns their number. The database refuses a time under 30 days.
// Several gateways can do it at the same time.
func DeleteOld(ctx context.Context, q postgres.Querier, retention time.Duration) (n int64, err error) {
	err = q.Get(ctx, &n, `select audit_log_delete_old($1 * interval '1 second', 1000)`, retention.Seconds())
	return n, err
}
