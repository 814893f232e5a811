package tenant

import (
	"context"
	"encoding/json"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Beside is the statement that reads a place, with something more that it reads at the
// same time.
type Beside struct{ instances, spaces string }

// NewBeside returns the statement with an SQL expression, whose value is JSON. Its
// parameter $1 is the viewer's account, and its own begin with $3. Statements are
// constants, so it is called once for an expression.
func NewBeside(expression string) Beside {
	column := `, ` + expression + ` as beside`
	return Beside{instancesQueryWith(column), spacesQueryWith(column)}
}

// Find reads an instance or a space as FindPlaces does, and the expression into dest.
// It reads neither where there is no such place.
func (b Beside) Find(ctx context.Context, q postgres.Querier, viewer User, id globalid.ID, dest any, args ...any) (Place, error) {
	args = append([]any{viewer.ID.UUID, postgres.IDs([]globalid.ID{id})}, args...)
	var place Place
	var beside []byte
	switch id.Kind {
	case globalid.Instance:
		var rows []struct {
			instanceInSpaceRow
			Beside []byte `db:"beside"`
		}
		if err := q.Select(ctx, &rows, b.instances, args...); err != nil {
			return nil, err
		}
		for _, r := range rows {
			beside = r.Beside
			if found := visibleInstancesOf([]instanceInSpaceRow{r.instanceInSpaceRow})[id]; found != nil {
				place = found
			}
		}
	case globalid.Space:
		var rows []struct {
			spaceRow
			Beside []byte `db:"beside"`
		}
		if err := q.Select(ctx, &rows, b.spaces, args...); err != nil {
			return nil, err
		}
		for _, r := range rows {
			beside = r.Beside
			if found := visibleSpacesOf([]spaceRow{r.spaceRow})[id]; found != nil {
				place = found
			}
		}
	}
	if place == nil {
		return nil, nil
	}
	return place, json.Unmarshal(beside, dest)
}
