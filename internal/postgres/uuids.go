package postgres

import (
	"database/sql/driver"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"github.com/google/uuid"
	"github.com/lib/pq"
)

// UUIDs is an array of UUIDs, in which uuid.Nil stands for null.
type UUIDs []uuid.UUID

// IDs returns the UUIDs of global ids.
func IDs(ids []globalid.ID) UUIDs {
	uuids := make(UUIDs, len(ids))
	for i, id := range ids {
		uuids[i] = id.UUID
	}
	return uuids
}

// Value implements driver.Valuer.
func (u UUIDs) Value() (driver.Value, error) {
	b := make([]byte, 0, 2+37*len(u))
	b = append(b, '{')
	for i, id := range u {
		if i > 0 {
			b = append(b, ',')
		}
		if id == uuid.Nil {
			b = append(b, "null"...)
		} else {
			b = append(b, id.String()...)
		}
	}
	return string(append(b, '}')), nil
}

// Scan implements sql.Scanner.
func (u *UUIDs) Scan(src any) error {
	var ids []uuid.NullUUID
	if err := pq.Array(&ids).Scan(src); err != nil {
		return err
	}
	*u = make(UUIDs, len(ids))
	for i, id := range ids {
		(*u)[i] = id.UUID
	}
	return nil
}
