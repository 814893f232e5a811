package invitation

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// resendPause is how long an address is left alone after it was sent an
// invitation of a space again.
const resendPause = 10 * time.Minute

// Resend sends pending invitations again, expired ones included: with a new
// link, which is good for as long as that of a new invitation. It fails with
// NOT_FOUND, FORBIDDEN, INSTANCE_DELETED or RATE_LIMITED.
func (s *Service) Resend(ctx context.Context, actor access.Actor, r SelectionInput) (SelectionPayload, error) {
	resent := 0
	selection, err := s.administrate(ctx, actor, r, selected{"resendInvitations", access.Shared, OutcomeResent, audit.InvitationResent,
		func(ctx context.Context, tx *postgres.Tx, places map[globalid.ID]tenant.Place) ([]globalid.ID, error) {
			done, err := s.resend(ctx, tx, actor, r.InvitationIDs, places)
			resent = len(done)
			return done, err
		}})
	if resent > 0 && err == nil {
		s.Outbox.Wake()
	}
	return selection, err
}

// resending is an invitation that is to be sent again.
type resending struct {
	id    globalid.ID
	index int // in the request
	email string
	place globalid.ID // where it leads
	space *tenant.Space
	recipient
}

// recipient is an address as a space knows it.
type recipient struct {
	Space uuid.UUID `db:"space_id"`
	Key   string    `db:"email_key"`
}

// resend renews the links of those invitations that are pending, and asks for
// their mails.
func (s *Service) resend(ctx context.Context, tx *postgres.Tx, actor access.Actor, ids []globalid.ID, places map[globalid.ID]tenant.Place) ([]globalid.ID, error) {
	if err := access.CheckStates(ctx, tx, places, ids, access.Resending, "input", "invitationIds"); err != nil {
		return nil, err
	}
	pending, err := lockPending(ctx, tx, ids, places)
	if err != nil || len(pending) == 0 {
		return nil, err
	}
	charges := s.Limits.again(actor, pending)
	held, err := pace(ctx, tx, pending)
	if err != nil {
		return nil, err
	}
	if len(held) > 0 {
		over, err := ratelimit.Exceeded(ctx, tx, charges...)
		if err != nil {
			return nil, err
		}
		return nil, append(held, slices.DeleteFunc(over, func(f *fault.Fault) bool { return f == nil })...)
	}
	resent, hashes := make([]globalid.ID, len(pending)), make(pq.ByteaArray, len(pending))
	tasks := make([]outbox.Task, len(pending))
	for i, v := range pending {
		var token string
		token, hashes[i] = newToken()
		resent[i] = v.id
		tasks[i] = outbox.Task{Subject: v.id.UUID, Instance: v.place.As(globalid.Instance).UUID, Secret: token}
	}
	if _, err := tx.Exec(ctx, `
		update invitation v
		set token_hash = n.token_hash, invited_by = $3, expires_at = clock_timestamp() + $4 * interval '1 second'
		from unnest($1::uuid[], $2::bytea[]) as n (id, token_hash)
		where v.id = n.id`, postgres.IDs(resent), hashes, actor.ID.UUID, s.Limits.TTL.Seconds()); err != nil {
		return nil, err
	}
	if err := outbox.Enqueue(ctx, tx, MailKind, tasks); err != nil {
		return nil, err
	}
	// At the end, because others wait for it.
	return resent, ratelimit.Take(ctx, tx, charges...)
}

// lockPending keeps others off those invitations that are pending, in the order
// in which writing does.
func lockPending(ctx context.Context, tx *postgres.Tx, ids []globalid.ID, places map[globalid.ID]tenant.Place) ([]resending, error) {
	var rows []struct {
		ID       uuid.UUID `db:"id"`
		Email    string    `db:"email"`
		EmailKey string    `db:"email_key"`
	}
	if err := tx.Select(ctx, &rows, `
		select id, email, email_key from invitation
		where id = any ($1::uuid[]) and status = 'PENDING'
		order by email_key, instance_id, space_id for no key update`, postgres.IDs(ids)); err != nil {
		return nil, err
	}
	indexes := make(map[globalid.ID]int, len(ids))
	for i, id := range slices.Backward(ids) {
		indexes[id] = i
	}
	pending := make([]resending, len(rows))
	for i, row := range rows {
		id := globalid.ID{Kind: globalid.Invitation, UUID: row.ID}
		to := destinationOf(places[id])
		pending[i] = resending{id, indexes[id], row.Email, to.id(), to.Space, recipient{to.Space.ID.UUID, row.EmailKey}}
	}
	return pending, nil
}

// pace gives a RATE_LIMITED for every invitation whose address was sent one of
// the same space again in the last minutes. Whoever sends one at the same time
// waits for this transaction.
func pace(ctx context.Context, tx *postgres.Tx, pending []resending) (faults fault.List, err error) {
	spaces, keys := make(postgres.UUIDs, len(pending)), make(pq.StringArray, len(pending))
	for i, v := range pending {
		spaces[i], keys[i] = v.Space, v.Key
	}
	var let []recipient
	if err := tx.Select(ctx, &let, `
		insert into invitation_resend as r (space_id, email_key)
		select distinct n.space_id, n.email_key from unnest($1::uuid[], $2::text[]) as n (space_id, email_key)
		order by n.space_id, n.email_key
		on conflict (space_id, email_key) do update set at = clock_timestamp()
		where r.at <= clock_timestamp() - $3 * interval '1 second'
		returning space_id, email_key`, spaces, keys, resendPause.Seconds()); err != nil {
		return nil, err
	}
	through := make(map[recipient]bool, len(let))
	for _, r := range let {
		through[r] = true
	}
	held := slices.DeleteFunc(slices.Clone(pending), func(v resending) bool { return through[v.recipient] })
	if len(held) == 0 {
		return nil, nil
	}
	var waits []struct {
		recipient
		Seconds float64 `db:"seconds"`
	}
	if err := tx.Select(ctx, &waits, `
		select r.space_id, r.email_key, extract(epoch from r.at + $3 * interval '1 second' - clock_timestamp()) as seconds
		from invitation_resend r
		where (r.space_id, r.email_key) in (select * from unnest($1::uuid[], $2::text[]))`,
		spaces, keys, resendPause.Seconds()); err != nil {
		return nil, err
	}
	seconds := make(map[recipient]float64, len(waits))
	for _, w := range waits {
		seconds[w.recipient] = w.Seconds
	}
	slices.SortFunc(held, func(a, b resending) int { return a.index - b.index })
	for _, v := range held {
		wait := time.Duration(math.Ceil(max(1, seconds[v.recipient]))) * time.Second
		faults = append(faults, &fault.Fault{
			Code:       fault.RateLimited,
			Reason:     fault.ResendsByAddress,
			Message:    fmt.Sprintf("An invitation was sent to %s again a moment ago. Nothing was sent.", v.email),
			Remedy:     fmt.Sprintf("Wait %s before you send it once more. If no mail arrives at all, check the address.", ratelimit.FormatMinutes(wait)),
			Index:      &v.index,
			InputPath:  []any{"input", "invitationIds", v.index},
			Email:      v.email,
			RetryAfter: wait,
		})
	}
	return faults, nil
}

// DeleteOldResends removes what no longer holds anything up, 1,000 at most, and
// gives their number.
func DeleteOldResends(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from invitation_resend where (space_id, email_key) in (
			select space_id, email_key from invitation_resend
			where at <= statement_timestamp() - $1 * interval '1 second' limit 1000 for update skip locked)`, resendPause.Seconds())
}
