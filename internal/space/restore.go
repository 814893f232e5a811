package space

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// RestoreSpacePayload is the result of restoring a space.
type RestoreSpacePayload struct {
	Space    *tenant.Space
	Restored bool // false: it was active already
}

// Restore restores a space that was deleted less than 24 hours ago, with everything in it:
// roles, instances, invitations, and the mails that were held. Instances that were deleted
// before stay deleted, and can be restored for the rest of their own 24 hours. It fails
// with NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED or RESTORE_WINDOW_EXPIRED.
func (s *Service) Restore(ctx context.Context, actor access.Actor, in Input) (payload RestoreSpacePayload, err error) {
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.RestoreSpace.Field, Input: in}
	payload.Restored, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[bool]{
		// The instances are not locked: nothing changes their state while the space is deleted.
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			payload.Space, err = access.LockAndCheckRole[*tenant.Space](ctx, tx, actor, in.SpaceID, access.RestoreSpace, access.Exclusive)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (bool, error) {
			return s.RestoreTx(ctx, tx, actor, payload.Space)
		},
	})
	return payload, err
}

// RestoreTx is Restore in a transaction that has locked the space exclusively and checked
// that the actor may restore it. It reports whether the space was deleted. It fails with
// RESTORE_WINDOW_EXPIRED.
func (s *Service) RestoreTx(ctx context.Context, tx *postgres.Tx, actor access.Actor, space *tenant.Space) (restored bool, err error) {
	if err := access.CheckState(ctx, tx, space, access.RestoreSpace); err != nil {
		return false, err
	}
	if space.State() == tenant.Active {
		return false, nil
	}
	// The statement checks the 24 hours again: they may have ended since the space was read.
	n, err := tx.Exec(ctx, `
		update space set deleted_at = null, deleted_by = null, restorable_until = null
		where id = $1 and restorable_until > clock_timestamp()`, space.ID.UUID)
	if err != nil {
		return false, err
	}
	if n == 0 {
		space.Restorable = false
		return false, access.CheckState(ctx, tx, space, access.RestoreSpace)
	}
	space.DeletedAt, space.DeletedBy, space.RestorableUntil, space.Restorable = nil, nil, nil, false
	if err := outbox.ReleaseSpace(ctx, tx, space.ID); err != nil {
		return false, err
	}
	if err := s.OnRestore(ctx, tx, actor, space); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, tx, audit.Record{Action: audit.SpaceRestored, Actor: actor, Target: audit.OnSpaceOfOrganization(space)})
}
