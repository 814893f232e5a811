package app_test

import (
	"net/http"
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app"
)

// The operations of one person do not take the places of others.
func TestParallelOperationsOfAPersonAreLimited(t *testing.T) {
	t.Parallel()
	const most = 3
	w := newWorld(t, func(s *app.Settings) { s.MaxParallel = most })
	ada := w.as("ada")
	release := w.holdLocks(holdGroups)
	answers := make(chan answer, most)
	for range most {
		go func() { answers <- ada.delete("Group 1") }()
	}
	w.Eventually("three wait", func() bool {
		return w.Number(`select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`) == most
	})
	for way, send := range ways {
		if got := send(ada, map[string]any{"query": ownName}); !strings.Contains(got, "RATE_LIMITED") || !strings.Contains(got, `"reason":"OPERATIONS_BY_PERSON"`) {
			t.Errorf("%s: %s", way, got)
		}
		if got := send(w.as("vic"), map[string]any{"query": ownName}); !strings.Contains(got, `"name":"Vic"`) {
			t.Errorf("%s: %s", way, got)
		}
	}
	r := ada.Post(map[string]any{"query": ownName})
	r.Header.Set("Accept", "application/graphql-response+json")
	if a := ada.Send(r); a.Status != http.StatusTooManyRequests {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	ada.Ask(`{ nothing }`, nil).Refused("GRAPHQL_VALIDATION_FAILED")
	watching := ada.watchSSE(w.instance("Master"))
	release()
	for range most {
		<-answers
	}
	for way, send := range ways { // all places are free again
		if got := send(ada, map[string]any{"query": ownName}); !strings.Contains(got, `"name":"Ada"`) {
			t.Errorf("%s: %s", way, got)
		}
	}
	ada.invite("Master", "VIEWER", []string{"zoe@new.example"}).OK()
	watching.expect("CREATED zoe@new.example")
}
