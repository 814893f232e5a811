package invitation

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// AnswerInput asks to accept or to decline an invitation: the one of a mail's
// token, or the one of an id.
type AnswerInput struct {
	Token          *string      `json:"token"`
	InvitationID   *globalid.ID `json:"invitationId"`
	IdempotencyKey *string      `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in AnswerInput) Validate() (faults fault.List) {
	if (in.Token == nil) == (in.InvitationID == nil) {
		faults = append(faults, fault.Input("Give either token or invitationId, and not both.", "input"))
	}
	return append(faults, idempotency.ValidateKey(in.IdempotencyKey)...)
}

// AcceptInvitationPayload has the invitation and where it leads.
type AcceptInvitationPayload struct {
	Invitation   *Invitation
	Instance     *tenant.Instance     // nil: it leads to no instance, or the actor may not see it any more
	Space        *tenant.Space        // nil: it leads to an organization, or the actor may not see it any more
	Organization *tenant.Organization // nil: the actor may not see the place any more
}

// Accept gives the actor the role of the invitation: as a member of the instance, as
// an administrator of the space, or as a member of the organization. A higher role that they have stays. It
// fails with INVITATION_NOT_USABLE, with NOT_FOUND for an id that is not of an
// invitation to the actor, or with RATE_LIMITED for a token after too many unknown
// ones.
func (s *Service) Accept(ctx context.Context, actor access.Actor, in AnswerInput) (AcceptInvitationPayload, error) {
	var to tenant.Place
	findPlace := func(ctx context.Context, tx *postgres.Tx, r *row) error {
		places, err := tenant.FindPlaces(ctx, tx, actor, []globalid.ID{r.placeID()})
		to = places[r.placeID()]
		return err
	}
	v, err := s.answer(ctx, actor, in, access.AcceptInvitation.Field, accept, findPlace)
	if err != nil {
		return AcceptInvitationPayload{}, err
	}
	d := destinationOf(to)
	return AcceptInvitationPayload{v.WithPlace(to), d.Instance, d.Space, d.Organization}, nil
}

// DeclineInvitationPayload has the declined invitation.
type DeclineInvitationPayload struct{ Invitation *Invitation }

// Decline ends an invitation that the actor does not want. It fails as Accept
// does.
func (s *Service) Decline(ctx context.Context, actor access.Actor, in AnswerInput) (DeclineInvitationPayload, error) {
	v, err := s.answer(ctx, actor, in, access.DeclineInvitation.Field, decline, nil)
	return DeclineInvitationPayload{v}, err
}

// answer finds and locks the invitation, checks that the actor can answer it, and
// calls end. Then, and for a repeated request, it calls after, which may be nil. A
// request is repeated by the account that made it, whatever its address is by then.
func (s *Service) answer(ctx context.Context, actor access.Actor, in AnswerInput, operation string,
	end func(context.Context, *postgres.Tx, access.Actor, *row) error,
	after func(context.Context, *postgres.Tx, *row) error) (_ *Invitation, err error) {
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: operation, Input: in}
	var known *row // of an id: whether the actor may know of it is decided before all else
	if in.InvitationID != nil {
		if known, err = findRow(ctx, s.DB, byIDAndKey, in.InvitationID.As(globalid.Invitation).UUID, actor.EmailKey); err != nil {
			return nil, err
		}
		if known == nil {
			// The actor may have answered it with an address that they had before.
			if answered, err := idempotency.Executed(ctx, s.DB, key); err != nil || !answered {
				return nil, cmp.Or(err, error(access.NotFound()))
			}
		}
	}
	var answered *row
	read := func(ctx context.Context, tx *postgres.Tx, id *globalid.ID) (err error) {
		if answered, err = findRow(ctx, tx, byID, id.UUID); err != nil {
			return err
		}
		if answered == nil {
			return access.NotFound() // it was deleted with its instance
		}
		if after == nil {
			return nil
		}
		return after(ctx, tx, answered)
	}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[globalid.ID]{
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (id globalid.ID, err error) {
			r, err := s.lockAnswerable(ctx, tx, actor, in, known)
			if err != nil {
				return id, err
			}
			if err := checkHolder(ctx, tx, actor); err != nil {
				return id, err
			}
			if err := end(ctx, tx, actor, r); err != nil {
				return id, err
			}
			id = r.invitationID()
			return id, read(ctx, tx, &id)
		},
	})
	if errors.Is(err, errUnknownToken) {
		// A transaction of its own: the failed one was rolled back.
		if err := s.chargeUnknownToken(ctx, actor); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return invitationsOf([]row{*answered})[0], nil
}

// lockAnswerable finds the invitation of the input, unless it is known, and locks its
// place. It fails where there is none, or the actor cannot answer it.
func (s *Service) lockAnswerable(ctx context.Context, tx *postgres.Tx, actor access.Actor, in AnswerInput, known *row) (r *row, err error) {
	if in.Token != nil {
		if err := ratelimit.Check(ctx, tx, s.Limits.tokenCharge(actor)); err != nil {
			return nil, err
		}
	}
	if r = known; r == nil {
		r, err = findAnswerable(ctx, tx, actor, in)
	} else {
		err = r.checkAnswerable(ctx, tx, actor)
	}
	if err != nil {
		return nil, err
	}
	// The invitation counts while the inviter may invite there: lock their roles, too.
	locks := access.Locks{
		Places:        []globalid.ID{r.placeID()},
		Strength:      access.Exclusive,
		Organizations: []globalid.ID{{Kind: globalid.Organization, UUID: r.OrganizationID}},
		Accounts:      []globalid.ID{actor.ID, {Kind: globalid.User, UUID: r.InvitedBy}},
	}
	if r.SpaceName != "" {
		locks.Spaces = []globalid.ID{r.spaceID()}
	}
	if err := locks.Take(ctx, tx); err != nil {
		return nil, err
	}
	// Read it again: it may have changed before the lock.
	locked, err := findAnswerable(ctx, tx, actor, in)
	if err == nil && locked.InvitedBy != r.InvitedBy {
		return s.lockAnswerable(ctx, tx, actor, in, locked) // taken over in between: lock the other inviter's roles
	}
	return locked, err
}

// checkHolder fails where the actor does not hold their address any more, and else
// lets nobody else become its holder until the end of the transaction. What a gateway
// knows of the actor may be a minute old.
func checkHolder(ctx context.Context, tx *postgres.Tx, actor access.Actor) error {
	n, err := tx.Exec(ctx, `select from address_holder where email_key = $1 and account_id = $2 for share`, actor.EmailKey, actor.ID.UUID)
	if err == nil && n == 0 {
		return formerHolder(actor)
	}
	return err
}

// formerHolder is the refusal to an account whose address belongs to another one.
func formerHolder(actor access.Actor) *fault.Fault {
	return &fault.Fault{
		Code:    fault.InvitationNotUsable,
		Reason:  otherAddress,
		Message: fmt.Sprintf("%s, the address of your account, belongs to another account now.", actor.Email),
		Remedy:  "If it is still your address, sign out and sign in again. Else sign in with the account that has it now.",
	}
}

// errUnknownToken refuses a token without an invitation.
var errUnknownToken = &fault.Fault{
	Code:    fault.InvitationNotUsable,
	Message: "This link leads to no invitation.",
	Remedy:  "Open the complete link of the newest mail, or ask the person who invited you to resend the invitation.",
}

// findAnswerable reads the invitation of the input. It fails where there is none,
// or the actor cannot answer it. An id alone, without the mail's token, finds
// invitations to the actor only.
func findAnswerable(ctx context.Context, q postgres.Querier, actor access.Actor, in AnswerInput) (r *row, err error) {
	if in.Token != nil {
		r, err = findRow(ctx, q, byToken, givenTokenHash(*in.Token))
	} else {
		r, err = findRow(ctx, q, byIDAndKey, in.InvitationID.As(globalid.Invitation).UUID, actor.EmailKey)
	}
	switch {
	case err != nil:
		return nil, err
	case r == nil && in.Token == nil:
		return nil, access.NotFound()
	case r == nil:
		return nil, errUnknownToken
	}
	return r, r.checkAnswerable(ctx, q, actor)
}

// checkAnswerable fails where the actor cannot answer the invitation.
func (r *row) checkAnswerable(ctx context.Context, q postgres.Querier, actor access.Actor) error {
	f, err := r.obstacle(ctx, q, &actor)
	if f != nil && err == nil {
		return f
	}
	return err
}

// Reasons of INVITATION_NOT_USABLE that are not a Status.
const (
	instanceDeleted = "INSTANCE_DELETED"
	spaceDeleted    = "SPACE_DELETED"
	otherAddress    = "OTHER_ADDRESS"
	inviterLeft     = "INVITER_LEFT"
)

// UnusableReasons are the reasons of INVITATION_NOT_USABLE.
var UnusableReasons = []string{string(Expired), string(Revoked), string(Declined), string(Accepted), instanceDeleted, spaceDeleted, otherAddress, inviterLeft}

// obstacle returns why an account cannot answer the invitation, as refusal does.
// Where the inviter may not invite any more, it names those who may, if the account
// may know them.
func (r *row) obstacle(ctx context.Context, q postgres.Querier, actor *access.Actor) (*fault.Fault, error) {
	f := r.refusal(actor)
	if f == nil || f.Reason != inviterLeft {
		return f, nil
	}
	id := r.placeID()
	if id.Kind == globalid.Instance {
		id = r.spaceID()
	}
	places, err := tenant.FindPlaces(ctx, q, *actor, []globalid.ID{id})
	if err != nil || places[id] == nil {
		return f, err
	}
	f.Contacts, err = places[id].Contacts(ctx, q, access.ResendInvitations.OutsideInstances)
	return f, err
}

// refusal returns why an account cannot answer the invitation; nil where it can.
// The actor is nil where nobody is signed in.
func (r *row) refusal(actor *access.Actor) *fault.Fault {
	unusable := func(reason, message, remedy string) *fault.Fault {
		return &fault.Fault{Code: fault.InvitationNotUsable, Reason: reason, Message: message, Remedy: remedy,
			Contacts: fault.Reachable(r.inviter())}
	}
	inviter := r.inviter().String()
	if r.InviterEmail == "" {
		inviter += " or " + r.whoMayInvite()
	}
	ask := "Ask " + inviter + " to "
	switch {
	case actor == nil:
		return &fault.Fault{
			Code:    fault.Unauthenticated,
			Message: "You are not signed in.",
			Remedy:  fmt.Sprintf("Sign in with the DataHub account of %s, or sign up with this address.", r.Email),
		}
	case actor.FormerHolder:
		return formerHolder(*actor)
	case actor.EmailKey != r.EmailKey:
		// The actor may not be the person who was invited, so that the refusal does
		// not name the address or the inviter.
		return &fault.Fault{
			Code:    fault.InvitationNotUsable,
			Reason:  otherAddress,
			Message: fmt.Sprintf("The invitation was not sent to %s, the address of your account.", actor.Email),
			Remedy:  "Sign in with the account of the address that received the mail, or sign up with this address.",
		}
	case r.Status == Accepted:
		return unusable(string(Accepted), "The invitation is accepted already.", "Look among your "+r.placesName()+". If it is not there any more, "+inviter+" can invite you again.")
	case r.Status == Declined:
		return unusable(string(Declined), "The invitation was declined.", ask+"invite you again.")
	case r.Status == Revoked:
		return unusable(string(Revoked), "The invitation was revoked.", ask+"invite you again.")
	case r.Status == Expired:
		return unusable(string(Expired), "The invitation has expired.", r.askToResend(inviter, "resend it."))
	case !r.InviterMay:
		// The inviter cannot help any more, and is no contact.
		return &fault.Fault{
			Code:    fault.InvitationNotUsable,
			Reason:  inviterLeft,
			Message: fmt.Sprintf("%s, who invited you, may not invite people to %s any more.", r.InviterName, r.placeName()),
			Remedy:  r.askToResend(r.whoMayInvite(), "resend the invitation. It is valid again then."),
		}
	case r.SpaceDeleted && !r.SpaceRestorable:
		return unusable(spaceDeleted, "The space of the invitation was deleted and cannot be restored any more.", ask+"invite you to another one.")
	case r.SpaceDeleted:
		return unusable(spaceDeleted, "The space of the invitation was deleted.", ask+"restore it. The invitation is valid again then.")
	case r.InstanceDeleted && !r.Restorable:
		return unusable(instanceDeleted, "The instance of the invitation was deleted and cannot be restored any more.", ask+"invite you to another one.")
	case r.InstanceDeleted:
		return unusable(instanceDeleted, "The instance of the invitation was deleted.", ask+"restore it. The invitation is valid again then.")
	}
	return nil
}

// askToResend says whom to ask for what makes the invitation valid again. Nobody can resend
// it while its space or instance is deleted.
func (r *row) askToResend(whom, resend string) string {
	what, restorable := "space", r.SpaceRestorable
	if !r.SpaceDeleted {
		what, restorable = "instance", r.Restorable
	}
	switch {
	case !r.SpaceDeleted && !r.InstanceDeleted:
		return "Ask " + whom + " to " + resend
	case !restorable:
		return "The " + what + " was deleted, too, and cannot be restored any more. Ask " + whom + " to invite you to another one."
	}
	return "Ask " + whom + " to restore the " + what + ", which was deleted, and then to " + resend
}

func accept(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row) error {
	if err := endPending(ctx, tx, actor, r, Accepted, audit.InvitationAccepted); err != nil {
		return err
	}
	_, err := membership.GrantUntil(ctx, tx, actor.ID.UUID, r.placeID(), r.Role, r.Until)
	return err
}

func decline(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row) error {
	return endPending(ctx, tx, actor, r, Declined, audit.InvitationDeclined)
}

func endPending(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row, as Status, action audit.Action) error {
	n, err := tx.Exec(ctx, `
		update invitation set status = $2
		where id = $1 and status = 'PENDING' and expires_at > clock_timestamp() and (until is null or until > clock_timestamp())`, r.ID, string(as))
	if err != nil {
		return err
	}
	if n == 0 {
		// Its place is locked, so nothing but time can have ended it.
		r.Status = Expired
		return r.refusal(&actor)
	}
	return audit.Write(ctx, tx, audit.Record{Action: action, Actor: actor, Target: r.auditTarget(),
		Details: details(r.Role, r.Email)})
}

// ByToken returns the invitation of a mail's token; nil where there is none. Only
// the invited account learns why an invitation cannot be accepted any more: for
// everybody else there is none then. The actor is nil where nobody is signed in.
// It fails with RATE_LIMITED after too many unknown tokens.
func (s *Service) ByToken(ctx context.Context, actor *access.Actor, token string) (*Invitation, error) {
	if actor != nil {
		if err := ratelimit.Check(ctx, s.DB, s.Limits.tokenCharge(*actor)); err != nil {
			return nil, err
		}
	}
	r, err := findRow(ctx, s.DB, byToken, givenTokenHash(token))
	if err != nil {
		return nil, err
	}
	if r != nil {
		invited := &access.Actor{EmailKey: r.EmailKey}
		if actor != nil && actor.EmailKey == r.EmailKey || r.refusal(invited) == nil {
			return invitationsOf([]row{*r})[0], nil
		}
	}
	if actor == nil {
		return nil, nil
	}
	return nil, s.chargeUnknownToken(ctx, *actor)
}

// chargeUnknownToken charges a token without an invitation. It fails with
// RATE_LIMITED where the actor may not even learn that there is none.
func (s *Service) chargeUnknownToken(ctx context.Context, actor access.Actor) error {
	return s.DB.InTx(ctx, func(tx *postgres.Tx) error { return ratelimit.Take(ctx, tx, s.Limits.tokenCharge(actor)) })
}
