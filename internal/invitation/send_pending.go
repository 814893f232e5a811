package invitation

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
)

// Anybody can have the pending invitations of an address mailed again, to this address.
// Nobody learns by it whether there are any: the request writes a job with the address to
// the outbox, and is answered; a worker looks for invitations afterwards.

// The bounds of what strangers can have mailed to an address.
const (
	// maxSentPending is how many pending invitations of an address are mailed for one
	// request: of the newest.
	maxSentPending = 5
	// maxMailedOnRequest is how often an invitation is mailed for requests until a person
	// sends it again.
	maxMailedOnRequest = 3
	// onRequestPause is how long an invitation that was mailed for a request is not mailed
	// for another one.
	onRequestPause = 8 * time.Hour
)

// SendPendingInvitationsInput asks for the pending invitations of an address.
type SendPendingInvitationsInput struct {
	Email string `json:"email"`
	// IdempotencyKey makes repetitions of a request one.
	IdempotencyKey *string `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in SendPendingInvitationsInput) Validate() fault.List {
	return idempotency.ValidateKey(in.IdempotencyKey)
}

// SendPendingInvitationsPayload has the normalized address.
type SendPendingInvitationsPayload struct{ Email string }

// SendPending has the pending invitations of an address mailed to it again. The answer is
// the same for every valid address, also where its limit is reached, and does not wait for
// anything that depends on the address's invitations. actor is nil where nobody is signed
// in: then uses are counted for client, the network address. It fails with RATE_LIMITED or
// INVALID_EMAIL.
func (s *Service) SendPending(ctx context.Context, actor *access.Actor, client netip.Addr, in SendPendingInvitationsInput) (payload SendPendingInvitationsPayload, err error) {
	byClient := s.Limits.pendingClientCharge(ratelimit.HashSubject(s.HashKey, "client", client.String()))
	if actor != nil {
		byClient = s.Limits.pendingAccountCharge(*actor)
	}
	to, problem := address.Parse(in.Email)
	if problem != nil {
		if err := ratelimit.Check(ctx, s.DB, byClient); err != nil {
			return payload, toSignIn(actor, err)
		}
		return payload, &fault.Fault{
			Code:       fault.InvalidEmail,
			Message:    Printable(in.Email) + " is not valid: " + problem.Detail + ". Nothing was sent.",
			Reason:     string(problem.Reason),
			InputPath:  []any{"input", "email"},
			Email:      Truncate(in.Email),
			Suggestion: problem.Suggestion,
		}
	}
	id := outbox.NewID()
	if in.IdempotencyKey != nil {
		id = onceAnHour(id, ratelimit.HashSubject(s.HashKey, "pending", byClient.Subject.String(), *in.IdempotencyKey, to.Key()))
	}
	err = s.DB.InTx(ctx, func(tx *postgres.Tx) error {
		created, err := outbox.EnqueueOnce(ctx, tx, PendingKind, id, to.String())
		if err != nil || !created {
			return err
		}
		return ratelimit.Take(ctx, tx, byClient)
	})
	if err != nil {
		return payload, toSignIn(actor, err)
	}
	s.PendingOutbox.Wake()
	return SendPendingInvitationsPayload{to.String()}, nil
}

// onceAnHour returns an id that is the same for the same hash within an hour. Like now, an id
// of now, it is in the order of the time, by which old jobs are found.
func onceAnHour(now, hash uuid.UUID) uuid.UUID {
	const hour = 60 * 60 * 1000
	seconds, nanoseconds := now.Time().UnixTime()
	at := uint64(seconds*1000+nanoseconds/1e6) / hour * hour
	var id [8]byte
	binary.BigEndian.PutUint64(id[:], at<<16)
	copy(hash[:6], id[:6])
	hash[6] = hash[6]&0x0f | 0x70
	return hash
}

// DeleteOldPending deletes jobs of PendingKind that are done and older than an hour, 1,000 at
// most, and returns their number: nobody reads them, and strangers write them.
func DeleteOldPending(ctx context.Context, q postgres.Querier) (int64, error) {
	return q.Exec(ctx, `
		delete from outbox where id = any (array(
			select id from outbox
			where kind = 'PENDING_INVITATIONS' and created_at <= statement_timestamp() - interval '1 hour' and state <> 'QUEUED'
			order by created_at limit 1000 for update skip locked))`)
}

// toSignIn names the other way of a person without an account who was refused.
func toSignIn(actor *access.Actor, err error) error {
	if limited := (fault.List)(nil); actor == nil && errors.As(err, &limited) {
		for _, f := range limited {
			f.Remedy = strings.TrimSpace(f.Remedy + " Or sign in with the address: what is pending for it is listed there.")
		}
	}
	return err
}

// pendingClientCharge is one use of SendPending by a client.
func (l Limits) pendingClientCharge(client uuid.UUID) ratelimit.Charge {
	limit := ratelimit.Limit{Name: fault.PendingByClient, Max: l.PendingByClient, Shared: true,
		Text: "Pending invitations can be asked for %d times in an hour from one network address."}
	return ratelimit.Charge{Limit: limit, Subject: client, Count: 1}
}

// maxPendingByAccount is how often a person asks for pending invitations in an hour. They see
// their own without that.
const maxPendingByAccount = 20

// pendingAccountCharge is one use of SendPending by a person.
func (l Limits) pendingAccountCharge(actor access.Actor) ratelimit.Charge {
	limit := ratelimit.Limit{Name: fault.PendingByClient, Max: min(maxPendingByAccount, l.PendingByClient),
		Text: "One person can ask for pending invitations %d times in an hour."}
	return ratelimit.Charge{Limit: limit, Subject: actor.ID.UUID, Count: 1}
}

// pendingAddressCharge is one use of SendPending that mails to an address. No answer names
// it. It is of the address and not of the mailbox: who asks for other spellings of it
// changes nothing for this one.
func (s *Service) pendingAddressCharge(key string) ratelimit.Charge {
	limit := ratelimit.Limit{Name: "PENDING_BY_ADDRESS", Max: s.Limits.PendingByAddress,
		Text: "Pending invitations of one address are mailed %d times in an hour."}
	return ratelimit.Charge{Limit: limit, Subject: ratelimit.HashSubject(s.HashKey, "pending", key), Count: 1}
}

// MailPending looks for the pending invitations of the addresses of jobs, gives them new
// links and queues their mails. It is the work of Service.PendingOutbox. Requests of people
// go first.
func (s *Service) MailPending(ctx context.Context, jobs []outbox.Job, report func(i int, err error)) {
	ctx = postgres.WithBackgroundPriority(ctx)
	for i, job := range jobs {
		mailed, err := s.mailPending(ctx, job.Secret)
		for _, kind := range mailed {
			s.queue(kind).Wake()
		}
		if err == nil && len(mailed) == 0 {
			err = outbox.ErrDropped
		}
		report(i, err)
	}
}

// mailPending mails the pending invitations of one address, those of each organization in
// a transaction of its own, so that customers do not wait for each other. It returns the
// kinds of places that mails are about. The first transaction that mails something charges
// the limit of the address: where nothing is mailed, nobody uses it up.
func (s *Service) mailPending(ctx context.Context, email string) (mailed []globalid.Kind, err error) {
	to, problem := address.Parse(email)
	if problem != nil {
		return nil, fmt.Errorf("%w: the stored address is not valid: %w", outbox.ErrPermanent, problem)
	}
	var candidates []row
	if err := s.DB.Select(ctx, &candidates, mailable, s.mailableArgs(to.Key())...); err != nil {
		return nil, err
	}
	slices.SortStableFunc(candidates, func(a, b row) int { return bytes.Compare(a.OrganizationID[:], b.OrganizationID[:]) })
	for len(candidates) > 0 {
		n := slices.IndexFunc(candidates, func(r row) bool { return r.OrganizationID != candidates[0].OrganizationID })
		if n < 0 {
			n = len(candidates)
		}
		var charges []ratelimit.Charge
		if len(mailed) == 0 {
			charges = append(charges, s.pendingAddressCharge(to.Key()))
		}
		kinds, err := s.mailPendingOf(ctx, to.Key(), candidates[:n], charges)
		if limited := (fault.List)(nil); errors.As(err, &limited) {
			return mailed, nil // nobody learns how often others have asked
		}
		if err != nil {
			return mailed, err
		}
		mailed, candidates = append(mailed, kinds...), candidates[n:]
	}
	return mailed, nil
}

// mailPendingOf mails those of some invitations of one organization that still can be.
func (s *Service) mailPendingOf(ctx context.Context, key string, candidates []row, charges []ratelimit.Charge) (mailed []globalid.Kind, err error) {
	err = s.DB.InTx(ctx, func(tx *postgres.Tx) error {
		mailed = nil
		rows, err := s.lockMailable(ctx, tx, key, candidates)
		if err != nil || len(rows) == 0 {
			return err
		}
		renewals, records, mails := make([]renewal, len(rows)), make([]audit.Record, len(rows)), make([]recipient, len(rows))
		for i := range rows {
			r := &rows[i]
			renewals[i] = renewal{r.invitationID(), r.EmailKey, r.placeID()}
			records[i] = audit.Record{Action: audit.InvitationSentOnRequest, Target: r.auditTarget(), Details: audit.Details{Emails: []string{r.Email}}}
			mails[i] = recipient{globalid.ID{Kind: globalid.Organization, UUID: r.OrganizationID}, r.Email, r.EmailKey, i}
			if kind := r.placeID().Kind; !slices.Contains(mailed, kind) {
				mailed = append(mailed, kind)
			}
		}
		// What the organization may send protects the recipient here, too. It is not used up:
		// strangers would keep it from inviting.
		if err := ratelimit.Check(ctx, tx, s.mailCharges("emails", mails)...); err != nil {
			return err
		}
		if _, err := s.renew(ctx, tx, nil, renewals); err != nil {
			return err
		}
		if err := audit.Write(ctx, tx, records...); err != nil {
			return err
		}
		return ratelimit.Take(ctx, tx, charges...)
	})
	if err != nil {
		return nil, err
	}
	return mailed, nil
}

// mailable selects the newest invitations to address $1 that can be accepted, $6 of them,
// without those whose last mail is not the cause of a new one: it is on its way, or younger
// than a pause of $2 seconds, or of $7 seconds where somebody asked for it, or a mail server
// has refused it for good, or $8 were sent because somebody asked. A mail that waits for a
// deleted place is not on its way, but the place is deleted. Addresses that do not exist
// are mailed on purpose only: see bounce.go.
var mailable = `select ` + columns + ` from invitation v ` + tables + `
	where v.id = any (array(
		select v.id from invitation v
		left join lateral (select * from instance where id = v.instance_id limit 1) i on true
		left join lateral (select * from space where id = coalesce(v.space_id, i.space_id) limit 1) s on true
		where v.email_key = $1 and v.status = 'PENDING' and v.expires_at > clock_timestamp() and i.deleted_at is null and s.deleted_at is null
		  and ` + inviterMay + `
		order by v.created_at desc, v.id desc limit $6)) -- not by the id alone: that could become a walk over all
	  and (m.id is null or m.state not in ('QUEUED', 'HELD') and not (m.state = 'FAILED' and coalesce(m.reply, '') like '5%')
	       and m.created_at <= clock_timestamp() - case when v.mailed_on_request > 0 then $7::float8 else $2::float8 end * interval '1 second')
	  and v.mailed_on_request < $8
	  and not ` + refusedBy(`$3`) + ` and not ` + bouncedIn(`o.id`, `$4`, `$5`)

func (s *Service) mailableArgs(key string) []any {
	return []any{key, resendPause.Seconds(), refusalHash(s.HashKey, key), bounceHash(s.HashKey, key), bounceMemory.Seconds(),
		maxSentPending, onRequestPause.Seconds(), maxMailedOnRequest}
}

// lockMailable locks candidates and their places, and returns those that can be mailed.
func (s *Service) lockMailable(ctx context.Context, tx *postgres.Tx, key string, candidates []row) (rows []row, err error) {
	locks, ids := access.Locks{Strength: access.Shared}, make([]globalid.ID, len(candidates))
	for i := range candidates {
		r := &candidates[i]
		ids[i] = r.invitationID()
		locks.Places = append(locks.Places, r.placeID())
		if r.SpaceName != "" {
			// Among the places: everybody locks spaces before organizations.
			locks.Places = append(locks.Places, r.spaceID())
		}
		locks.Organizations = append(locks.Organizations, globalid.ID{Kind: globalid.Organization, UUID: r.OrganizationID})
		locks.Accounts = append(locks.Accounts, globalid.ID{Kind: globalid.User, UUID: r.InvitedBy})
	}
	if err := locks.Take(ctx, tx); err != nil {
		return nil, err
	}
	// In the order of insertRows.
	if _, err := tx.Exec(ctx, `
		select from invitation where id = any ($1::uuid[])
		order by email_key, instance_id, space_id, organization_id for no key update`, postgres.IDs(ids)); err != nil {
		return nil, err
	}
	// What the statements above have waited for is seen now, and not by them.
	return rows, tx.Select(ctx, &rows, mailableNow, append(s.mailableArgs(key), postgres.IDs(ids))...)
}

var mailableNow = mailable + ` and v.id = any ($9::uuid[]) order by v.id`
