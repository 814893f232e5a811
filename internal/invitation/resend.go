package invitation

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// resendPause is how long the invitations of a space to one address cannot be
// resent after one of them was.
const resendPause = 10 * time.Minute

// Resend sends pending invitations again, expired ones included, with a new link
// that is valid for as long as that of a new invitation. The old links are invalid
// from then on. It fails with NOT_FOUND, FORBIDDEN, SPACE_DELETED,
// INSTANCE_DELETED or RATE_LIMITED.
func (s *Service) Resend(ctx context.Context, actor access.Actor, in SelectionInput) (payload SelectionPayload, err error) {
	var places map[globalid.ID]tenant.Place
	var mailed []globalid.Kind // of the places that invitations lead to
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.ResendInvitations.Field, Input: in}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[[]SelectionOutcome]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			places, err = lockSelection(ctx, tx, actor, in.InvitationIDs, access.ResendInvitations, access.Shared)
			return err
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, outcomes *[]SelectionOutcome) (err error) {
			payload.Results, err = selectionResults(ctx, tx, in.InvitationIDs, places, *outcomes)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) ([]SelectionOutcome, error) {
			if err := access.CheckStates(ctx, tx, places, in.InvitationIDs, access.ResendInvitations, "input", "invitationIds"); err != nil {
				return nil, err
			}
			resent, err := s.resendTx(ctx, tx, actor, in.InvitationIDs, places)
			if err != nil {
				return nil, err
			}
			for _, id := range resent {
				if kind := destinationOf(places[id]).id().Kind; !slices.Contains(mailed, kind) {
					mailed = append(mailed, kind)
				}
			}
			outcomes := outcomesOf(in.InvitationIDs, resent, OutcomeResent)
			if payload.Results, err = selectionResults(ctx, tx, in.InvitationIDs, places, outcomes); err != nil {
				return nil, err
			}
			return outcomes, audit.Write(ctx, tx, selectionRecords(audit.InvitationResent, actor, payload.Results)...)
		},
	})
	if err != nil {
		return SelectionPayload{}, err
	}
	for _, kind := range mailed {
		s.queue(kind).Wake()
	}
	return payload, nil
}

// pendingInvitation is a locked invitation that is to be resent.
type pendingInvitation struct {
	recipient
	id globalid.ID
	to destination
}

func (v pendingInvitation) resendKey() resendKey { return resendKey{v.to.limited().UUID, v.key} }

// resendTx resends those invitations that are pending, and returns their ids. It
// fails with RATE_LIMITED.
func (s *Service) resendTx(ctx context.Context, tx *postgres.Tx, actor access.Actor, ids []globalid.ID, places map[globalid.ID]tenant.Place) ([]globalid.ID, error) {
	pending, err := lockPending(ctx, tx, ids, places)
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	charges := s.resendCharges(actor, pending)
	tooSoon, err := recordResends(ctx, tx, pending)
	if err != nil {
		return nil, err
	}
	if len(tooSoon) > 0 {
		exceeded, err := ratelimit.Exceeded(ctx, tx, charges...)
		if err != nil {
			return nil, err
		}
		return nil, append(tooSoon, slices.DeleteFunc(exceeded, func(f *fault.Fault) bool { return f == nil })...)
	}
	resent, err := s.renew(ctx, tx, actor, pending)
	if err != nil {
		return nil, err
	}
	// Charge late: the counter rows stay locked until commit, and every other
	// invitation of the space queues behind them.
	return resent, ratelimit.Take(ctx, tx, charges...)
}

// lockPending locks those invitations that are pending, and whose memberships would not be
// over already. It locks them in the same
// order as insertRows, which prevents deadlocks.
func lockPending(ctx context.Context, tx *postgres.Tx, ids []globalid.ID, places map[globalid.ID]tenant.Place) ([]pendingInvitation, error) {
	var rows []struct {
		ID       uuid.UUID `db:"id"`
		Email    string    `db:"email"`
		EmailKey string    `db:"email_key"`
	}
	if err := tx.Select(ctx, &rows, `
		select id, email, email_key from invitation
		where id = any ($1::uuid[]) and status = 'PENDING' and (until is null or until > clock_timestamp())
		order by email_key, instance_id, space_id, organization_id for no key update`, postgres.IDs(ids)); err != nil {
		return nil, err
	}
	indexes := make(map[globalid.ID]int, len(ids))
	for i, id := range slices.Backward(ids) {
		indexes[id] = i // the first, where an id is given twice
	}
	pending := make([]pendingInvitation, len(rows))
	for i, r := range rows {
		id := globalid.ID{Kind: globalid.Invitation, UUID: r.ID}
		to := destinationOf(places[id])
		pending[i] = pendingInvitation{recipient{to.Organization.ID, r.Email, r.EmailKey, indexes[id]}, id, to}
	}
	return pending, nil
}

