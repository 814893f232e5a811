package request

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// ending is how a request ends.
type ending struct {
	status   Status
	action   audit.Action
	answer   *string
	approved []string // the addresses that were invited
}

// end ends a request that the transaction has locked, and queues a mail to the
// requester where somebody else ends it. It fails with CONFLICT where the request
// has ended, or has expired since it was read.
func (s *Service) end(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row, e ending) error {
	if err := r.checkOpen(); err != nil {
		return err
	}
	answered := e.status != Withdrawn
	n, err := tx.Exec(ctx, `
		update request
		set status = $2, ended_at = clock_timestamp(), answered_by = case when $3 then $4::uuid end, answer = $5, approved = $6
		where id = $1 and status = 'OPEN' and expires_at > clock_timestamp()`,
		r.ID, string(e.status), answered, actor.ID.UUID, e.answer, nullableArray(e.approved))
	if err != nil {
		return err
	}
	if n == 0 {
		r.Status = Expired
		return r.checkOpen()
	}
	if e.approved != nil { // the trail names only these, in the request's order
		approved := make(map[string]bool, len(e.approved))
		for _, email := range e.approved {
			approved[email] = true
		}
		r.Emails = slices.DeleteFunc(slices.Clone(r.Emails), func(email string) bool { return !approved[email] })
	}
	if err := audit.Write(ctx, tx, r.auditRecord(e.action, actor)); err != nil || !answered {
		return err
	}
	return notifyRequesters(ctx, tx, actor, r.ID)
}

// InstanceDeleted shortens the open requests about an instance: they end when it
// can no longer be restored, at the latest. The transaction has deleted the
// instance.
func (s *Service) InstanceDeleted(ctx context.Context, tx *postgres.Tx, i *tenant.Instance) error {
	_, err := tx.Exec(ctx, `
		update request set expires_at = least(lasts_until, $2)
		where id in (select id from request where instance_id = $1 and status = 'OPEN' order by id for no key update)`,
		i.ID.UUID, i.RestorableUntil)
	return err
}

// InstanceRestored approves the open requests to restore an instance, in the name
// of the actor who has restored it, and undoes InstanceDeleted for the others.
func (s *Service) InstanceRestored(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) error {
	if _, err := tx.Exec(ctx, `
		update request set expires_at = lasts_until
		where id in (select id from request where instance_id = $1 and kind <> 'RESTORE' and status = 'OPEN' order by id for no key update)`,
		i.ID.UUID); err != nil {
		return err
	}
	_, err := s.endAll(ctx, tx, actor, audit.RequestApproved, `
		with r as (
			update request set status = 'APPROVED', ended_at = clock_timestamp(), answered_by = $2
			where id in (select id from request where instance_id = $1 and kind = 'RESTORE' and status = 'OPEN' order by id for no key update)
			returning *)
		select `+allColumns+` from r `+tables+` order by r.id`, i.ID.UUID, actor.ID.UUID)
	return err
}

// EndExpired stores that requests have expired, of 100 at most, queues mails to
// their requesters, and returns their number. Several gateways can do it at the
// same time.
func (s *Service) EndExpired(ctx context.Context) (n int64, err error) {
	err = s.DB.InTx(ctx, func(tx *postgres.Tx) (err error) {
		n, err = s.endAll(ctx, tx, access.Actor{}, audit.RequestExpired, expireAny)
		return err
	})
	return n, err
}

var (
	expireAny = expireQuery(`true order by expires_at limit 100 for no key update skip locked`)
	// expireOwn is about requests of person $1, of kind $2, about place $3.
	expireOwn = expireQuery(`requested_by = $1 and kind = $2 and coalesce(instance_id, space_id) = $3 for no key update`)
)

func expireQuery(condition string) string {
	return `
		with r as (
			update request set status = 'EXPIRED', ended_at = expires_at
			where id in (select id from request where status = 'OPEN' and expires_at <= statement_timestamp() and ` + condition + `)
			returning *)
		select ` + allColumns + ` from r ` + tables + ` order by r.id`
}

// endAll runs a query that ends requests and selects them. It writes the trail,
// queues mails to the requesters, and returns the number of requests. A zero actor
// is the gateway itself.
func (s *Service) endAll(ctx context.Context, tx *postgres.Tx, actor access.Actor, action audit.Action, query string, args ...any) (int64, error) {
	var rows []row
	if err := tx.Select(ctx, &rows, query, args...); err != nil || len(rows) == 0 {
		return 0, err
	}
	records, ids := make([]audit.Record, len(rows)), make([]uuid.UUID, len(rows))
	for i := range rows {
		records[i], ids[i] = rows[i].auditRecord(action, actor), rows[i].ID
	}
	if err := audit.Write(ctx, tx, records...); err != nil {
		return 0, err
	}
	return int64(len(rows)), notifyRequesters(ctx, tx, actor, ids...)
}
