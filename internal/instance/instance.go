// Package instance creates, deletes and restores instances, and purges those that
// nobody can restore any more.
package instance

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Service creates, deletes and restores instances.
type Service struct {
	DB *postgres.DB
	// OnDelete and OnRestore are called for each instance that is deleted or
	// restored, in the transaction that does it.
	OnDelete  func(context.Context, *postgres.Tx, *tenant.Instance) error
	OnRestore func(context.Context, *postgres.Tx, access.Actor, *tenant.Instance) error
}

// InstanceInput asks to delete or to restore an instance.
type InstanceInput struct {
	InstanceID     globalid.ID `json:"instanceId"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in InstanceInput) Validate() fault.List { return idempotency.ValidateKey(in.IdempotencyKey) }

// change locks an instance exclusively, checks that the rule allows the actor and the
// instance's state, and calls do, which returns what it changed.
func change[A any](ctx context.Context, s *Service, actor access.Actor, in InstanceInput, rule access.Rule,
	do func(context.Context, *postgres.Tx, access.Actor, *tenant.Instance) (A, error)) (i *tenant.Instance, changed A, err error) {
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: rule.Field, Input: in}
	changed, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[A]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			i, err = access.LockAndCheckRole[*tenant.Instance](ctx, tx, actor, in.InstanceID, rule, access.Exclusive)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (none A, err error) {
			if err := access.CheckState(ctx, tx, i, rule); err != nil {
				return none, err
			}
			return do(ctx, tx, actor, i)
		},
	})
	return i, changed, err
}
