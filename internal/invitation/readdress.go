package invitation

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Readdressing is an invitation that was sent to another address than that of the account
// at which it is wanted.
type Readdressing struct {
	InvitationID globalid.ID
	Place        tenant.Place // where it leads, an instance or a space, with the ids alone
	From, To     string       // the addresses
}

// FindReaddressing finds the usable invitation of a token whose address is not the
// actor's, and locks its place, shared. It fails with INVITATION_NOT_USABLE, CONFLICT
// (NOT_NEEDED) or RATE_LIMITED. Of an invitation that the actor may not see with the
// token, it says that there is none. Call ChargeUnknownToken with the error.
func (s *Service) FindReaddressing(ctx context.Context, tx *postgres.Tx, actor access.Actor, token string) (v Readdressing, err error) {
	if err := ratelimit.Check(ctx, tx, s.Limits.tokenCharge(actor)); err != nil {
		return v, err
	}
	r, err := findRow(ctx, tx, byToken, givenTokenHash(token))
	if err != nil {
		return v, err
	}
	if r == nil {
		return v, errUnknownToken
	}
	if err := s.lockReaddressing(ctx, tx, actor, r, access.Shared); err != nil {
		return v, err
	}
	// Read it again: it may have changed before the lock.
	if r, err = findRow(ctx, tx, byToken, givenTokenHash(token)); err != nil {
		return v, err
	}
	if r == nil || r.refusal(&access.Actor{EmailKey: r.EmailKey}) != nil {
		return v, errUnknownToken
	}
	switch {
	case actor.FormerHolder:
		return v, formerHolder(actor)
	case actor.EmailKey == r.EmailKey:
		return v, notNeeded("The invitation was sent to the address of your account.", "Accept it.")
	case r.InvitedOrganizationID.Valid:
		return v, r.askToInvite(actor, "An invitation to an organization cannot be sent to another address.")
	}
	place, err := r.checkReaddressable(ctx, tx, actor)
	if err != nil {
		return v, err
	}
	return Readdressing{r.invitationID(), place, r.Email, actor.Email}, nil
}

// ChargeUnknownToken charges a token that led to no invitation, which an error says. It
// returns the error, or a RATE_LIMITED.
func (s *Service) ChargeUnknownToken(ctx context.Context, actor access.Actor, err error) error {
	if errors.Is(err, errUnknownToken) {
		if err := s.chargeUnknownToken(ctx, actor); err != nil {
			return err
		}
	}
	return err
}

// AskToInvite is the refusal to an actor who asks for an invitation at their address where
// nobody can answer that.
func (s *Service) AskToInvite(ctx context.Context, q postgres.Querier, actor access.Actor, v Readdressing) error {
	r, err := findRow(ctx, q, byID, v.InvitationID.UUID)
	if err != nil || r == nil {
		return err
	}
	return r.askToInvite(actor, "Nobody can send the invitation to another address at the moment.")
}

// askToInvite names the inviter, whom everybody sees who has the link.
func (r *row) askToInvite(actor access.Actor, message string) *fault.Fault {
	return &fault.Fault{
		Code:     fault.InvitationNotUsable,
		Reason:   otherAddress,
		Message:  message + " " + nobodyAsked,
		Remedy:   fmt.Sprintf("Ask %s to invite %s.", r.inviter(), actor.Email),
		Contacts: fault.Reachable(r.inviter()),
	}
}

// nobodyAsked ends the messages of refusals to ask for another address.
const nobodyAsked = "Nobody was asked."

func notNeeded(message, remedy string) *fault.Fault {
	return &fault.Fault{Code: fault.Conflict, Reason: fault.NotNeeded, Message: message + " " + nobodyAsked, Remedy: remedy}
}

// lockReaddressing locks the place of an invitation, and the roles there of its inviter and
// of the actor.
func (s *Service) lockReaddressing(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row, strength access.LockStrength) error {
	locks := access.Locks{
		Places:        []globalid.ID{r.placeID()},
		Strength:      strength,
		Organizations: []globalid.ID{{Kind: globalid.Organization, UUID: r.OrganizationID}},
		Accounts:      []globalid.ID{actor.ID, {Kind: globalid.User, UUID: r.InvitedBy}},
	}
	if r.SpaceName != "" {
		locks.Spaces = []globalid.ID{r.spaceID()}
	}
	return locks.Take(ctx, tx)
}

