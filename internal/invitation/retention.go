package invitation

import (
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Retention is how long an invitation is kept after its end, and a record of the
// trail: what invited people are told.
type Retention struct {
	TTL               time.Duration // how long an invitation can be accepted
	Invitation, Trail time.Duration
}

// keptUntil returns when the invitation is deleted, unless something happens to it.
func (r Retention) keptUntil(v *storedRow) time.Time {
	end := v.ExpiresAt
	if v.EndedAt != nil {
		end = *v.EndedAt
	}
	return end.Add(r.Invitation)
}

// loggedUntil returns when the trail no longer says that the address was invited,
// unless something happens to the invitation. The last record is of its end or of its
// last mail, a TTL before it expires.
func (r Retention) loggedUntil(v *storedRow) time.Time {
	last := v.ExpiresAt.Add(-r.TTL)
	if v.EndedAt != nil {
		last = *v.EndedAt
	}
	return last.Add(r.Trail)
}

// KeptUntil returns when an invitation is deleted, unless something happens to it.
func (s *Service) KeptUntil(v *Invitation) time.Time { return s.Retention.keptUntil(&v.row.storedRow) }

// LoggedUntil returns when the trail no longer says that the address was invited.
func (s *Service) LoggedUntil(v *Invitation) time.Time {
	return s.Retention.loggedUntil(&v.row.storedRow)
}

// MarkExpired marks invitations that have expired, 1,000 at most, and returns their
// number: lists find the marked ones by an index. Whether an invitation has expired is
// decided by its time, not by the mark. Several gateways can do it at the same time.
func MarkExpired(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		update invitation set expired = true where id = any (array(
			select id from invitation
			where status = 'PENDING' and not expired and expires_at <= statement_timestamp()
			order by expires_at limit 1000 for no key update skip locked))`)
}

// DeleteEnded deletes invitations that ended longer than a retention time ago,
// with the records of their mails, and returns the number of invitations: 500 at
// most that were accepted, declined or revoked, and 500 at most that expired.
// Nothing else refers to them: memberships and the trail stay. Several gateways can
// do it at the same time.
func DeleteEnded(ctx context.Context, q postgres.Querier, retention time.Duration) (int64, error) {
	answered, err := q.Exec(ctx, deleteAnswered, retention.Seconds())
	if err != nil {
		return answered, err
	}
	expired, err := q.Exec(ctx, deleteExpired, retention.Seconds())
	return answered + expired, err
}

const (
	deleteAnswered = `
		with ended as materialized (
			select id from invitation
			where status <> 'PENDING' and coalesce(ended_at, expires_at) <= statement_timestamp() - $1 * interval '1 second'
			order by coalesce(ended_at, expires_at) limit 500 for update skip locked),
		` + deleteMails + `
		delete from invitation where id = any (array(select id from ended))`

	// deleteExpired locks the places first, as everybody does who ends an
	// invitation: a request to invite may be about to renew it. It leaves out places
	// that are in use at the moment.
	deleteExpired = `
		with due as materialized (
			(select id, instance_id, space_id, organization_id from invitation
			 where status = 'PENDING' and expired and expires_at <= statement_timestamp() - $1 * interval '1 second'
			 order by expires_at limit 500)
			union all
			(select id, instance_id, space_id, organization_id from invitation
			 where status = 'PENDING' and not expired and expires_at <= statement_timestamp() - $1 * interval '1 second'
			 order by expires_at limit 500)
			limit 500),
		locked as materialized (
			select id from instance where id in (select instance_id from due) order by id for no key update skip locked),
		locked_space as materialized (
			select id from space where id in (select space_id from due) order by id for no key update skip locked),
		locked_organization as materialized (
			select id from organization where id in (select organization_id from due) order by id for no key update skip locked),
		ended as materialized (
			select v.id from invitation v
			where v.id = any (array(select id from due))
			  and (v.instance_id in (select id from locked) or v.space_id in (select id from locked_space)
			       or v.organization_id in (select id from locked_organization))
			  and v.status = 'PENDING' and v.expires_at <= statement_timestamp() - $1 * interval '1 second'
			order by v.id for update of v skip locked),
		` + deleteMails + `
		delete from invitation where id = any (array(select id from ended))`

	deleteMails = `mails as (
			delete from outbox where id = any (array(
				select o.id from outbox o where o.subject_id = any (array(select id from ended)) order by o.id for update)))`
)
