package invitation

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
)

// A refusal says that an address gets no invitations by mail, from anybody. It can be
// invited all the same: the person finds the invitation when they sign in. The table
// invitation_refusal has a hash with a key instead of the address. It counts for the
// whole mailbox, as limits do.

// RefuseInvitationsInput asks to send no more invitations to the address that a mail
// with a token was sent to.
type RefuseInvitationsInput struct {
	Token string `json:"token"`
	// IdempotencyKey is checked and not needed: to refuse twice is to refuse.
	IdempotencyKey *string `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in RefuseInvitationsInput) Validate() fault.List {
	return idempotency.ValidateKey(in.IdempotencyKey)
}

// RefuseInvitationsPayload has the address that gets no more invitations.
type RefuseInvitationsPayload struct{ Email string }

// AllowInvitationsInput asks to send invitations to the actor's address again.
type AllowInvitationsInput struct {
	IdempotencyKey *string `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in AllowInvitationsInput) Validate() fault.List {
	return idempotency.ValidateKey(in.IdempotencyKey)
}

// AllowInvitationsPayload has the person.
type AllowInvitationsPayload struct {
	Viewer *access.Actor `json:"-"`
}

// Refuse declines the invitation of a mail's token, if it is pending, and has no more
// invitations sent to its address. Nobody else has the token, so that it needs no
// account: the actor is nil where nobody is signed in. It works with the token of an
// invitation that has ended, or was sent again since, too. It fails with INVITATION_NOT_USABLE for an unknown
// token, or with RATE_LIMITED for a token after too many unknown ones.
func (s *Service) Refuse(ctx context.Context, actor *access.Actor, in RefuseInvitationsInput) (payload RefuseInvitationsPayload, err error) {
	if actor != nil {
		if err := ratelimit.Check(ctx, s.DB, s.Limits.tokenCharge(*actor)); err != nil {
			return payload, err
		}
	}
	r, err := findRow(ctx, s.DB, byToken, givenTokenHash(in.Token))
	if r == nil && err == nil {
		r, err = findRow(ctx, s.DB, byPastToken, givenTokenHash(in.Token))
	}
	if err != nil {
		return payload, err
	}
	if r == nil {
		if actor != nil {
			if err := s.chargeUnknownToken(ctx, *actor); err != nil {
				return payload, err
			}
		}
		return payload, errUnknownToken
	}
	// The trail names the person by the address where nobody has signed in.
	by := access.Actor{Name: r.Email}
	if actor != nil {
		by = *actor
	}
	err = s.DB.InTx(ctx, func(tx *postgres.Tx) error {
		if err := access.Lock(ctx, tx, by, access.Exclusive, r.placeID()); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `insert into invitation_refusal (address_hash) values ($1) on conflict do nothing`,
			refusalHash(s.HashKey, r.EmailKey)); err != nil {
			return err
		}
		declined, err := tx.Exec(ctx, `
			update invitation set status = 'DECLINED'
			where id = $1 and status = 'PENDING' and expires_at > clock_timestamp()`, r.ID)
		if err != nil || declined == 0 {
			return err
		}
		return audit.Write(ctx, tx, audit.Record{Action: audit.InvitationDeclined, Actor: by, Target: r.auditTarget(),
			Details: details(r.Role, r.Email)})
	})
	return RefuseInvitationsPayload{r.Email}, err
}

// Allow ends the refusal of the actor's address: invitations are sent to it again.
// Those of the meantime are not mailed afterwards.
func (s *Service) Allow(ctx context.Context, actor access.Actor, in AllowInvitationsInput) (AllowInvitationsPayload, error) {
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.AllowInvitations.Field, Input: in}
	_, err := idempotency.Run(ctx, s.DB, key, idempotency.Steps[struct{}]{
		Do: func(ctx context.Context, tx *postgres.Tx) (done struct{}, err error) {
			_, err = tx.Exec(ctx, `delete from invitation_refusal where address_hash = $1`, refusalHash(s.HashKey, actor.EmailKey))
			return done, err
		},
	})
	return AllowInvitationsPayload{&actor}, err
}

// Refuses reports whether the owner of the actor's address refused invitations.
func (s *Service) Refuses(ctx context.Context, actor access.Actor) (bool, error) {
	at, err := RefusedAt(ctx, s.DB, s.HashKey, actor.EmailKey)
	return at != nil, err
}

// RefusedAt returns when the owner of an address, which is given by its key, refused
// invitations; nil where they did not.
func RefusedAt(ctx context.Context, q postgres.Querier, key keyedhash.Key, emailKey string) (*time.Time, error) {
	var at time.Time
	err := q.Get(ctx, &at, `select at from invitation_refusal where address_hash = $1`, refusalHash(key, emailKey))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &at, err
}

// refusedBy returns the SQL condition that the mailbox of a hash has refused invitations.
func refusedBy(hash string) string {
	return postgres.Found(`invitation_refusal where address_hash = ` + hash)
}

// refusalHash returns what stands for the mailbox of an address in the table
// invitation_refusal.
func refusalHash(key keyedhash.Key, emailKey string) []byte {
	return key.Sum("invitation_refusal", address.MailboxKey(emailKey))
}
