// Package organization creates organizations and appoints their first managers.
package organization

import (
	"context"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Ensure returns the id of the organization with a name, and creates it where there is
// none.
func Ensure(ctx context.Context, tx *postgres.Tx, name string) (id globalid.ID, created bool, err error) {
	id = globalid.New(globalid.Organization)
	n, err := tx.Exec(ctx, `insert into organization (id, name) values ($1, $2) on conflict (name) do nothing`, id.UUID, name)
	if n > 0 || err != nil {
		return id, n > 0, err
	}
	var existing uuid.UUID
	err = tx.Get(ctx, &existing, `select id from organization where name = $1`, name)
	return globalid.ID{Kind: globalid.Organization, UUID: existing}, false, err
}
