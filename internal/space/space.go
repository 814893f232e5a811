// Package space makes spaces.
package space

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Founding is a space that is to be, with its organization and administrator.
type Founding struct {
	Organization  string
	Name          string
	Administrator address.Address
}

// Found makes the organization, the space with its Master and Distributed
// instances, the administrator's account and her role: whatever of it is not
// there yet. It gives the space's id and whether it is new.
func Found(ctx context.Context, db *postgres.DB, f Founding) (id globalid.ID, made bool, err error) {
	for _, given := range []struct{ what, name string }{{"organization", f.Organization}, {"name", f.Name}} {
		if n := utf8.RuneCountInString(given.name); n < 1 || n > 200 || given.name != account.CleanName(given.name) {
			return globalid.ID{}, false, fmt.Errorf("the %s must be 1 to 200 printable characters, with no more than one space between words", given.what)
		}
	}
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		organization, err := Organization(ctx, tx, f.Organization)
		if err != nil {
			return err
		}
		if id, made, err = Create(ctx, tx, organization, f.Name); err != nil {
			return err
		}
		administrator, err := account.Provision(ctx, tx, f.Administrator, account.NameFrom(f.Administrator))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			insert into space_administrator (space_id, account_id) values ($1, $2) on conflict do nothing`,
			id.UUID, administrator)
		return err
	})
	return id, made, err
}

// Organization gives the id of the organization of a name, and makes it where
// there is none.
func Organization(ctx context.Context, tx *postgres.Tx, name string) (id uuid.UUID, err error) {
	if _, err := tx.Exec(ctx, `insert into organization (id, name) values ($1, $2) on conflict (name) do nothing`,
		globalid.New(globalid.Organization).UUID, name); err != nil {
		return uuid.Nil, err
	}
	err = tx.Get(ctx, &id, `select id from organization where name = $1`, name)
	return id, err
}

// Create makes a space of an organization, with its Master and Distributed
// instances, unless it is there already; and gives its id.
func Create(ctx context.Context, tx *postgres.Tx, organization uuid.UUID, name string) (id globalid.ID, made bool, err error) {
	id = globalid.New(globalid.Space)
	n, err := tx.Exec(ctx, `
		insert into space (id, organization_id, name) values ($1, $2, $3) on conflict (organization_id, name) do nothing`,
		id.UUID, organization, name)
	if err != nil {
		return globalid.ID{}, false, err
	}
	if n == 0 {
		err = tx.Get(ctx, &id.UUID, `select id from space where organization_id = $1 and name = $2`, organization, name)
		return id, false, err
	}
	_, err = tx.Exec(ctx, `
		insert into instance (id, space_id, name, kind)
		values ($1, $3, 'Master', 'MASTER'), ($2, $3, 'Distributed', 'DISTRIBUTED')`,
		globalid.New(globalid.Instance).UUID, globalid.New(globalid.Instance).UUID, id.UUID)
	return id, true, err
}
