// Package space creates, deletes and restores spaces, and purges those that nobody can
// restore any more.
package space

import (
	"context"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// Service implements the mutations of spaces.
type Service struct {
	DB *postgres.DB
	// OnDelete and OnRestore are called for each space that is deleted or restored, in the
	// transaction that does it.
	OnDelete  func(context.Context, *postgres.Tx, *tenant.Space) error
	OnRestore func(context.Context, *postgres.Tx, access.Actor, *tenant.Space) error
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
		insert into instance (id, space_id, name, name_key, kind)
		values ($1, $3, 'Master', $4, 'MASTER'), ($2, $3, 'Distributed', $5, 'DISTRIBUTED')`,
		globalid.New(globalid.Instance).UUID, globalid.New(globalid.Instance).UUID, id.UUID, text.NameKey("Master"), text.NameKey("Distributed"))
	return id, err
}
