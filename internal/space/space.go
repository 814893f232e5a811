// Package space makes spaces.
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

// ProvisionInput is a space that is to be, with its organization and administrator.
type ProvisionInput struct {
	Organization  string
	Name          string
	Administrator address.Address
}

// Provision makes the organization, the space with its Master and Distributed
// instances, the administrator's account and her role: whatever of it is not
// there yet. It gives the space's id and whether it is new.
func Provision(ctx context.Context, db *postgres.DB, f ProvisionInput) (id globalid.ID, made bool, err error) {
	for _, given := range []struct{ what, name string }{{"organization", f.Organization}, {"name", f.Name}} {
		if proper, ok := text.ParseName(given.name); !ok || proper != given.name {
			return globalid.ID{}, false, fmt.Errorf("the %s must be 1 to 200 printable characters, with no more than one space between words", given.what)
		}
	}
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		organization, err := Organization(ctx, tx, f.Organization)
		if err != nil {
			return err
		}
		if id, made, err = findOrMake(ctx, tx, organization, f.Name); err != nil {
			return err
		}
		administrator, err := account.Provision(ctx, tx, f.Administrator, account.NameFrom(f.Administrator))
		if err != nil {
			return err
		}
		_, err = membership.Grant(ctx, tx, administrator, id, tenant.SpaceAdministrator)
		return err
	})
	return id, made, err
}

// Organization gives the id of the organization of a name, and makes it where
// there is none.
func Organization(ctx context.Context, tx *postgres.Tx, called string) (id uuid.UUID, err error) {
	if _, err := tx.Exec(ctx, `insert into organization (id, name) values ($1, $2) on conflict (name) do nothing`,
		globalid.New(globalid.Organization).UUID, called); err != nil {
		return uuid.Nil, err
	}
	err = tx.Get(ctx, &id, `select id from organization where name = $1`, called)
	return id, err
}

// findOrMake gives the oldest space of a name in an organization, and makes it
// where there is none. Whoever does the same at once waits.
func findOrMake(ctx context.Context, tx *postgres.Tx, organization uuid.UUID, called string) (id globalid.ID, made bool, err error) {
	id.Kind = globalid.Space
	if _, err := tx.Exec(ctx, `select from organization where id = $1 for no key update`, organization); err != nil {
		return id, false, err
	}
	err = tx.Get(ctx, &id.UUID, `select id from space where organization_id = $1 and name = $2 order by id limit 1`, organization, called)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, false, err
	}
	id, err = Make(ctx, tx, organization, called)
	return id, true, err
}

// Make makes a space of an organization, with its Master and Distributed
// instances. Spaces may have the same name: whoever makes one must not learn of
// others by it.
func Make(ctx context.Context, tx *postgres.Tx, organization uuid.UUID, called string) (globalid.ID, error) {
	id := globalid.New(globalid.Space)
	if _, err := tx.Exec(ctx, `insert into space (id, organization_id, name) values ($1, $2, $3)`, id.UUID, organization, called); err != nil {
		return id, err
	}
	_, err := tx.Exec(ctx, `
		insert into instance (id, space_id, name, kind)
		values ($1, $3, 'Master', 'MASTER'), ($2, $3, 'Distributed', 'DISTRIBUTED')`,
		globalid.New(globalid.Instance).UUID, globalid.New(globalid.Instance).UUID, id.UUID)
	return id, err
}

// CreateSpaceInput asks for a new space of an organization.
type CreateSpaceInput struct {
	OrganizationID globalid.ID `json:"organizationId"`
	Name           string      `json:"name"`
	IdempotencyKey *string     `json:"-"`
}

// Validate gives what is wrong with the form of the request.
func (r CreateSpaceInput) Validate() fault.List {
	return append(text.CheckName(r.Name), idempotency.ValidateKey(r.IdempotencyKey)...)
}

// CreateSpacePayload is what came of a CreateSpaceInput.
type CreateSpacePayload struct{ Space *tenant.Space } // nil: the actor has left it since

// Service carries out what is asked about spaces.
type Service struct{ DB *postgres.DB }

// Create makes a space, whose administrator the actor is. It fails with
// NOT_FOUND or FORBIDDEN.
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
			called, _ := text.ParseName(r.Name)
			if id, err = Make(ctx, tx, r.OrganizationID.UUID, called); err != nil {
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
