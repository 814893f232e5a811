package invitation

import (
	"context"
	"database/sql"
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

// Reasons why an invitation cannot be used, beside the statuses that it can
// have ended with.
const (
	instanceDeleted = "INSTANCE_DELETED"
	otherAddress    = "OTHER_ADDRESS"
)

// UnusableReasons are the reasons of an INVITATION_NOT_USABLE.
var UnusableReasons = []string{string(Expired), string(Revoked), string(Declined), string(Accepted), instanceDeleted, otherAddress}

// AnswerInput asks to accept an invitation, or to decline it: the one whose
// mail brought a token, or the one of an id.
type AnswerInput struct {
	Token          *string      `json:"token"`
	InvitationID   *globalid.ID `json:"invitationId"`
	IdempotencyKey *string      `json:"-"`
}

// Validate gives what is wrong with the form of the request.
func (r AnswerInput) Validate() (faults fault.List) {
	if (r.Token == nil) == (r.InvitationID == nil) {
		faults = append(faults, fault.Input("Give either token or invitationId, and not both.", "input"))
	}
	return append(faults, idempotency.ValidateKey(r.IdempotencyKey)...)
}

// AcceptInvitationPayload is what came of accepting an invitation.
type AcceptInvitationPayload struct {
	Invitation *Invitation
	// Where it led, for as long as the actor may see it. An invitation to a
	// space has no instance.
	Instance *tenant.Instance
	Space    *tenant.Space
}

// Accept makes the actor what the invitation says: a member of the instance, or
// an administrator of the space. A member who is invited as an editor becomes
// one; nobody gets a lower role. It fails with INVITATION_NOT_USABLE, with
// NOT_FOUND for an id that is not of an invitation of hers, or with RATE_LIMITED
// for a token after too many that led to nothing.
func (s *Service) Accept(ctx context.Context, actor access.Actor, r AnswerInput) (a AcceptInvitationPayload, err error) {
	var place tenant.Place
	a.Invitation, err = s.answer(ctx, actor, r, "acceptInvitation", func(ctx context.Context, tx *postgres.Tx, row *row, done bool) error {
		if !done {
			if err := join(ctx, tx, actor, row); err != nil {
				return err
			}
		}
		places, err := tenant.FindPlaces(ctx, tx, actor, []globalid.ID{row.place()})
		place = places[row.place()]
		return err
	})
	if err != nil {
		return AcceptInvitationPayload{}, err
	}
	to := destinationOf(place)
	a.Invitation, a.Instance, a.Space = a.Invitation.At(place), to.Instance, to.Space
	return a, nil
}

// DeclineInvitationPayload is what came of declining an invitation.
type DeclineInvitationPayload struct{ Invitation *Invitation }

// Decline ends an invitation that the actor does not want. It fails as Accept
// does.
func (s *Service) Decline(ctx context.Context, actor access.Actor, r AnswerInput) (DeclineInvitationPayload, error) {
	v, err := s.answer(ctx, actor, r, "declineInvitation", func(ctx context.Context, tx *postgres.Tx, row *row, done bool) error {
		if done {
			return nil
		}
		return end(ctx, tx, actor, row, Declined, audit.InvitationDeclined)
	})
	return DeclineInvitationPayload{v}, err
}

// answer finds the invitation, keeps others off the place that it leads to, and
// decides whether the actor can answer it. give gives the answer, or is told
// that it was given before.
func (s *Service) answer(ctx context.Context, actor access.Actor, r AnswerInput, operation string,
	give func(ctx context.Context, tx *postgres.Tx, row *row, done bool) error) (*Invitation, error) {
	var answered *row
	key := idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: operation, Input: r}
	_, err := idempotency.Run(ctx, s.DB, key, idempotency.Steps[globalid.ID]{
		Replay: func(ctx context.Context, tx *postgres.Tx, id *globalid.ID) (err error) {
			if answered, err = find(ctx, tx, byIDOf, id.UUID, actor.EmailKey); err != nil {
				return err
			}
			if answered == nil {
				return access.NotFound() // purged since, with its instance
			}
			return give(ctx, tx, answered, true)
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (id globalid.ID, err error) {
			if r.Token != nil {
				if err := ratelimit.Check(ctx, tx, s.Limits.token(actor)); err != nil {
					return id, err
				}
			}
			if answered, err = r.find(ctx, tx, actor); err != nil {
				return id, err
			}
			if err := access.Lock(ctx, tx, actor, access.Exclusive, answered.place()); err != nil {
				return id, err
			}
			// Once more, now that nobody else can change it.
			if answered, err = r.find(ctx, tx, actor); err != nil {
				return id, err
			}
			if err := give(ctx, tx, answered, false); err != nil {
				return id, err
			}
			answered, err = find(ctx, tx, byIDOf, answered.ID, actor.EmailKey)
			return globalid.ID{Kind: globalid.Invitation, UUID: answered.ID}, err
		},
	})
	if errors.Is(err, errUnknownToken) {
		if err := s.missed(ctx, actor); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return together([]row{*answered})[0], nil
}

// errUnknownToken is what is said of a token that leads to nothing.
var errUnknownToken = &fault.Fault{
	Code:    fault.InvitationNotUsable,
	Message: "This link leads to no invitation.",
	Remedy:  "Open the link of the newest mail, and all of it; or ask whoever invited you to send it again.",
}

// find reads the invitation that the request means. It fails where there is
// none, or the actor cannot answer it. Who comes with an id, and not with the
// mail's token, must not learn of other people's.
func (r AnswerInput) find(ctx context.Context, q postgres.Querier, actor access.Actor) (*row, error) {
	var found *row
	var err error
	if r.Token != nil {
		found, err = find(ctx, q, byToken, tokenHash(*r.Token))
	} else {
		found, err = find(ctx, q, byIDOf, r.InvitationID.As(globalid.Invitation).UUID, actor.EmailKey)
	}
	switch {
	case err != nil:
		return nil, err
	case found == nil && r.Token == nil:
		return nil, access.NotFound()
	case found == nil:
		return nil, errUnknownToken
	}
	if f := found.refusal(&actor); f != nil {
		return nil, f
	}
	return found, nil
}

const (
	byToken = `select ` + columns + ` from invitation v ` + tables + ` where v.token_hash = $1`
	byIDOf  = `select ` + columns + ` from invitation v ` + tables + ` where v.id = $1 and v.email_key = $2`
)

// find reads an invitation; nil where there is none.
func find(ctx context.Context, q postgres.Querier, query string, args ...any) (*row, error) {
	var r row
	err := q.Get(ctx, &r, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

// refusal is why an account (nil: nobody is signed in) cannot answer an
// invitation; nil: it can.
func (r *row) refusal(actor *access.Actor) *fault.Fault {
	unusable := func(reason, message, remedy string) *fault.Fault {
		return &fault.Fault{Code: fault.InvitationNotUsable, Reason: reason, Message: message, Remedy: remedy,
			Contacts: []fault.Contact{{Name: r.InviterName, Email: r.InviterEmail}}}
	}
	people := r.InviterName + " (" + r.InviterEmail + ")"
	ask := "Ask " + people + " to "
	switch {
	case actor == nil:
		return &fault.Fault{
			Code:    fault.Unauthenticated,
			Message: "You are not signed in.",
			Remedy:  fmt.Sprintf("Sign in with the DataHub account of %s, or sign up with this address.", r.Email),
		}
	case actor.EmailKey != r.EmailKey:
		return &fault.Fault{
			Code:    fault.InvitationNotUsable,
			Reason:  otherAddress,
			Message: fmt.Sprintf("The invitation was not sent to %s, the address of your account.", actor.Email),
			Remedy:  "Sign in with the account of the address that the mail was sent to, or sign up with this address.",
		}
	case r.Status == Accepted:
		return unusable(string(Accepted), "The invitation has been accepted already.", "Look among your spaces. If it is not there any more, "+people+" can invite you again.")
	case r.Status == Declined:
		return unusable(string(Declined), "The invitation has been declined.", ask+"invite you again.")
	case r.Status == Revoked:
		return unusable(string(Revoked), "The invitation has been taken back.", ask+"invite you again.")
	case r.Status == Expired:
		return unusable(string(Expired), "The time to answer the invitation is over.", ask+"send it again.")
	case r.InstanceDeleted && !r.Restorable:
		return unusable(instanceDeleted, "The instance of the invitation has been deleted for good.", ask+"invite you to another one.")
	case r.InstanceDeleted:
		return unusable(instanceDeleted, "The instance of the invitation has been deleted.", ask+"restore it. The invitation is valid again then.")
	}
	return nil
}

// end ends a pending invitation.
func end(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row, as Status, action audit.Action) error {
	n, err := tx.Exec(ctx, `
		update invitation set status = $2
		where id = $1 and status = 'PENDING' and expires_at > clock_timestamp()`, r.ID, string(as))
	if err != nil {
		return err
	}
	if n == 0 {
		r.Status = Expired // since it was read, as everything else is kept off
		return r.refusal(&actor)
	}
	return audit.Write(ctx, tx, audit.Record{Action: action, Actor: actor, Target: r.where(),
		Details: audit.Details{Emails: []string{r.Email}, Role: r.Role}})
}

// join ends an invitation by making the actor what it says.
func join(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row) error {
	if err := end(ctx, tx, actor, r, Accepted, audit.InvitationAccepted); err != nil {
		return err
	}
	role := tenant.SpaceAdministrator
	if r.Role != nil {
		role = r.Role.Role()
	}
	_, err := membership.Grant(ctx, tx, actor.ID.UUID, r.place(), role)
	return err
}

// ByToken reads the invitation of a mail's token, for whoever opens its link;
// nil where there is none. What has become of one that cannot be accepted any
// more the invited account alone may know: for everybody else (nil: nobody is
// signed in) there is none. It fails with RATE_LIMITED for who has given too many
// tokens for which there was none.
func (s *Service) ByToken(ctx context.Context, actor *access.Actor, token string) (*Invitation, error) {
	if actor != nil {
		if err := ratelimit.Check(ctx, s.DB, s.Limits.token(*actor)); err != nil {
			return nil, err
		}
	}
	r, err := find(ctx, s.DB, byToken, tokenHash(token))
	if err != nil {
		return nil, err
	}
	invited := r != nil && actor != nil && actor.EmailKey == r.EmailKey
	hidden := r == nil || !invited && r.refusal(&access.Actor{EmailKey: r.EmailKey}) != nil
	switch {
	case hidden && actor == nil:
		return nil, nil
	case hidden:
		return nil, s.missed(ctx, *actor)
	}
	return together([]row{*r})[0], nil
}

// Obstacle is why somebody (nil: nobody is signed in) cannot accept an
// invitation; nil where she can.
func (i *Invitation) Obstacle(actor *access.Actor) *fault.Fault { return i.row.refusal(actor) }
