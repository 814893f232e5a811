// Package space creates spaces.
package space

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// ProvisionInput is a space to create, with its organization and administrator.
type ProvisionInput struct {
	Organization  string
	Name          string
	Administrator address.Address
}

// Provision creates what is missing of: the organization, the space with its Master
// and Distributed instances, the administrator's account, and their role. It
// returns the space's id, and whether the space is new.
func Provision(ctx context.Context, db *postgres.DB, in ProvisionInput) (id globalid.ID, created bool, err error) {
	for _, given := range []struct{ what, name string }{{"organization", in.Organization}, {"name", in.Name}} {
		if proper, ok := text.ParseName(given.name); !ok || proper != given.name {
			return globalid.ID{}, false, fmt.Errorf("the %s must be 1 to 200 printable characters, with no more than one space between words", given.what)
		}
	}
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		organization, err := EnsureOrganization(ctx, tx, in.Organization)
		if err != nil {
			return err
		}
		if id, created, err = ensure(ctx, tx, organization, in.Name); err != nil {
			return err
		}
		administrator, err := account.Provision(ctx, tx, in.Administrator, account.NameFrom(in.Administrator))
		if err != nil {
			return err
		}
		_, err = membership.Grant(ctx, tx, administrator, id, tenant.SpaceAdministrator)
		return err
	})
	return id, created, err
}

// EnsureOrganization returns the id of the organization with a name, and creates it
// where there is none.
func EnsureOrganization(ctx context.Context, tx *postgres.Tx, name string) (id uuid.UUID, err error) {
	if _, err := tx.Exec(ctx, `insert into organization (id, name) values ($1, $2) on conflict (name) do nothing`,
		globalid.New(globalid.Organization).UUID, name); err != nil {
		return uuid.Nil, err
	}
	err = tx.Get(ctx, &id, `select id from organization where name = $1`, name)
	return id, err
}

// ensure returns the oldest space with a name in an organization, and creates it
// where there is none. It locks the organization, so that parallel calls create one
// space.
func ensure(ctx context.Context, tx *postgres.Tx, organization uuid.UUID, name string) (id globalid.ID, created bool, err error) {
	id.Kind = globalid.Space
	if _, err := tx.Exec(ctx, `select from organization where id = $1 for no key update`, organization); err != nil {
		return id, false, err
	}
	err = tx.Get(ctx, &id.UUID, `select id from space where organization_id = $1 and name = $2 order by id limit 1`, organization, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, false, err
	}
	id, err = Insert(ctx, tx, organization, name)
	return id, true, err
}

// Insert inserts a space of an organization, with its Master and Distributed
// instances. Spaces may have the same name: an error would tell the person who
// creates one about spaces that they must not know of.
func Insert(ctx context.Context, tx *postgres.Tx, organization uuid.UUID, name string) (globalid.ID, error) {
	id := globalid.New(globalid.Space)
	if _, err := tx.Exec(ctx, `insert into space (id, organization_id, name) values ($1, $2, $3)`, id.UUID, organization, name); err != nil {
		return id, err
	}
	_, err := tx.Exec(ctx, `
		insert into instance (id, space_id, name, kind)
		values ($1, $3, 'Master', 'MASTER'), ($2, $3, 'Distributed', 'DISTRIBUTED')`,
		globalid.New(globalid.Instance).UUID, globalid.New(globalid.Instance).UUID, id.UUID)
	return id, err
}

// CreateSpaceInput is the input of the mutation createSpace.
type CreateSpaceInput struct {
	OrganizationID globalid.ID `json:"organizationId"`
	Name           string      `json:"name"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns the faults in the form of the input.
func (r CreateSpaceInput) Validate() fault.List {
	return append(text.CheckName(r.Name), idempotency.ValidateKey(r.IdempotencyKey)...)
}

// CreateSpacePayload is the result of Create.
type CreateSpacePayload struct{ Space *tenant.Space } // nil: the actor has left it since

// Service implements the mutations of spaces.
type Service struct{ DB *postgres.DB }

// Create creates a space with the actor as its administrator. It fails with
// NOT_FOUND, FORBIDDEN or IDEMPOTENCY_KEY_REUSED.
func (s *Service) Create(ctx context.Context, actor access.Actor, r CreateSpaceInput) (c CreateSpacePayload, err error) {
	read := func(ctx context.Context, tx *postgres.Tx, id *globalid.ID) (err error) {
		c.Space, err = tenant.FindSpace(ctx, tx, actor, *id)
		return err
	}
	key := idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: access.CreateSpace.Field, Input: r}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[globalid.ID]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) error {
			_, err := access.LockAndCheckRole[*tenant.Organization](ctx, tx, actor, r.OrganizationID, access.CreateSpace, access.Shared)
			return err
		},
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (id globalid.ID, err error) {
			name, _ := text.ParseName(r.Name)
			if id, err = Insert(ctx, tx, r.OrganizationID.UUID, name); err != nil {
				return id, err
			}
			if _, err := membership.Grant(ctx, tx, actor.ID.UUID, id, tenant.SpaceAdministrator); err != nil {
				return id, err
			}
			if err := read(ctx, tx, &id); err != nil {
				return id, err
			}
			return id, audit.Write(ctx, tx, audit.Record{Action: audit.SpaceCreated, Actor: actor, Target: audit.OnSpace(c.Space)})
		},
	})
	return c, err
}
