package instance_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// grace is the grace period of the tests.
const grace = 7 * 24 * time.Hour

func (w world) purge() int {
	w.t.Helper()
	n, err := instance.Purge(w.t.Context(), w.DB, grace)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// fill adds invitations, each with a mail that is held, and requests, each with a
// notice and its mail, and the requesters as members.
func (w world) fill(id globalid.ID, invitations, requests int) {
	w.t.Helper()
	w.Exec(`
		insert into invitation (id, instance_id, email, email_key, role, token_hash, invited_by, expires_at)
		select gen_random_uuid(), $1::uuid, n || '@y.example', n || '@y.example', 'VIEWER', sha256(($1::uuid::text || n)::bytea), $2, clock_timestamp()
		from generate_series(1, $3::int) n`, id.UUID, w.User("ada").ID.UUID, invitations)
	w.Exec(`
		insert into outbox (id, kind, subject_id, instance_id, secret, state)
		select gen_random_uuid(), 'INVITATION', id, instance_id, 'x', 'HELD' from invitation where instance_id = $1`, id.UUID)
	w.Exec(`
		with a as (
			insert into account (id, email, email_key, name)
			select gen_random_uuid(), e, e, 'X' from (select 'r' || n || '@' || $1 || '.example' as e from generate_series(1, $2::int) n) e
			returning id),
		m as (insert into instance_member (instance_id, account_id, role) select $1::uuid, id, 'VIEWER' from a),
		e as (insert into ended_membership (removal, account_id, instance_id, role, since, reason) select gen_random_uuid(), id, $1::uuid, 'VIEWER', clock_timestamp(), 'LEFT' from a),
		r as (
			insert into request (id, kind, space_id, space_name, instance_id, instance_name, requested_by, lasts_until, expires_at)
			select gen_random_uuid(), 'RESTORE', i.space_id, 'S', i.id, i.name, a.id, clock_timestamp(), clock_timestamp() from a, instance i where i.id = $1::uuid
			returning id),
		n as (insert into request_notice (id, request_id, account_id) select gen_random_uuid(), r.id, $3 from r returning id)
		insert into outbox (id, kind, subject_id) select gen_random_uuid(), 'REQUEST', id from n`, id.UUID.String(), requests, w.User("ada").ID.UUID)
}

func TestPurgeWaitsForTheGracePeriod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null`)
	w.DeleteInstance(w.Instance("Group 1"), w.User("ed"))
	for _, d := range []time.Duration{0, 24 * time.Hour, grace - time.Minute} {
		w.Advance(d)
		if n := w.purge(); n != 0 {
			t.Fatalf("%d purged after another %v", n, d)
		}
	}
	w.Advance(time.Minute)
	if n := w.purge(); n != 1 {
		t.Errorf("%d purged", n)
	}
	if n := w.purge(); n != 0 {
		t.Errorf("%d purged again", n)
	}
	if diff := cmp.Diff([]string{"DataHub INSTANCE_PURGED Group 1"}, w.Trail()); diff != "" {
		t.Error(diff)
	}
}

// More than a transaction deletes at once is purged in several; nothing is left of
// the instance, and nothing else is touched.
func TestPurgeRemovesEverythingInTheInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone, kept := w.Instance("Group 3"), w.Instance("Group 1")
	w.fill(gone, 2500, 1200)
	w.fill(kept, 3, 2)
	w.Advance(grace)
	if n := w.purge(); n != 1 || w.state(gone) != "" {
		t.Errorf("%d purged, and it is %q", n, w.state(gone))
	}
	for table, want := range map[string]int{"invitation": 3, "request": 2, "request_notice": 2, "outbox": 5, "ended_membership": 2} {
		if got := w.Number(`select count(*) from ` + table); got != want {
			t.Errorf("%d rows of %s are left, want %d", got, table, want)
		}
	}
	if got := w.RoleOf(w.User("ed"), kept); got != "INSTANCE_EDITOR" {
		t.Errorf("Ed is %q in another instance", got)
	}
	if n := w.Number(`select count(*) from account where email like 'r%@%'`); n < 1200 {
		t.Errorf("%d accounts are left", n)
	}
}

func TestPurgesAtOnceShareTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const instances = 12
	for n := range instances {
		id := w.NewInstance(w.Space(testworld.Econometrics), fmt.Sprint("Old ", n))
		w.fill(id, 20, 2)
		w.DeleteInstance(id, w.User("ada"))
	}
	w.Exec(`update instance set deleted_at = null, deleted_by = null, restorable_until = null where name like 'Group %'`)
	w.Advance(grace + 24*time.Hour)
	var all sync.WaitGroup
	counts := make([]int, 4)
	for i := range counts {
		all.Go(func() {
			var err error
			if counts[i], err = instance.Purge(t.Context(), w.DB, grace); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if n := w.Number(`select count(*) from instance where name like 'Old %'`); sum != instances || n != 0 || len(w.Trail()) != instances {
		t.Errorf("%v purged, %d left, %d in the trail", counts, n, len(w.Trail()))
	}
}

// An instance that somebody has locked, to restore it for example, is left to the next
// purge.
func TestPurgeSkipsLockedInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Advance(grace + 24*time.Hour)
	if err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		if _, err := tx.Exec(t.Context(), `select from instance where name = 'Group 3' for no key update`); err != nil {
			return err
		}
		if n := w.purge(); n != 1 || w.state(w.Instance("Group 3")) != "DELETED" {
			t.Errorf("%d purged beside the lock", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := w.purge(); n != 1 {
		t.Errorf("%d purged after the lock", n)
	}
}

func TestPurgeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Advance(grace)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := instance.Purge(ctx, w.DB, grace); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d purged, %v", n, err)
	}
	if got := w.state(w.Instance("Group 3")); got != string(tenant.Deleted) {
		t.Errorf("it is %q", got)
	}
}
