package app_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/app"
	"alphacruncher.com/datahub-gateway/internal/app/apptest"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/racetest"
)

// gatewayDB opens the database as a gateway does.
func (w *world) gatewayDB() *postgres.DB {
	w.t.Helper()
	db, err := postgres.Open(w.GatewayDSN(), postgres.Options{MaxConnections: 4, StatementTimeout: apptest.Patience})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { db.Close() })
	return db
}

// neverPurging keeps the gateway from purging what the test is to purge.
func neverPurging(s *app.Settings) { s.PurgeGrace = app.Days(3650 * 24 * time.Hour) }

// setDeleted deletes an instance, some time ago.
func (w *world) setDeleted(instance string, ago time.Duration) {
	w.t.Helper()
	w.Exec(`update instance i set deleted_at = t.at, deleted_by = a.id, restorable_until = t.at + interval '24 hours'
		from (select clock_timestamp() - $2 * interval '1 second' as at) t, account a where i.name = $1 and a.name = 'Ada'`, instance, ago.Seconds())
}

// An instance is purged when its 24 hours and the grace are over.
func TestPurgeRemovesExpiredInstances(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	w := newWorld(t, s.Use, neverPurging)
	ada := w.as("ada")
	w.as("vic").Ask(`{ viewer { id } }`, nil).OK()
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.sent(1)
	s.OnRcpt(func(string) error { return apptest.Reply(450, "later") })
	ada.invite("Group 1", "VIEWER", []string{"bob@new.example"}).OK()
	w.Await("an attempt", func() bool { return w.Number(`select count(*) from outbox where last_error is not null`) == 1 })
	ada.delete("Group 1", "idempotencyKey", "k").OK()
	id, token := w.instance("Group 1"), s.Token("zoe@new.example")
	grace := 7 * 24 * time.Hour
	db := w.gatewayDB()
	purge := func() int {
		t.Helper()
		n, err := instance.Purge(t.Context(), db, grace)
		if err != nil {
			t.Error(err)
		}
		return n
	}

	for _, ago := range []time.Duration{0, 23 * time.Hour, 25 * time.Hour, 8*24*time.Hour - time.Minute} {
		w.setDeleted("Group 1", ago)
		if n := purge(); n != 0 {
			t.Fatalf("%d purged %v after the deletion", n, ago)
		}
	}
	// Until the purge, the refusal gives the reason.
	ada.restore("Group 1").Refused("RESTORE_WINDOW_EXPIRED")
	if e := w.as("zoe@new.example").accept("token", token).Refused("INVITATION_NOT_USABLE"); e.Reason() != "INSTANCE_DELETED" || !strings.Contains(fmt.Sprint(e.Extensions["remedy"]), "to invite you to another one") {
		t.Errorf("%v", e)
	}
	w.setDeleted("Group 1", 8*24*time.Hour)
	if n := purge(); n != 1 {
		t.Fatalf("%d purged", n)
	}
	if n := purge(); n != 0 {
		t.Fatalf("%d purged again", n)
	}
	ada.restore(id).Refused("NOT_FOUND")
	ada.delete(id, "idempotencyKey", "k").Refused("NOT_FOUND")
	if e := w.as("zoe@new.example").accept("token", token).Refused("INVITATION_NOT_USABLE"); e.Reason() != nil {
		t.Errorf("%v", e)
	}
	for _, table := range []string{"invitation", "outbox"} {
		if n := w.Number(`select count(*) from ` + table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
	// People and their other roles stay.
	if got := w.roles(); got != "Ada administrator, Ed EDITOR of Group 2, Ed EDITOR of Group 3, Vic VIEWER of Group 2" {
		t.Errorf("%s", got)
	}
	if n := len(s.Attempts()); n != 1 {
		t.Errorf("%d mails", n)
	}
	if got := ada.Ask(`query($s: ID!) { space(id: $s) { auditLog(first: 1) { nodes { summary actorId action } } } }`, map[string]any{"s": w.space("Econometrics 2026")}).OK().
		At("space", "auditLog", "nodes", 0).(map[string]any); got["summary"] != "DataHub removed Group 1 permanently." || got["actorId"] != nil {
		t.Errorf("%v", got)
	}
}

func TestGatewayPurgesByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(s *app.Settings) { s.PurgeGrace = app.Days(5 * time.Hour) })
	w.Await("the purge of Group 3", func() bool { return w.Number(`select count(*) from instance where name = 'Group 3'`) == 0 })
	if n := w.Number(`select count(*) from instance`); n != 6 {
		t.Errorf("%d instances", n)
	}
}

