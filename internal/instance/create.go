package instance

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// CreateInstanceInput is the input of the mutation createInstance.
type CreateInstanceInput struct {
	SpaceID        globalid.ID `json:"spaceId"`
	Name           string      `json:"name"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns the faults in the form of the input.
func (r CreateInstanceInput) Validate() fault.List {
	return append(text.CheckName(r.Name), idempotency.ValidateKey(r.IdempotencyKey)...)
}

// CreateInstancePayload is the result of Create.
type CreateInstancePayload struct{ Instance *tenant.Instance }

// Create creates a working instance of a space. It fails with NOT_FOUND, FORBIDDEN
// or IDEMPOTENCY_KEY_REUSED.
func (s *Service) Create(ctx context.Context, actor access.Actor, r CreateInstanceInput) (c CreateInstancePayload, err error) {
	read := func(ctx context.Context, tx *postgres.Tx, id *globalid.ID) (err error) {
		c.Instance, err = tenant.FindInstance(ctx, tx, actor, *id)
		return err
	}
	key := idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: access.CreateInstance.Field, Input: r}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[globalid.ID]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) error {
			_, err := access.LockAndCheckRole[*tenant.Space](ctx, tx, actor, r.SpaceID, access.CreateInstance, access.Shared)
			return err
		},
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (globalid.ID, error) {
			id := globalid.New(globalid.Instance)
			name, _ := text.ParseName(r.Name)
			if _, err := tx.Exec(ctx, `insert into instance (id, space_id, name, kind) values ($1, $2, $3, 'WORKING')`,
				id.UUID, r.SpaceID.UUID, name); err != nil {
				return id, err
			}
			if err := read(ctx, tx, &id); err != nil {
				return id, err
			}
			return id, audit.Write(ctx, tx, audit.Record{Action: audit.InstanceCreated, Actor: actor, Target: audit.OnInstance(c.Instance)})
		},
	})
	return c, err
}
