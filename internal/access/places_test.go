package access_test

import (
	"testing"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// What the context knows is not read again; also that there is nothing.
func TestFindPlaceReadsWhatTheContextDoesNotKnow(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	ada, group1, unknown, space := w.User("ada"), w.Instance("Group 1"), globalid.New(globalid.Instance), w.Space(testworld.Econometrics)
	found, err := tenant.FindPlaces(t.Context(), w.DB, ada, []globalid.ID{group1, unknown})
	if err != nil {
		t.Fatal(err)
	}
	knowing := access.WithPlaces(t.Context(), found)
	for _, id := range []globalid.ID{group1, unknown} {
		if place, err := access.FindPlace(knowing, nil, ada, id); place != found[id] || err != nil {
			t.Errorf("%v: %v, %v", id, place, err)
		}
	}
	if place, err := access.FindPlace(knowing, w.DB, ada, space); place == nil || err != nil {
		t.Errorf("a place that the context does not know: %v, %v", place, err)
	}
	if place, err := access.FindPlace(t.Context(), w.DB, ada, group1); place == nil || err != nil {
		t.Errorf("without known places: %v, %v", place, err)
	}
}