// Several purges at once remove every instance once, also one with thousands of
// rows.
func TestPurgesInParallelShareTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, neverPurging)
	w.Exec(`insert into instance (id, space_id, name, kind) select gen_random_uuid(), s.id, 'Old ' || n, 'WORKING' from space s, generate_series(1, 20) n where s.name = 'Econometrics 2026'`)
	w.Exec(`
		insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
		select gen_random_uuid(), i.id, n || '@y.example', n || '@y.example', 'VIEWER', sha256((i.id::text || n)::bytea), a.id, clock_timestamp() + interval '1 day'
		from instance i, account a, generate_series(1, case when i.name = 'Old 1' then 3500 else 10 end) n where i.name like 'Old %' and a.name = 'Ada'`)
	w.Exec(`insert into outbox (id, kind, subject_id, instance_id, secret, state) select gen_random_uuid(), 'INVITATION', id, instance_id, 'x', 'HELD' from invitation`)
	w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i, account a where i.name like 'Old %'`)
	w.Exec(`update instance i set deleted_at = t.at, deleted_by = a.id, restorable_until = t.at + interval '24 hours'
		from (select clock_timestamp() - interval '30 days' as at) t, account a where i.name like 'Old %' and a.name = 'Ada'`)
	db := w.gatewayDB()
	var mu sync.Mutex
	purged := 0
	var all []func()
	for range 4 {
		all = append(all, func() {
			n, err := instance.Purge(context.Background(), db, 0)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			purged += n
			mu.Unlock()
		})
	}
	racetest.Together(all...)
	// A purge skips instances that another one has locked.
	if n, err := instance.Purge(t.Context(), db, 0); err != nil {
		t.Error(err)
	} else {
		purged += n
	}
	if purged != 21 { // with Group 3
		t.Errorf("%d purged", purged)
	}
	for query, want := range map[string]int{
		`select count(*) from instance`: 6, `select count(*) from invitation`: 0, `select count(*) from outbox`: 0, `select count(*) from account`: 6,
		`select count(*) from audit_log where action = 'INSTANCE_PURGED'`: 21,
	} {
		if n := w.Number(query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
}

// At the deadline an instance is either restored or purged, with everything in
// it.
func TestRestoringRacesWithThePurge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, neverPurging)
	ada := w.as("ada")
	db := w.gatewayDB()
	var edge racetest.Edge
	for n := range racetest.Trials {
		name := fmt.Sprint("Edge ", n)
		ada.createInstance(name).OK()
		id := w.instance(name)
		w.Exec(`insert into instance_member (instance_id, account_id, role) select i.id, a.id, 'VIEWER' from instance i, account a where i.name = $1 and a.name = 'Vic'`, name)
		w.Exec(`update instance i set deleted_at = t.until - interval '24 hours', restorable_until = t.until, deleted_by = a.id
			from (select clock_timestamp() + $2 * interval '1 microsecond' as until) t, account a where i.name = $1 and a.name = 'Ada'`, name, edge.Before().Microseconds())
		var a answer
		racetest.Together(
			func() { a = ada.restore(id) },
			func() {
				// Until it is restored, it becomes due in a moment. The first purge can
				// be that of Group 3.
				for w.Number(`select count(*) from instance where name = $1 and deleted_at is not null`, name) == 1 {
					if _, err := instance.Purge(context.Background(), db, 0); err != nil {
						t.Error(err)
						return
					}
				}
			})
		left := w.Number(`select count(*) from instance where name = $1 and deleted_at is null`, name)
		members := w.Number(`select count(*) from instance_member m join instance i on i.id = m.instance_id where i.name = $1`, name)
		edge.Record(len(a.Errors) == 0)
		switch codes := a.Codes(); {
		case len(codes) == 0:
			if left != 1 || members != 1 {
				t.Fatalf("trial %d: restored, but %d instances with %d members are left", n, left, members)
			}
		case slices.Equal(codes, []string{"RESTORE_WINDOW_EXPIRED"}) || slices.Equal(codes, []string{"NOT_FOUND"}):
			if left != 0 || members != 0 || w.Number(`select count(*) from instance where name = $1`, name) != 0 {
				t.Fatalf("trial %d: not restored, but %d instances with %d members are left", n, left, members)
			}
		default:
			t.Fatalf("trial %d: %s", n, a.Body)
		}
	}
	edge.End(t)
}
