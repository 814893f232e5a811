package space

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// CreateSpaceInput is the input of the mutation createSpace.
type CreateSpaceInput struct {
	OrganizationID globalid.ID `json:"organizationId"`
	Name           string      `json:"name"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in CreateSpaceInput) Validate() fault.List {
	return append(text.CheckName(in.Name, "input", "name"), idempotency.ValidateKey(in.IdempotencyKey)...)
}

// CreateSpacePayload is the result of Create.
type CreateSpacePayload struct{ Space *tenant.Space } // nil: the actor has left it since

// Create creates a space with the actor as its administrator. It fails with
// NOT_FOUND, FORBIDDEN or IDEMPOTENCY_KEY_REUSED.
func (s *Service) Create(ctx context.Context, actor access.Actor, in CreateSpaceInput) (payload CreateSpacePayload, err error) {
	read := func(ctx context.Context, tx *postgres.Tx, id *globalid.ID) (err error) {
		payload.Space, err = tenant.FindSpace(ctx, tx, actor, *id)
		return err
	}
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.CreateSpace.Field, Input: in}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[globalid.ID]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) error {
			_, err := access.LockAndCheckRole[*tenant.Organization](ctx, tx, actor, in.OrganizationID, access.CreateSpace, access.Shared)
			return err
		},
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (id globalid.ID, err error) {
			name, _ := text.ParseName(in.Name)
			if id, err = Insert(ctx, tx, in.OrganizationID.UUID, name); err != nil {
				return id, err
			}
			if _, err := membership.Grant(ctx, tx, actor.ID.UUID, id, tenant.SpaceAdministrator); err != nil {
				return id, err
			}
			if err := read(ctx, tx, &id); err != nil {
				return id, err
			}
			return id, audit.Write(ctx, tx, audit.Record{Action: audit.SpaceCreated, Actor: actor, Target: audit.OnSpaceOfOrganization(payload.Space)})
		},
	})
	return payload, err
}
