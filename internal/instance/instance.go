// Package instance creates, deletes, restores and purges instances.
package instance

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

// Service implements the mutations of instances.
type Service struct {
	DB *postgres.DB
	// OnDelete and OnRestore are called for each instance that is deleted or
	// restored, in the transaction that does it.
	OnDelete  func(context.Context, *postgres.Tx, *tenant.Instance) error
	OnRestore func(context.Context, *postgres.Tx, access.Actor, *tenant.Instance) error
}

// InstanceInput is the input of the mutations deleteInstance and restoreInstance.
type InstanceInput struct {
	InstanceID     globalid.ID `json:"instanceId"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns the faults in the form of the input.
func (r InstanceInput) Validate() fault.List { return idempotency.ValidateKey(r.IdempotencyKey) }

// DeleteInstancePayload is the result of Delete.
type DeleteInstancePayload struct {
	Instance *tenant.Instance
	Deleted  bool // false: it was deleted already
}

// Delete deletes a working instance, which can be restored for 24 hours. It fails
// with NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED or INSTANCE_PROTECTED.
func (s *Service) Delete(ctx context.Context, actor access.Actor, r InstanceInput) (DeleteInstancePayload, error) {
	i, deleted, err := s.change(ctx, actor, r, access.DeleteInstance, s.markDeleted)
	return DeleteInstancePayload{i, deleted}, err
}

// RestoreInstancePayload is the result of Restore.
type RestoreInstancePayload struct {
	Instance *tenant.Instance
	Restored bool // false: it was active already
}

// Restore restores an instance that was deleted in the last 24 hours, with
// everything in it. It fails with NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED
// or RESTORE_WINDOW_EXPIRED.
func (s *Service) Restore(ctx context.Context, actor access.Actor, r InstanceInput) (RestoreInstancePayload, error) {
	i, restored, err := s.change(ctx, actor, r, access.RestoreInstance, s.markRestored)
	return RestoreInstancePayload{i, restored}, err
}

// RestoreTx is Restore in a transaction that has locked the instance and checked
// the actor's role. It fails with RESTORE_WINDOW_EXPIRED.
func (s *Service) RestoreTx(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) (restored bool, err error) {
	if err := access.CheckState(ctx, tx, i, access.RestoreInstance); err != nil {
		return false, err
	}
	return s.markRestored(ctx, tx, actor, i)
}

// change locks the instance, checks the rule, and calls do. done is false where
// there was nothing to do.
func (s *Service) change(ctx context.Context, actor access.Actor, r InstanceInput, rule access.Rule,
	do func(context.Context, *postgres.Tx, access.Actor, *tenant.Instance) (bool, error)) (i *tenant.Instance, done bool, err error) {
	key := idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: rule.Field, Input: r}
	done, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[bool]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			i, err = access.LockAndCheckRole[*tenant.Instance](ctx, tx, actor, r.InstanceID, rule, access.Exclusive)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (bool, error) {
			if err := access.CheckState(ctx, tx, i, rule); err != nil {
				return false, err
			}
			return do(ctx, tx, actor, i)
		},
	})
	return i, done, err
}

func (s *Service) markDeleted(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) (bool, error) {
	if i.State() == tenant.Deleted {
		return false, nil
	}
	var row struct {
		DeletedAt       time.Time `db:"deleted_at"`
		RestorableUntil time.Time `db:"restorable_until"`
	}
	err := tx.Get(ctx, &row, `
		update instance i
		set deleted_at = t.at, deleted_by = $2, restorable_until = t.at + interval '24 hours'
		from (select clock_timestamp() as at) t
		where i.id = $1 and i.deleted_at is null
		returning i.deleted_at, i.restorable_until`, i.ID.UUID, actor.ID.UUID)
	if err != nil {
		return false, err
	}
	by := actor.Contact()
	i.DeletedAt, i.DeletedBy, i.RestorableUntil, i.Restorable = &row.DeletedAt, &by, &row.RestorableUntil, true
	if err := outbox.Hold(ctx, tx, i.ID); err != nil {
		return false, err
	}
	if err := s.OnDelete(ctx, tx, i); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, tx, audit.Record{Action: audit.InstanceDeleted, Actor: actor, Target: audit.OnInstance(i)})
}

// markRestored checks the 24 hours again, in the statement that ends the deletion:
// they can end between CheckState and the statement.
func (s *Service) markRestored(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) (bool, error) {
	if i.State() == tenant.Active {
		return false, nil
	}
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
