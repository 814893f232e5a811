package request

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
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

// openAbout locks the open requests of kinds $2 about instance $1 after id $3, endBatch at
// most, and selects their ids. It is bounded, and compares rows, because a plan that is
// made for any instance may read all open requests otherwise: see withStatus.
var openAbout = fmt.Sprintf(`
	select id from request where status = 'OPEN' and id = any (array(
		select r.id from unnest($2::text[]) as k (kind) cross join lateral (
			select r.id from request r
			where r.instance_id = $1 and r.kind = k.kind and r.status <= 'OPEN' and (r.status, r.id) > ('OPEN', $3)
			order by r.status, r.id limit %[1]d) r
		order by r.id limit %[1]d))
	order by id for no key update`, endBatch)

// endBatch is how many requests about an instance one statement changes.
const endBatch = 1000

// InstanceDeleted shortens the open requests about an instance: they end when it
// can no longer be restored, at the latest. The transaction has deleted the
// instance.
func (s *Service) InstanceDeleted(ctx context.Context, tx *postgres.Tx, i *tenant.Instance) error {
	return changeAbout(ctx, tx, i.ID, Kinds, shortenAbout, i.RestorableUntil)
}

// SpaceDeleted shortens the open requests in a space: they end when it can no longer be
// restored, at the latest. The transaction has deleted the space.
func (s *Service) SpaceDeleted(ctx context.Context, tx *postgres.Tx, space *tenant.Space) error {
	return changeIn(ctx, tx, space.ID, shortenIn, space.RestorableUntil)
}

// SpaceRestored approves the open requests to restore a space, in the name of the actor
// who has restored it, and undoes SpaceDeleted for the others: those about instances that
// are deleted themselves end with these.
func (s *Service) SpaceRestored(ctx context.Context, tx *postgres.Tx, actor access.Actor, space *tenant.Space) error {
	if err := changeIn(ctx, tx, space.ID, prolongIn); err != nil {
		return err
	}
	for {
		n, err := s.endAll(ctx, tx, actor, audit.RequestApproved, approveIn, space.ID.UUID, actor.ID.UUID)
		if n < endBatch || err != nil {
			return err
		}
	}
}

// openIn locks the open requests in space $1 after id $2, endBatch at most, and selects
// their ids. It compares rows for the reason of openAbout.
var openIn = openInSpace(`$2`, `true`)

func openInSpace(after, condition string) string {
	return fmt.Sprintf(`
	select id from request where status = 'OPEN' and id = any (array(
		select r.id from request r
		where r.space_id = $1 and r.status <= 'OPEN' and (r.status, r.id) > ('OPEN', %s) and %s
		order by r.status, r.id limit %d))
	order by id for no key update`, after, condition, endBatch)
}

var (
	shortenIn = changeQuery(`expires_at = least(r.expires_at, $3)`, openIn)
	prolongIn = changeQuery(`expires_at = case r.kind
		when 'RESTORE' then coalesce((select restorable_until from instance where id = r.instance_id), r.expires_at)
		else least(r.lasts_until, (select restorable_until from instance where id = r.instance_id)) end`, openIn)

	approveIn = `
	with r as (
		update request set status = 'APPROVED', ended_at = clock_timestamp(), answered_by = $2
		where id = any (array(` + openInSpace(`'00000000-0000-0000-0000-000000000000'`, `r.kind = 'RESTORE' and r.instance_id is null`) + `))
		returning *)
	select ` + allColumns + ` from r ` + tables + ` order by r.id`
)

// changeIn runs a query of changeQuery for all open requests in a space. The arguments are
// those after openIn's.
func changeIn(ctx context.Context, tx *postgres.Tx, space globalid.ID, query string, args ...any) error {
	return changeAll(func(after uuid.UUID) (changed []uuid.UUID, err error) {
		err = tx.Select(ctx, &changed, query, append([]any{space.UUID, after}, args...)...)
		return changed, err
	})
}

// InstanceRestored approves the open requests to restore an instance, in the name
// of the actor who has restored it, and undoes InstanceDeleted for the others.
func (s *Service) InstanceRestored(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) error {
	if err := changeAbout(ctx, tx, i.ID, []Kind{Role, Invitations}, prolongAbout); err != nil {
		return err
	}
	for {
		n, err := s.endAll(ctx, tx, actor, audit.RequestApproved, approveAbout, i.ID.UUID, pq.Array([]Kind{Restore}), uuid.Nil, actor.ID.UUID)
		if n < endBatch || err != nil {
			return err
		}
	}
}

var approveAbout = endQuery(`status = 'APPROVED', ended_at = clock_timestamp(), answered_by = $4`, openAbout)

var (
	shortenAbout = changeQuery(`expires_at = least(r.lasts_until, $4)`, openAbout)
	prolongAbout = changeQuery(`expires_at = r.lasts_until`, openAbout)
)

// changeQuery changes the requests r of a query that selects open ones, openAbout or openIn.
func changeQuery(change, open string) string {
	return `
		with changed as (update request r set ` + change + ` where id = any (array(` + open + `)) returning id)
		select id from changed order by id`
}

// changeAbout runs a query of changeQuery for all open requests of some kinds about
// an instance. The arguments are those after openAbout's.
func changeAbout(ctx context.Context, tx *postgres.Tx, instance globalid.ID, kinds []Kind, query string, args ...any) error {
	return changeAll(func(after uuid.UUID) (changed []uuid.UUID, err error) {
		err = tx.Select(ctx, &changed, query, append([]any{instance.UUID, pq.Array(kinds), after}, args...)...)
		return changed, err
	})
}

// changeAll changes requests batch by batch. change returns the ids that it changed after
// an id, in their order.
func changeAll(change func(after uuid.UUID) (changed []uuid.UUID, err error)) error {
	for after := uuid.Nil; ; {
		changed, err := change(after)
		// A batch is smaller where requests expire meanwhile.
		if len(changed) == 0 || err != nil {
			return err
		}
		after = changed[len(changed)-1]
	}
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
	// expireOwn are about requests of person $1, of kind $2, about place $3, in an organization
	// for role $4.
	expireOwn = ownQueries{
		inSpace:        expireQuery(`requested_by = $1 and kind = $2 and coalesce(instance_id, space_id) = $3 and ($4::text is null or true) for no key update`),
		inOrganization: expireQuery(`requested_by = $1 and kind = $2 and organization_id = $3 and role = $4 for no key update`),
	}
)

func expireQuery(condition string) string {
	return endQuery(`status = 'EXPIRED', ended_at = expires_at`, `
		select id from request where status = 'OPEN' and expires_at <= statement_timestamp() and `+condition)
}

// endQuery is for endAll: it changes the requests that a query locks, and selects them.
func endQuery(change, locked string) string {
	return `
		with r as (update request set ` + change + ` where id = any (array(` + locked + `)) returning *)
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
