package access

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type placesKey struct{}

// WithPlaces returns a context that knows what tenant.FindPlaces has found for the
// person who asks.
func WithPlaces(ctx context.Context, found map[globalid.ID]tenant.Place) context.Context {
	return context.WithValue(ctx, placesKey{}, found)
}

// placesOf returns the places that the context knows.
func placesOf(ctx context.Context) map[globalid.ID]tenant.Place {
	places, _ := ctx.Value(placesKey{}).(map[globalid.ID]tenant.Place)
	return places
}

// FindPlace returns the place of an id as tenant.FindPlaces does, and reads it only
// where the context does not know it. A transaction that writes reads it again, after
// locking: see LockPlaces.
func FindPlace(ctx context.Context, q postgres.Querier, actor Actor, id globalid.ID) (tenant.Place, error) {
	if place, known := placesOf(ctx)[id]; known {
		return place, nil
	}
	found, err := tenant.FindPlaces(ctx, q, actor, []globalid.ID{id})
	return found[id], err
}
