package audit_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestOldRecordsAreDeletedAfterTheRetention(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	const retention = 60 * 24 * time.Hour
	record := func(action audit.Action) {
		t.Helper()
		if err := write(t, w, audit.Record{Action: action, Actor: w.User("ada"), Target: target(w)}); err != nil {
			t.Fatal(err)
		}
	}
	deleteOld := func(want int64) {
		t.Helper()
		if n, err := audit.DeleteOld(t.Context(), w.DB, retention); n != want || err != nil {
			t.Errorf("%d deleted, want %d (%v)", n, want, err)
		}
	}
	record(audit.InstanceDeleted)
	record(audit.InstanceRestored)
	w.Advance(time.Hour)
	record(audit.InstanceCreated)
	w.Advance(retention - 90*time.Minute)
	page := list(t, w, w.Space(testworld.Econometrics), relay.Page{First: 2})
	deleteOld(0)
	w.Advance(time.Hour)
	deleteOld(2)
	deleteOld(0)
	if got, want := w.Trail(), []string{"Ada INSTANCE_CREATED Group 1"}; !slices.Equal(got, want) {
		t.Errorf("left: %q", got)
	}
	// The cursor of a record that was deleted meanwhile is followed by nothing.
	rest := list(t, w, w.Space(testworld.Econometrics), relay.Page{First: 2, After: page.Nodes[1].ID.UUID, Total: true})
	if len(rest.Nodes) != 0 || rest.Total != 1 {
		t.Errorf("%d records of %d", len(rest.Nodes), rest.Total)
	}
}

func TestDeleteOldDeletesInBatches(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	w.Exec(`
		insert into audit_log (action, actor_name, space_id, space_name, at)
		select 'x', 'Ada', gen_random_uuid(), 's', clock_timestamp() - interval '61 days' from generate_series(1, 1200)`)
	for _, want := range []int64{1000, 200, 0} {
		if n, err := audit.DeleteOld(t.Context(), w.DB, 60*24*time.Hour); n != want || err != nil {
			t.Errorf("%d deleted, want %d (%v)", n, want, err)
		}
	}
}

// A gateway can delete what is old by the database's rule, and nothing else.
func TestTrailOfTheLastThirtyDaysCannotBeDeleted(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	if err := write(t, w, audit.Record{Action: audit.InstanceCreated, Actor: w.User("ada"), Target: target(w)}); err != nil {
		t.Fatal(err)
	}
	w.Advance(20 * 24 * time.Hour)
	for statement, says := range map[string]string{
		`select audit_log_delete_old(interval '29 days', 1000)`:                                            "thirty days at least",
		`select audit_log_delete_old(null, 1000)`:                                                          "thirty days at least",
		`delete from audit_log`:                                                                            "permission denied",
		`update audit_log set actor_name = 'Nobody'`:                                                       "permission denied",
		`with s as (select set_config('datahub.audit_log', 'DELETE', false)) delete from audit_log`:        "permission denied",
		`with s as (select set_config('datahub.audit_log', 'UPDATE', false)) update audit_log set at = at`: "permission denied",
	} {
		if _, err := w.DB.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", statement, err, says)
		}
	}
	if n, err := audit.DeleteOld(t.Context(), w.DB, 30*24*time.Hour); n != 0 || err != nil {
		t.Errorf("%d deleted, %v", n, err)
	}
	if n := len(w.Trail()); n != 1 {
		t.Errorf("%d records", n)
	}
}
