package instance

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// RestoreInstancePayload is the result of restoring an instance.
type RestoreInstancePayload struct {
	Instance *tenant.Instance
	Restored bool // false: it was active already
}

// Restore restores an instance that was deleted less than 24 hours ago, with
// everything in it: members, invitations, and the mails that were held. It fails with
// NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED or RESTORE_WINDOW_EXPIRED.
func (s *Service) Restore(ctx context.Context, actor access.Actor, in InstanceInput) (RestoreInstancePayload, error) {
	i, restored, err := s.change(ctx, actor, in, access.RestoreInstance, s.restore)
	return RestoreInstancePayload{i, restored}, err
}

// RestoreTx is Restore in a transaction that has locked the instance exclusively and
// checked that the actor may restore it. It reports whether the instance was deleted.
// It fails with RESTORE_WINDOW_EXPIRED.
func (s *Service) RestoreTx(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) (restored bool, err error) {
	if err := access.CheckState(ctx, tx, i, access.RestoreInstance); err != nil {
		return false, err
	}
	return s.restore(ctx, tx, actor, i)
}

func (s *Service) restore(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) (restored bool, err error) {
	if i.State() == tenant.Active {
		return false, nil
	}
	// The statement checks the 24 hours again: they may have ended since the instance
	// was read.
	n, err := tx.Exec(ctx, `
		update instance set deleted_at = null, deleted_by = null, restorable_until = null
		where id = $1 and restorable_until > clock_timestamp()`, i.ID.UUID)
	if err != nil {
		return false, err
	}
	if n == 0 {
		i.Restorable = false
		return false, access.CheckState(ctx, tx, i, access.RestoreInstance)
	}
	i.DeletedAt, i.DeletedBy, i.RestorableUntil, i.Restorable = nil, nil, nil, false
	if err := outbox.Release(ctx, tx, i.ID); err != nil {
		return false, err
	}
	if err := s.OnRestore(ctx, tx, actor, i); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, tx, audit.Record{Action: audit.InstanceRestored, Actor: actor, Target: audit.OnInstance(i)})
}
