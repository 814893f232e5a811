package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

func TestUUIDs(t *testing.T) {
	db := open(t, newDatabase(t), postgres.Options{})
	one, two := uuid.New(), uuid.New()
	for _, want := range []postgres.UUIDs{{}, {one}, {one, uuid.Nil, two}} {
		var got struct {
			IDs   postgres.UUIDs `db:"ids"`
			Nulls int            `db:"nulls"`
		}
		if err := db.Get(t.Context(), &got, `select $1::uuid[] as ids, (select count(*) from unnest($1::uuid[]) i where i is null) as nulls`, want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.IDs); diff != "" || got.Nulls != max(0, len(want)-2) {
			t.Errorf("%d nulls, %s", got.Nulls, diff)
		}
	}
	got := postgres.UUIDs{one}
	if err := db.Get(t.Context(), &got, `select null::uuid[]`); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	id := globalid.New(globalid.Instance)
	for want, ids := range map[string][]globalid.ID{
		"{}":                              nil, // a null would make conditions null
		"{" + id.UUID.String() + ",null}": {id, {}},
	} {
		if got, err := postgres.IDs(ids).Value(); got != want || err != nil {
			t.Errorf("%v: %v, %v", ids, got, err)
		}
	}
}
