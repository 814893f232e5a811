package request_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

func (w world) endExpired() int64 {
	w.t.Helper()
	n, err := w.Requests.EndExpired(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w world) expiresAt(id globalid.ID) string {
	w.t.Helper()
	return w.Text(`select expires_at::text from request where id = $1`, id.UUID)
}

// Requests about a deleted instance end with the time to restore it, unless it is
// restored. Those to restore it are approved by that.
func TestRequestsFollowTheirInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, group1 := w.User("ada"), w.Instance("Group 1")
	role, invitations := w.request("vic", request.Role), w.request("ed", request.Invitations)
	until := map[globalid.ID]string{role: w.expiresAt(role), invitations: w.expiresAt(invitations)}
	if _, err := w.Instances.Delete(t.Context(), ada, instance.InstanceInput{InstanceID: group1}); err != nil {
		t.Fatal(err)
	}
	restore := w.Text(`select restorable_until::text from instance where id = $1`, group1.UUID)
	for id := range until {
		if got := w.expiresAt(id); got != restore {
			t.Errorf("it expires at %s, and the instance can be restored until %s", got, restore)
		}
	}
	made, err := w.Requests.RequestRestore(t.Context(), w.User("vic"), request.RequestRestoreInput{InstanceID: &group1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Instances.Restore(t.Context(), ada, instance.InstanceInput{InstanceID: group1}); err != nil {
		t.Fatal(err)
	}
	for id, want := range until {
		if got := w.expiresAt(id); got != want || w.status(id) != request.Open {
			t.Errorf("it is %s and expires at %s, and did at %s", w.status(id), got, want)
		}
	}
	if got := w.status(made.Request.ID); got != request.Approved {
		t.Errorf("the request to restore is %s", got)
	}
	if got := w.Text(`select a.name from request r join account a on a.id = r.answered_by where r.id = $1`, made.Request.ID.UUID); got != "Ada" {
		t.Errorf("it is answered by %s", got)
	}

	// Not restored in time.
	if _, err := w.Instances.Delete(t.Context(), ada, instance.InstanceInput{InstanceID: group1}); err != nil {
		t.Fatal(err)
	}
	w.Advance(24 * time.Hour)
	if got := w.decline("ada", role); got != "CONFLICT REQUEST_EXPIRED" {
		t.Errorf("declined a day later: %q", got)
	}
	for _, r := range w.listMadeBy("ed", "") {
		if reason := r.EndReason(); reason == nil || *reason != request.EndRestoreWindow {
			t.Errorf("the reason is %v", reason)
		}
	}
}

func TestEndExpiredStoresWhatHasExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	role, restore := w.request("vic", request.Role), w.request("vic", request.Restore)
	if n := w.endExpired(); n != 0 {
		t.Errorf("%d have expired at once", n)
	}
	w.Advance(23 * time.Hour)
	if n := w.endExpired(); n != 1 || w.status(restore) != request.Expired || w.status(role) != request.Open {
		t.Errorf("%d have expired a day later; they are %s and %s", n, w.status(restore), w.status(role))
	}
	w.Advance(14 * 24 * time.Hour)
	if n := w.endExpired(); n != 1 || w.status(role) != request.Expired {
		t.Errorf("%d have expired two weeks later; it is %s", n, w.status(role))
	}
	if n := w.endExpired(); n != 0 {
		t.Errorf("%d have expired again", n)
	}
	if n := w.Number(`select count(*) from request where ended_at is distinct from expires_at`); n != 0 {
		t.Errorf("%d did not end when they expired", n)
	}
	if diff := cmp.Diff([]string{"Vic REQUEST_MADE Group 1", "Vic REQUEST_MADE Group 2", "DataHub REQUEST_EXPIRED Group 2", "DataHub REQUEST_EXPIRED Group 1"}, w.Trail()); diff != "" {
		t.Error(diff)
	}
}

// The end of an expired request makes room for a new one, also before EndExpired has
// stored it.
func TestAskingAgainAfterTheTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.request("vic", request.Role)
	w.Advance(15 * 24 * time.Hour)
	if id := w.request("vic", request.Role); id == old || w.status(old) != request.Expired || w.status(id) != request.Open {
		t.Errorf("the old one is %s", w.status(old))
	}
}

func TestEndExpiredIsSharedByGateways(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Exec(`
		with a as (
			insert into account (id, email, email_key, name)
			select gen_random_uuid(), 'x' || n || '@y.example', 'x' || n || '@y.example', 'X' from generate_series(1, 250) n returning id)
		insert into request (id, kind, space_id, space_name, instance_id, instance_name, requested_by, lasts_until, expires_at)
		select gen_random_uuid(), 'RESTORE', i.space_id, 'S', i.id, i.name, a.id, clock_timestamp(), clock_timestamp() from a, instance i where i.name = 'Group 2'`)
	var mu sync.Mutex
	var sum int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				n, err := w.Requests.EndExpired(t.Context())
				if err != nil {
					t.Error(err)
				}
				if n > 100 {
					t.Errorf("%d at once", n)
				}
				mu.Lock()
				sum += n
				mu.Unlock()
				if n == 0 {
					return
				}
			}
		})
	}
	all.Wait()
	// Who finds only locked requests leaves them to the others.
	if n := w.Number(`select count(*) from request where status = 'EXPIRED'`); sum != 250 || n != 250 || len(w.Trail()) != 250 {
		t.Errorf("%d ended, %d are expired, %d in the trail", sum, n, len(w.Trail()))
	}
}

// Two answers at once: one wins, and the other is told.
func TestAnswersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.newPeople()
	for n := range 20 {
		w.Grant(w.User("vic"), tenant.InstanceViewer, w.Instance("Group 1"))
		id := w.request("vic", request.Role)
		var got [3]string
		var all sync.WaitGroup
		for _, answer := range []func(){
			func() { got[0] = w.approve("ada", id) },
			func() { got[1] = w.decline("eva", id) },
			func() { got[2] = w.withdraw("vic", id) },
		} {
			all.Go(answer)
		}
		all.Wait()
		status := w.status(id)
		won := map[request.Status]int{request.Approved: 0, request.Declined: 1, request.Withdrawn: 2}[status]
		want := [3]string{}
		for i := range want {
			if i != won {
				want[i] = fmt.Sprint("CONFLICT REQUEST_", status)
			}
		}
		if got != want {
			t.Fatalf("trial %d: it is %s; %q, want %q", n, status, got, want)
		}
		if n := w.Number(`select count(*) from audit_log where action = 'REQUEST_' || $1`, string(status)); n == 0 {
			t.Errorf("%s is not in the trail", status)
		}
	}
}
