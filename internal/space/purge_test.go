package space_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// grace is the grace period of the tests.
const grace = 7 * 24 * time.Hour

func (w world) purge() int {
	w.t.Helper()
	n, err := space.Purge(w.t.Context(), w.DB, grace)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// fill adds invitations to a space and to an instance of it, each with a mail, and requests
// about both, each with a notice and its mail.
func (w world) fill(id, in globalid.ID, n int) {
	w.t.Helper()
	w.Exec(`
		insert into invitation (id, instance_id, space_id, email, email_key, role, token_hash, invited_by, expires_at)
		select gen_random_uuid(), case when n % 2 = 0 then $2::uuid end, case when n % 2 = 1 then $1::uuid end, n || '@y.example', n || '@y.example',
			case when n % 2 = 0 then 'VIEWER' end, sha256(($1::uuid::text || n)::bytea), $3, clock_timestamp() from generate_series(1, $4::int) n`,
		id.UUID, in.UUID, w.User("ada").ID.UUID, n)
	w.Exec(`
		with a as (
			insert into account (id, email, email_key, name)
			select gen_random_uuid(), e, e, 'X' from (select 'e' || n || '@' || $1::uuid || '.example' as e from generate_series(1, $3::int) n) e returning id)
		insert into ended_membership (removal, account_id, space_id, instance_id, role, since, reason)
		select gen_random_uuid(), a.id, case when x.inside then null else $1::uuid end, case when x.inside then $2::uuid end,
		       case when x.inside then 'VIEWER' end, case when x.inside then clock_timestamp() end, 'REMOVED'
		from a, (values (true), (false)) as x (inside)`, id.UUID, in.UUID, n)
	w.Exec(`
		with r as (
			insert into membership_reminder (account_id, space_id, others, first_until, until)
			select $2, $1, true, clock_timestamp(), clock_timestamp() from generate_series(1, $3::int) returning id)
		insert into outbox (id, kind, subject_id) select gen_random_uuid(), 'MEMBERSHIP_REMINDER', id from r`, id.UUID, w.User("ada").ID.UUID, n)
	w.Exec(`
		insert into outbox (id, kind, subject_id, instance_id, secret, state)
		select gen_random_uuid(), 'INVITATION', v.id, v.instance_id, 'x', 'HELD' from invitation v where v.instance_id = $2 or v.space_id = $1`, id.UUID, in.UUID)
	w.Exec(`
		with a as (
			insert into account (id, email, email_key, name)
			select gen_random_uuid(), e, e, 'X' from (select 'r' || n || '@' || $1::uuid || '.example' as e from generate_series(1, $3::int) n) e returning id),
		r as (
			insert into request (id, kind, space_id, space_name, instance_id, instance_name, requested_by, lasts_until, expires_at)
			select gen_random_uuid(), 'RESTORE', $1, 'S', case when x.about then $2::uuid end, case when x.about then 'I' end, a.id, clock_timestamp(), clock_timestamp()
			from a, (values (true), (false)) as x (about) returning id),
		n as (insert into request_notice (id, request_id, account_id) select gen_random_uuid(), r.id, $4 from r returning id)
		insert into outbox (id, kind, subject_id) select gen_random_uuid(), 'REQUEST', id from n`, id.UUID, in.UUID, n, w.User("ada").ID.UUID)
}

func TestPurgeWaitsForTheGracePeriod(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	w.delete("ada", id)
	for _, d := range []time.Duration{0, 24 * time.Hour, grace - time.Minute} {
		w.Advance(d)
		if n := w.purge(); n != 0 {
			t.Fatalf("%d purged after another %v", n, d)
		}
	}
	if _, refusal := w.restore("ada", id); refusal != "RESTORE_WINDOW_EXPIRED" {
		t.Errorf("until the purge, the refusal is %q", refusal)
	}
	w.Advance(time.Minute)
	if n := w.purge(); n != 1 || w.state(id) != "" {
		t.Errorf("%d purged, and it is %q", n, w.state(id))
	}
	if n := w.purge(); n != 0 {
		t.Errorf("%d purged again", n)
	}
	if _, refusal := w.restore("ada", id); refusal != "NOT_FOUND" {
		t.Errorf("afterwards it is %q", refusal)
	}
}

// More than a transaction deletes at once is purged in several; nothing is left of the
// space, nothing else is touched, and the managers find it in the trail.
func TestPurgeRemovesEverythingInTheSpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gone := w.Space(testworld.Econometrics)
	kept := w.NewSpace(w.Organization("University of Example"), "Kept")
	w.Grant(w.User("ada"), tenant.SpaceAdministrator, kept)
	w.fill(gone, w.Instance("Group 1"), 2500)
	w.fill(kept, w.InstanceOf(kept, "Master"), 4)
	w.delete("ada", gone)
	w.Advance(grace + 24*time.Hour)
	if n := w.purge(); n != 1 || w.state(gone) != "" {
		t.Errorf("%d purged, and it is %q", n, w.state(gone))
	}
	for table, want := range map[string]int{"invitation": 4, "request": 8, "request_notice": 8, "outbox": 16, "membership_reminder": 4, "space": 2, "instance": 4, "space_administrator": 2, "instance_member": 0, "ended_membership": 8} {
		if got := w.Number(`select count(*) from ` + table); got != want {
			t.Errorf("%d rows of %s are left, want %d", got, table, want)
		}
	}
	if got := w.RoleOf(w.User("mia"), w.Organization("University of Example")); got != "ORGANIZATION_MANAGER" {
		t.Errorf("Mia is %q", got)
	}
	got := w.Lines(`select concat_ws(' ', actor_name, action, space_name, organization_name) from audit_log order by id`)
	if diff := cmp.Diff([]string{
		"Ada SPACE_DELETED Econometrics 2026 University of Example",
		"DataHub SPACE_PURGED Econometrics 2026 University of Example",
	}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPurgesAtOnceShareTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const spaces = 8
	for range spaces {
		id := w.NewSpace(w.Organization("University of Example"), "Old")
		w.Grant(w.User("ada"), tenant.SpaceAdministrator, id)
		w.fill(id, w.InstanceOf(id, "Master"), 20)
		w.delete("ada", id)
	}
	w.Advance(grace + 24*time.Hour)
	var all sync.WaitGroup
	counts := make([]int, 4)
	for i := range counts {
		all.Go(func() {
			var err error
			if counts[i], err = space.Purge(t.Context(), w.DB, grace); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if n := w.Number(`select count(*) from space where name = 'Old'`); sum != spaces || n != 0 {
		t.Errorf("%v purged, %d left", counts, n)
	}
}

// A space that somebody has locked is left to the next purge, and instances are purged
// beside it.
func TestPurgeSkipsLockedSpaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	w.delete("ada", id)
	w.Advance(grace + 24*time.Hour)
	if err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		if _, err := tx.Exec(t.Context(), `select from space where id = $1 for no key update`, id.UUID); err != nil {
			return err
		}
		if n := w.purge(); n != 0 || w.state(id) != "DELETED" {
			t.Errorf("%d purged beside the lock", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := instance.Purge(t.Context(), w.DB, grace); n != 2 || err != nil {
		t.Errorf("%d instances purged, %v", n, err)
	}
	if n := w.purge(); n != 1 {
		t.Errorf("%d purged after the lock", n)
	}
}

// The purge waits for nobody who has locked an instance of the space, and perhaps waits for
// the space: it leaves the rest to the next purge.
func TestPurgeSkipsLockedInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	w.delete("ada", id)
	w.Advance(grace + 24*time.Hour)
	if err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		if _, err := tx.Exec(t.Context(), `select from instance where id = $1 for no key update`, w.Instance("Group 1").UUID); err != nil {
			return err
		}
		if n := w.purge(); n != 0 || w.state(id) != "DELETED" {
			t.Errorf("%d purged beside the lock", n)
		}
		if n := w.Number(`select count(*) from instance where space_id = $1`, id.UUID); n != 1 {
			t.Errorf("%d instances left, want the locked one", n)
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
	id := w.Space(testworld.Econometrics)
	w.delete("ada", id)
	w.Advance(grace + 24*time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := space.Purge(ctx, w.DB, grace); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d purged, %v", n, err)
	}
}

// A gateway can delete no space that can still be restored, whatever it asks for, and a space
// keeps its last administrator until then.
func TestOnlyExpiredSpacesCanBeDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Space(testworld.Econometrics)
	try := func() (done bool) {
		t.Helper()
		if err := w.DB.Get(t.Context(), &done, `select space_delete_expired($1)`, id.UUID); err != nil {
			t.Fatal(err)
		}
		return done
	}
	if try() {
		t.Error("an active space was deleted")
	}
	w.delete("ada", id)
	if try() {
		t.Error("a space that can be restored was deleted")
	}
	if _, err := w.DB.Exec(t.Context(), `delete from space_administrator where space_id = $1`, id.UUID); err == nil {
		t.Error("a space that can be restored has no administrator")
	}
}
