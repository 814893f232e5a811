package tenant

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Beside is the statement that reads a place, with something more that it reads at the
// same time.
type Beside struct{ instances, spaces string }

// NewBeside returns the statement with an SQL expression about space s and its
// organization o, whose value is JSON or null. Its parameter $1 is the viewer's account,
// and its own begin with $3. Statements are constants, so it is called once for an
// expression.
func NewBeside(expression string) Beside {
	column := `, ` + expression + ` as beside`
	return Beside{instancesQueryWith(column), spacesQueryWith(column)}
}

// Find reads an instance or a space as FindPlaces does, and the expression into dest,
// which stays as it is where the expression is null. It reads neither where there is no
// such place.
func (b Beside) Find(ctx context.Context, q postgres.Querier, viewer User, id globalid.ID, dest any, args ...any) (place Place, err error) {
	args = append([]any{viewer.ID.UUID, postgres.IDs([]globalid.ID{id})}, args...)
	var beside []byte
	switch id.Kind {
	case globalid.Instance:
		var row struct {
			instanceInSpaceRow
			Beside []byte `db:"beside"`
		}
		if err = q.Get(ctx, &row, b.instances, args...); err == nil {
			if i := visibleInstancesOf([]instanceInSpaceRow{row.instanceInSpaceRow})[id]; i != nil {
				place, beside = i, row.Beside
			}
		}
	case globalid.Space:
		var row struct {
			spaceRow
			Beside []byte `db:"beside"`
		}
		if err = q.Get(ctx, &row, b.spaces, args...); err == nil {
			if s := visibleSpacesOf([]spaceRow{row.spaceRow})[id]; s != nil {
				place, beside = s, row.Beside
			}
		}
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil || beside == nil {
		return place, err
	}
	return place, json.Unmarshal(beside, dest)
}
