package instance

import (
	"context"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// DeleteInstancePayload is the result of deleting an instance.
type DeleteInstancePayload struct {
	Instance *tenant.Instance
	Deleted  bool // false: it was deleted already
}

// Delete deletes a working instance. It can be restored for 24 hours; its mails are
// held until then. It fails with NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED,
// INSTANCE_PROTECTED or SPACE_DELETED.
func (s *Service) Delete(ctx context.Context, actor access.Actor, in InstanceInput) (DeleteInstancePayload, error) {
	i, deleted, err := change(ctx, s, actor, in, access.DeleteInstance, s.delete)
	return DeleteInstancePayload{i, deleted}, err
}

func (s *Service) delete(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) (deleted bool, err error) {
	if i.State() == tenant.Deleted {
		return false, nil
	}
	var row struct {
		DeletedAt       time.Time `db:"deleted_at"`
		RestorableUntil time.Time `db:"restorable_until"`
	}
	err = tx.Get(ctx, &row, `
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
