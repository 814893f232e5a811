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

// CreateInstanceInput asks for a new working instance of a space.
type CreateInstanceInput struct {
	SpaceID        globalid.ID `json:"spaceId"`
	Name           string      `json:"name"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in CreateInstanceInput) Validate() fault.List {
	return append(text.CheckName(in.Name, "input", "name"), idempotency.ValidateKey(in.IdempotencyKey)...)
}

// CreateInstancePayload is the result of creating an instance.
type CreateInstancePayload struct{ Instance *tenant.Instance }

// Create creates a working instance of a space. It fails with NOT_FOUND, FORBIDDEN,
// IDEMPOTENCY_KEY_REUSED, SPACE_DELETED, or CONFLICT (NAME_RESERVED, NAME_TAKEN).
func (s *Service) Create(ctx context.Context, actor access.Actor, in CreateInstanceInput) (payload CreateInstancePayload, err error) {
	read := func(ctx context.Context, tx *postgres.Tx, id *globalid.ID) (err error) {
		payload.Instance, err = tenant.FindInstance(ctx, tx, actor, *id)
		return err
	}
	var space *tenant.Space
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.CreateInstance.Field, Input: in}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[globalid.ID]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			space, err = access.LockAndCheckRole[*tenant.Space](ctx, tx, actor, in.SpaceID, access.CreateInstance, access.Shared)
			return err
		},
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (globalid.ID, error) {
			if err := access.CheckState(ctx, tx, space, access.CreateInstance); err != nil {
				return globalid.ID{}, err
			}
			name, _ := text.ParseName(in.Name)
			if special := ReservedName(name); special != "" {
				return globalid.ID{}, NameReserved(special, "Nothing was created.", "input", "name")
			}
			id, inserted, err := Insert(ctx, tx, in.SpaceID.UUID, name)
			if err != nil {
				return id, err
			}
			if !inserted {
				return id, nameTaken(ctx, tx, space, name)
			}
			if err := read(ctx, tx, &id); err != nil {
				return id, err
			}
			return id, audit.Write(ctx, tx, audit.Record{Action: audit.InstanceCreated, Actor: actor, Target: audit.OnInstance(payload.Instance)})
		},
	})
	return payload, err
}