// checkReaddressable fails with CONFLICT (NOT_NEEDED) where an account has the role of the
// invitation, or is invited there at its own address. It returns the place, with its ids.
func (r *row) checkReaddressable(ctx context.Context, q postgres.Querier, to access.Actor) (tenant.Place, error) {
	id := r.placeID()
	places, err := tenant.FindPlaces(ctx, q, to, []globalid.ID{id})
	if err != nil {
		return nil, err
	}
	if place := places[id]; place != nil && place.EffectiveRoles().Include(r.Role) {
		return nil, notNeeded(fmt.Sprintf("The account of %s has this role in %s already.", to.Email, r.placeName()), "Look among your "+r.placesName()+".")
	}
	var invited bool
	if err := q.Get(ctx, &invited, `
		select exists (select from invitation
			where email_key = $1 and status = 'PENDING' and expires_at > clock_timestamp()
			  and (instance_id = $2 or space_id = $2))`, to.EmailKey, id.UUID); err != nil {
		return nil, err
	}
	if invited {
		return nil, notNeeded(fmt.Sprintf("%s is invited to %s already.", to.Email, r.placeName()), "Accept that invitation: it is among those that are waiting for you.")
	}
	space := &tenant.Space{ID: r.spaceID()}
	if id.Kind == globalid.Instance {
		return &tenant.Instance{ID: id, Space: space}, nil
	}
	return space, nil
}

// ReaddressTx moves an invitation from one address to another one, that of an account: it
// gets a new link and the actor as its inviter, and a mail to the new address is queued. The
// older links are invalid from then on. The transaction has locked the place exclusively,
// and has checked that the actor may invite there. It fails with CONFLICT where the
// invitation has ended or the account has changed, or with RATE_LIMITED.
func (s *Service) ReaddressTx(ctx context.Context, tx *postgres.Tx, actor access.Actor, id globalid.ID, place tenant.Place, account tenant.User, from, to string) error {
	if _, err := tx.Exec(ctx, `select from invitation where id = $1 for no key update`, id.UUID); err != nil {
		return err
	}
	r, err := findRow(ctx, tx, byID, id.UUID)
	if err != nil {
		return err
	}
	if r == nil || r.Status != Pending || r.EmailKey != keyOf(from) {
		return &fault.Fault{Code: fault.Conflict, Reason: fault.RequestExpired, Message: "The invitation has ended. Nothing was done.", Remedy: "Decline the request, or invite " + to + "."}
	}
	a, problem := address.ParseExact(to)
	if problem != nil {
		return fmt.Errorf("the stored address is not valid: %w", problem)
	}
	if account.FormerHolder || keyOf(account.Email) != a.Key() {
		return &fault.Fault{Code: fault.Conflict, Reason: fault.RequesterLeft,
			Message: fmt.Sprintf("%s, the address that %s asked for, is not that of their account any more. Nothing was done.", to, account.Name), Remedy: "Decline the request."}
	}
	account.EmailKey = a.Key()
	if _, err := r.checkReaddressable(ctx, tx, account); err != nil {
		if f := (*fault.Fault)(nil); errors.As(err, &f) {
			f.Remedy = "Decline the request."
		}
		return err
	}
	d := destinationOf(place)
	charges := s.inviteCharges(actor, d.Space, 1, "emails", []recipient{{d.Organization.ID, to, a.Key(), 0}})
	for i := range charges { // nothing in the input is about the address
		charges[i].Index, charges[i].InputPath = nil, nil
	}
	// It is sent on purpose, as by resending.
	if err := s.forgetBounces(ctx, tx, []pendingInvitation{{recipient{organization: d.Organization.ID, key: a.Key()}, id, d}}); err != nil {
		return err
	}
	token, hash := newToken()
	var refused bool
	// An expired invitation to the new address would be a second one. The mails to the old
	// address, and what servers said about them, are not about this invitation any more.
	if err := tx.Get(ctx, &refused, `
		with ended as (
			update invitation set status = 'REVOKED'
			where id = any (array(select id from invitation where email_key = $3 and status = 'PENDING' and (instance_id = $8 or space_id = $8)))
			returning id),
		mails as (delete from outbox where id = any (array(select id from outbox where subject_id = $1 order by id for update)))
		update invitation v
		set email = $2, email_key = $3, token_hash = $4, invited_by = $5, expires_at = clock_timestamp() + $6 * interval '1 second',
		    mailed_on_request = 0, mail_refused = `+refusedBy(`$7`)+`
		where v.id = $1 and (select count(*) from ended) >= 0
		returning mail_refused`, id.UUID, to, a.Key(), hash, actor.ID.UUID, s.Limits.TTL.Seconds(), refusalHash(s.HashKey, a.Key()), r.placeID().UUID); err != nil {
		return err
	}
	if !refused {
		task := outbox.Task{Subject: id.UUID, Secret: token, Instance: uuid.UUID{}}
		if r.InstanceID.Valid {
			task.Instance = r.InstanceID.UUID
		}
		if err := outbox.Enqueue(ctx, tx, MailKind, []outbox.Task{task}); err != nil {
			return err
		}
	}
	if err := audit.Write(ctx, tx, audit.Record{Action: audit.InvitationReaddressed, Actor: actor, Target: r.auditTarget(), Details: audit.Details{Emails: []string{from, to}}}); err != nil {
		return err
	}
	return ratelimit.Take(ctx, tx, charges...)
}
