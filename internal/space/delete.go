package space

import (
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Input asks to delete or to restore a space.
type Input struct {
	SpaceID        globalid.ID `json:"spaceId"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in Input) Validate() fault.List { return idempotency.ValidateKey(in.IdempotencyKey) }

// DeleteSpacePayload is the result of deleting a space.
type DeleteSpacePayload struct {
	Space   *tenant.Space
	Deleted bool // false: it was deleted already
}

// Delete deletes a space with everything in it. It can be restored for 24 hours; the mails
// of invitations into it are held until then. It fails with NOT_FOUND, FORBIDDEN or
// IDEMPOTENCY_KEY_REUSED.
func (s *Service) Delete(ctx context.Context, actor access.Actor, in Input) (payload DeleteSpacePayload, err error) {
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.DeleteSpace.Field, Input: in}
	payload.Deleted, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[bool]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			payload.Space, err = access.LockSpace(ctx, tx, actor, in.SpaceID.As(globalid.Space), access.DeleteSpace)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (bool, error) {
			return s.delete(ctx, tx, actor, payload.Space)
		},
	})
	return payload, err
}

func (s *Service) delete(ctx context.Context, tx *postgres.Tx, actor access.Actor, space *tenant.Space) (deleted bool, err error) {
	if space.State() == tenant.Deleted {
		return false, nil
	}
	// Instances that were created while LockSpace waited for the space are not locked, and
	// people may be about to be invited to them.
	if err := access.LockNewInstances(ctx, tx, space.ID); err != nil {
		return false, err
	}
	var row struct {
		DeletedAt       time.Time `db:"deleted_at"`
		RestorableUntil time.Time `db:"restorable_until"`
	}
	err = tx.Get(ctx, &row, `
		update space s
		set deleted_at = t.at, deleted_by = $2, restorable_until = t.at + interval '24 hours'
		from (select clock_timestamp() as at) t
		where s.id = $1 and s.deleted_at is null
		returning s.deleted_at, s.restorable_until`, space.ID.UUID, actor.ID.UUID)
	if err != nil {
		return false, err
	}
	by := actor.Contact()
	space.DeletedAt, space.DeletedBy, space.RestorableUntil, space.Restorable = &row.DeletedAt, &by, &row.RestorableUntil, true
	if err := outbox.HoldSpace(ctx, tx, space.ID); err != nil {
		return false, err
	}
	if err := s.OnDelete(ctx, tx, space); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, tx, audit.Record{Action: audit.SpaceDeleted, Actor: actor, Target: audit.OnSpaceOfOrganization(space)})
}
