package space

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/organization"
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
// and Distributed instances, the administrator's account, and their role, with which
// they belong to the organization. It returns the space's id, and whether the space is
// new.
func Provision(ctx context.Context, db *postgres.DB, in ProvisionInput) (id globalid.ID, created bool, err error) {
	for _, given := range []struct{ what, name string }{{"organization", in.Organization}, {"name", in.Name}} {
		if proper, ok := text.ParseName(given.name); !ok || proper != given.name {
			return globalid.ID{}, false, fmt.Errorf("the %s must be 1 to 200 printable characters, with no more than one space between words", given.what)
		}
	}
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		organization, _, err := organization.Ensure(ctx, tx, in.Organization)
		if err != nil {
			return err
		}
		if id, created, err = ensure(ctx, tx, organization.UUID, in.Name); err != nil {
			return err
		}
		administrator, err := account.Provision(ctx, tx, in.Administrator, account.NameFrom(in.Administrator))
		if err != nil {
			return err
		}
		if _, err := membership.Grant(ctx, tx, administrator, id, tenant.SpaceAdministrator); err != nil {
			return err
		}
		_, err = membership.Grant(ctx, tx, administrator, organization, tenant.OrganizationMember)
		return err
	})
	return id, created, err
}

// ensure returns the oldest space with a name in an organization, and creates it
// where there is none that is not deleted. It locks the organization, so that parallel
// calls create one space.
func ensure(ctx context.Context, tx *postgres.Tx, organization uuid.UUID, name string) (id globalid.ID, created bool, err error) {
	id.Kind = globalid.Space
	if _, err := tx.Exec(ctx, `select from organization where id = $1 for no key update`, organization); err != nil {
		return id, false, err
	}
	err = tx.Get(ctx, &id.UUID, `select id from space where organization_id = $1 and name = $2 and deleted_at is null order by id limit 1`, organization, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, false, err
	}
	id, err = Insert(ctx, tx, organization, name)
	return id, true, err
}
