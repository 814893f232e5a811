package instance

import (
	"context"
	"encoding/json"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// RestoreInstancePayload is the result of restoring an instance.
type RestoreInstancePayload struct {
	Instance     *tenant.Instance
	Restored     bool    // false: it was active already
	PreviousName *string // nil: it has the name that it had
}

// Restore restores an instance that was deleted less than 24 hours ago, with
// everything in it: members, invitations, and the mails that were held. Where another
// active instance of the space has its name, it gets a number after it: a person has
// 24 hours to restore, and may not be able to rename the other instance. It fails
// with NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED, SPACE_DELETED or RESTORE_WINDOW_EXPIRED.
func (s *Service) Restore(ctx context.Context, actor access.Actor, in InstanceInput) (RestoreInstancePayload, error) {
	i, r, err := change(ctx, s, actor, in, access.RestoreInstance, s.restore)
	return RestoreInstancePayload{i, r.done, r.previousName}, err
}

// RestoreTx is Restore in a transaction that has locked the instance exclusively and
// checked that the actor may restore it. It reports whether the instance was deleted.
// It fails with SPACE_DELETED or RESTORE_WINDOW_EXPIRED.
func (s *Service) RestoreTx(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) (restored bool, err error) {
	if err := access.CheckState(ctx, tx, i, access.RestoreInstance); err != nil {
		return false, err
	}
	r, err := s.restore(ctx, tx, actor, i)
	return r.done, err
}

// restoration is what is remembered of restoring an instance: as JSON, the previous
// name where there is one, and otherwise whether the instance was deleted.
type restoration struct {
	done         bool
	previousName *string
}

// MarshalJSON implements json.Marshaler.
func (r restoration) MarshalJSON() ([]byte, error) {
	if r.previousName != nil {
		return json.Marshal(r.previousName)
	}
	return json.Marshal(r.done)
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *restoration) UnmarshalJSON(b []byte) error {
	if err := json.Unmarshal(b, &r.previousName); err == nil {
		r.done = true
		return nil
	}
	r.previousName = nil
	return json.Unmarshal(b, &r.done)
}

func (s *Service) restore(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) (r restoration, err error) {
	if i.State() == tenant.Active {
		return r, nil
	}
	// The statement checks the 24 hours again: they may have ended since the instance
	// was read.
	var n int64
	name, err := withName(ctx, tx, i.Space.ID.UUID, i.Kind, i.Name, func(name, key string) (err error) {
		n, err = tx.Exec(ctx, `
			update instance set deleted_at = null, deleted_by = null, restorable_until = null, name = $2, name_key = $3
			where id = $1 and restorable_until > clock_timestamp()`, i.ID.UUID, name, key)
		return err
	})
	if err != nil {
		return r, err
	}
	if n == 0 {
		i.Restorable = false
		return r, access.CheckState(ctx, tx, i, access.RestoreInstance)
	}
	i.DeletedAt, i.DeletedBy, i.RestorableUntil, i.Restorable = nil, nil, nil, false
	r.done = true
	if name != i.Name {
		r.previousName, i.Name = new(i.Name), name
	}
	if err := outbox.Release(ctx, tx, i.ID); err != nil {
		return r, err
	}
	if err := s.OnRestore(ctx, tx, actor, i); err != nil {
		return r, err
	}
	return r, audit.Write(ctx, tx, audit.Record{Action: audit.InstanceRestored, Actor: actor, Target: audit.OnInstance(i)})
}
