package invitation

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// refusalHash returns what stands for an address in the table invitation_refusal.
func refusalHash(key keyedhash.Key, emailKey string) []byte {
	return key.Sum("invitation_refusal", emailKey)
}

// RefusedAt returns when the owner of an address, which is given by its key, refused
// invitations; nil where they did not.
func RefusedAt(ctx context.Context, q postgres.Querier, key keyedhash.Key, emailKey string) (*time.Time, error) {
	var at time.Time
	err := q.Get(ctx, &at, `select at from invitation_refusal where address_hash = $1`, refusalHash(key, emailKey))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &at, err
}
