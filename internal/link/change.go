package link

import (
	"context"
	"time"

	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// RefreshInviteLinkInput asks to open a link again or for longer. What is not given stays
// as it was: the link is open for as long as before, and for as many uses.
type RefreshInviteLinkInput struct {
	LinkID         globalid.ID `json:"linkId"`
	ExpiresAt      *time.Time  `json:"expiresAt"`
	MaxUses        *int        `json:"maxUses"`
	AllowedDomains *[]string   `json:"allowedDomains"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of the
// input.
func (in RefreshInviteLinkInput) Validate() (faults fault.List) {
	if in.MaxUses != nil {
		faults = append(faults, validateUses(*in.MaxUses)...)
	}
	if in.AllowedDomains != nil {
		faults = append(faults, validateDomains(*in.AllowedDomains)...)
	}
	return append(faults, idempotency.ValidateKey(in.IdempotencyKey)...)
}

// RefreshInviteLinkPayload has the link; nil where it is deleted since.
type RefreshInviteLinkPayload struct{ Link *Link }

// Refresh opens a link again or for longer. Its address stays, its uses are counted from 0 again,
// and it invites in the actor's name from then on. It fails with NOT_FOUND, FORBIDDEN,
// IDEMPOTENCY_KEY_REUSED, SPACE_DELETED, INSTANCE_DELETED, CONFLICT (LINK_REVOKED), or
// BAD_USER_INPUT for an end that is over or too far away.
func (s *Service) Refresh(ctx context.Context, actor access.Actor, in RefreshInviteLinkInput) (payload RefreshInviteLinkPayload, err error) {
	payload.Link, err = s.change(ctx, actor, change{
		id: in.LinkID, rule: access.RefreshInviteLink, key: in.IdempotencyKey, input: in, action: audit.LinkRefreshed,
		run: func(ctx context.Context, tx *postgres.Tx, r *row) (bool, error) {
			if r.RevokedAt != nil {
				return false, revoked()
			}
			if in.ExpiresAt != nil {
				if err := checkExpiry(ctx, tx, *in.ExpiresAt); err != nil {
					return false, err
				}
			}
			var domains pq.StringArray
			if in.AllowedDomains != nil {
				domains = cleanDomains(*in.AllowedDomains)
			}
			n, err := tx.Exec(ctx, `
				update invite_link
				set created_by = $2, opened_at = t.at, expires_at = coalesce($3::timestamptz, t.at + (expires_at - opened_at)),
				    max_uses = coalesce($4::int, max_uses), uses = 0, allowed_domains = coalesce($5::text[], allowed_domains)
				from (select clock_timestamp() as at) t
				where id = $1`, r.ID, actor.ID.UUID, in.ExpiresAt, in.MaxUses, domains)
			return n == 1, err
		},
	})
	return payload, err
}

// RevokeInviteLinkInput asks to end a link.
type RevokeInviteLinkInput struct {
	LinkID         globalid.ID `json:"linkId"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of the
// input.
func (in RevokeInviteLinkInput) Validate() fault.List {
	return idempotency.ValidateKey(in.IdempotencyKey)
}

// RevokeInviteLinkPayload has the link; nil where it is deleted since.
type RevokeInviteLinkPayload struct {
	Link    *Link
	Revoked bool // false: it was revoked already
}

// Revoke ends a link, and its address with it. Invitations that it has sent stay. It fails
// with NOT_FOUND, FORBIDDEN or IDEMPOTENCY_KEY_REUSED.
func (s *Service) Revoke(ctx context.Context, actor access.Actor, in RevokeInviteLinkInput) (payload RevokeInviteLinkPayload, err error) {
	payload.Link, err = s.change(ctx, actor, change{
		id: in.LinkID, rule: access.RevokeInviteLink, key: in.IdempotencyKey, input: in, action: audit.LinkRevoked, changed: &payload.Revoked,
		run: func(ctx context.Context, tx *postgres.Tx, r *row) (bool, error) {
			n, err := tx.Exec(ctx, `update invite_link set revoked_at = clock_timestamp() where id = $1 and revoked_at is null`, r.ID)
			return n == 1, err
		},
	})
	return payload, err
}

// change is a call of Refresh or Revoke.
type change struct {
	id      globalid.ID
	rule    access.Rule
	key     *string
	input   any
	action  audit.Action
	changed *bool // what run has returned, also for a repeated request; nil: nobody asks
	// run changes the link, which is locked, and reports whether it did.
	run func(context.Context, *postgres.Tx, *row) (bool, error)
}

func (s *Service) change(ctx context.Context, actor access.Actor, c change) (link *Link, err error) {
	id := c.id.As(globalid.Link)
	var place tenant.Place
	read := func(ctx context.Context, tx *postgres.Tx, _ *bool) (err error) {
		link, err = s.find(ctx, tx, id)
		return err
	}
	key := idempotency.Request{Actor: actor, Key: c.key, Operation: c.rule.Field, Input: c.input}
	changed, err := idempotency.Run(ctx, s.DB, key, idempotency.Steps[bool]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			// Nothing is locked for people who may not know of the link.
			found, err := access.FindPlace(ctx, tx, actor, id)
			if err != nil {
				return err
			}
			if err := access.CheckRole(ctx, tx, found, c.rule); err != nil {
				return err
			}
			place, err = access.LockAndCheckRole[tenant.Place](ctx, tx, actor, found.PlaceID(), c.rule, access.Shared)
			return err
		},
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (changed bool, err error) {
			if err := access.CheckState(ctx, tx, place, c.rule); err != nil {
				return false, err
			}
			if _, err := tx.Exec(ctx, `select from invite_link where id = $1 for no key update`, id.UUID); err != nil {
				return false, err
			}
			r, err := findRow(ctx, tx, byID, id.UUID)
			if err != nil {
				return false, err
			}
			if r == nil {
				return false, access.NotFound() // it was deleted before it was locked
			}
			if changed, err = c.run(ctx, tx, r); err != nil {
				return false, err
			}
			if err := read(ctx, tx, nil); err != nil || !changed {
				return changed, err
			}
			return true, audit.Write(ctx, tx, audit.Record{Action: c.action, Actor: actor, Target: audit.On(place), Details: audit.Details{Role: &r.Role}})
		},
	})
	if c.changed != nil {
		*c.changed = changed
	}
	return link, err
}

// revoked is the refusal to refresh a link that was revoked, perhaps because the wrong
// people have its address.
func revoked() *fault.Fault {
	return &fault.Fault{
		Code:    fault.Conflict,
		Reason:  fault.LinkRevoked,
		Message: "The course link was revoked. Nobody can use its address any more.",
		Remedy:  "Make a new link with createInviteLink.",
	}
}