// renew gives invitations new links, and queues their mails, except to people who
// refused invitations.
func (s *Service) renew(ctx context.Context, tx *postgres.Tx, actor access.Actor, pending []pendingInvitation) (renewed []globalid.ID, err error) {
	ids, hashes := make([]globalid.ID, len(pending)), make(pq.ByteaArray, len(pending))
	refusals := make(pq.ByteaArray, len(pending))
	tasks := map[string][]outbox.Task{} // by the kind of mail
	for i, v := range pending {
		var token string
		token, hashes[i] = newToken()
		ids[i], refusals[i] = v.id, refusalHash(s.HashKey, v.key)
		kind := mailKind(v.to.id().Kind)
		tasks[kind] = append(tasks[kind], outbox.Task{Subject: v.id.UUID, Instance: v.to.instanceID().UUID, Secret: token})
	}
	var refused []uuid.UUID
	if err := tx.Select(ctx, &refused, `
		with renewed as (
			update invitation v
			set token_hash = n.token_hash, invited_by = $3, expires_at = least(clock_timestamp() + $4 * interval '1 second', v.until),
			    mail_refused = `+refusedBy(`n.refusal_hash`)+`
			from unnest($1::uuid[], $2::bytea[], $5::bytea[]) as n (id, token_hash, refusal_hash)
			where v.id = n.id and v.id = any ($1::uuid[])
			returning v.id, v.mail_refused)
		select id from renewed where mail_refused`, postgres.IDs(ids), hashes, actor.ID.UUID, s.Limits.TTL.Seconds(), refusals); err != nil {
		return nil, err
	}
	for _, kind := range slices.Sorted(maps.Keys(tasks)) {
		mails := slices.DeleteFunc(tasks[kind], func(t outbox.Task) bool { return slices.Contains(refused, t.Subject) })
		if len(mails) == 0 {
			continue
		}
		if err := outbox.Enqueue(ctx, tx, kind, mails); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// resendKey is the primary key of the table invitation_resend, which has the time
// of the last resend. The space may be an organization: see destination.limited.
type resendKey struct {
	SpaceID  uuid.UUID `db:"space_id"`
	EmailKey string    `db:"email_key"`
}

// recordResends records that invitations are resent now. It returns a RATE_LIMITED
// for each whose address was resent an invitation of the same space, or to the same
// organization itself, within resendPause: the caller then rolls back. A transaction that resends to the same
// addresses waits for this one.
func recordResends(ctx context.Context, tx *postgres.Tx, pending []pendingInvitation) (tooSoon fault.List, err error) {
	spaces, keys := make(postgres.UUIDs, len(pending)), make(pq.StringArray, len(pending))
	for i, v := range pending {
		spaces[i], keys[i] = v.to.limited().UUID, v.key
	}
	var recorded []resendKey
	if err := tx.Select(ctx, &recorded, `
		insert into invitation_resend as r (space_id, email_key)
		select distinct n.space_id, n.email_key from unnest($1::uuid[], $2::text[]) as n (space_id, email_key)
		order by n.space_id, n.email_key
		on conflict (space_id, email_key) do update set at = clock_timestamp()
		where r.at <= clock_timestamp() - $3 * interval '1 second'
		returning space_id, email_key`, spaces, keys, resendPause.Seconds()); err != nil {
		return nil, err
	}
	allowed := make(map[resendKey]bool, len(recorded))
	for _, key := range recorded {
		allowed[key] = true
	}
	early := slices.DeleteFunc(slices.Clone(pending), func(v pendingInvitation) bool { return allowed[v.resendKey()] })
	if len(early) == 0 {
		return nil, nil
	}
	var waits []struct {
		resendKey
		Seconds float64 `db:"seconds"`
	}
	if err := tx.Select(ctx, &waits, `
		select r.space_id, r.email_key, extract(epoch from r.at + $3 * interval '1 second' - clock_timestamp()) as seconds
		from unnest($1::uuid[], $2::text[]) as n (space_id, email_key)
		cross join lateral (select * from invitation_resend where space_id = n.space_id and email_key = n.email_key limit 1) r`,
		spaces, keys, resendPause.Seconds()); err != nil {
		return nil, err
	}
	seconds := make(map[resendKey]float64, len(waits))
	for _, w := range waits {
		seconds[w.resendKey] = w.Seconds
	}
	slices.SortFunc(early, func(a, b pendingInvitation) int { return a.index - b.index })
	for _, v := range early {
		wait := time.Duration(math.Ceil(max(1, seconds[v.resendKey()]))) * time.Second
		tooSoon = append(tooSoon, resentTooSoon(v, wait))
	}
	return tooSoon, nil
}

func resentTooSoon(v pendingInvitation, wait time.Duration) *fault.Fault {
	return &fault.Fault{
		Code:       fault.RateLimited,
		Reason:     fault.ResendsByAddress,
		Message:    fmt.Sprintf("An invitation was resent to %s a short time ago. Nothing was sent.", v.email),
		Remedy:     fmt.Sprintf("Wait %s before you resend it. If no mail arrives at all, check the address.", ratelimit.FormatMinutes(wait)),
		Index:      &v.index,
		InputPath:  []any{"input", "invitationIds", v.index},
		Email:      v.email,
		RetryAfter: wait,
	}
}

// DeleteOldResends deletes records of resends that are older than the pause, 1,000
// at most, and returns their number.
func DeleteOldResends(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from invitation_resend where ctid = any (array(
			select ctid from invitation_resend
			where at <= statement_timestamp() - $1 * interval '1 second' limit 1000 for update skip locked))`, resendPause.Seconds())
}
