package instance_test

import (
	"context"
	"errors"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// world is the demo world with the services on it.
type world struct {
	*testworld.World
	*testworld.Services
	t *testing.T
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := testworld.New(t)
	return world{w, w.Services(), t}
}

// delete returns whether an instance was deleted, or the refusal.
func (w world) delete(who string, id globalid.ID, key ...string) (deleted bool, refusal string) {
	w.t.Helper()
	payload, err := w.Instances.Delete(w.t.Context(), w.User(who), instance.InstanceInput{InstanceID: id, IdempotencyKey: optional(key)})
	if err == nil && payload.Instance.State() != tenant.Deleted {
		w.t.Errorf("the result is %s", payload.Instance.State())
	}
	return payload.Deleted, testworld.Refusal(err)
}

// restore returns whether an instance was restored, or the refusal.
func (w world) restore(who string, id globalid.ID, key ...string) (restored bool, refusal string) {
	w.t.Helper()
	payload, err := w.Instances.Restore(w.t.Context(), w.User(who), instance.InstanceInput{InstanceID: id, IdempotencyKey: optional(key)})
	if err == nil && payload.Instance.State() != tenant.Active {
		w.t.Errorf("the result is %s", payload.Instance.State())
	}
	return payload.Restored, testworld.Refusal(err)
}

func optional(key []string) *string {
	if len(key) == 0 {
		return nil
	}
	return &key[0]
}

// state returns "ACTIVE", "DELETED" or, where there is none any more, "".
func (w world) state(id globalid.ID) string {
	w.t.Helper()
	return w.Text(`select coalesce((select case when deleted_at is null then 'ACTIVE' else 'DELETED' end from instance where id = $1), '')`, id.UUID)
}

func TestWhoCanDeleteAndRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, group2 := w.Instance("Group 1"), w.Instance("Group 2")
	for _, test := range []struct{ who, refusal string }{
		{"vic", "FORBIDDEN"}, {"mia", "FORBIDDEN"}, {"sam", "NOT_FOUND"}, {"rita", "NOT_FOUND"},
	} {
		if _, got := w.delete(test.who, group1); got != test.refusal {
			t.Errorf("%s deletes: %q, want %q", test.who, got, test.refusal)
		}
		if _, got := w.restore(test.who, group2); got != test.refusal {
			t.Errorf("%s restores: %q, want %q", test.who, got, test.refusal)
		}
	}
	if got := w.state(group1) + " " + w.state(group2); got != "ACTIVE DELETED" {
		t.Fatalf("after refusals they are %s", got)
	}
	for _, who := range []string{"ada", "ed"} {
		if deleted, refusal := w.delete(who, group1); !deleted || refusal != "" {
			t.Errorf("%s deletes: %t, %q", who, deleted, refusal)
		}
		if restored, refusal := w.restore(who, group1); !restored || refusal != "" {
			t.Errorf("%s restores: %t, %q", who, restored, refusal)
		}
	}
}

func TestWhatCanBeDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, want := range map[string]string{
		"Master": "INSTANCE_PROTECTED", "Distributed": "INSTANCE_PROTECTED", "Group 1": "",
	} {
		if _, got := w.delete("ada", w.Instance(name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for what, id := range map[string]globalid.ID{
		"an unknown instance": globalid.New(globalid.Instance),
		"a space":             w.Space(testworld.Econometrics),
		"a space's id":        {Kind: globalid.Instance, UUID: w.Space(testworld.Econometrics).UUID},
		"an organization":     w.Organization("University of Example"),
	} {
		if _, got := w.delete("ada", id); got != "NOT_FOUND" {
			t.Errorf("%s is deleted: %q", what, got)
		}
		if _, got := w.restore("ada", id); got != "NOT_FOUND" {
			t.Errorf("%s is restored: %q", what, got)
		}
	}
}

// Deleting what is deleted and restoring what is active succeed, and change nothing.
func TestDeletingAndRestoringTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Instance("Group 1")
	for _, want := range []bool{true, false} {
		if deleted, refusal := w.delete("ada", id); deleted != want || refusal != "" {
			t.Errorf("deleted %t, %q", deleted, refusal)
		}
	}
	at := w.Text(`select deleted_at::text from instance where id = $1`, id.UUID)
	if deleted, _ := w.delete("ed", id); deleted {
		t.Error("it was deleted a third time")
	}
	if got := w.Text(`select deleted_at::text from instance where id = $1`, id.UUID); got != at {
		t.Errorf("the deletion was moved from %s to %s", at, got)
	}
	for _, want := range []bool{true, false} {
		if restored, refusal := w.restore("ada", id); restored != want || refusal != "" {
			t.Errorf("restored %t, %q", restored, refusal)
		}
	}
	if got := w.Trail(); len(got) != 2 || got[0] != "Ada INSTANCE_DELETED Group 1" || got[1] != "Ada INSTANCE_RESTORED Group 1" {
		t.Errorf("the trail: %q", got)
	}
}

// A repeated request returns the first result, whatever has happened since.
func TestRepeatedRequestsReturnTheFirstResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Instance("Group 1")
	if deleted, _ := w.delete("ada", id, "delete"); !deleted {
		t.Fatal("it was not deleted")
	}
	if restored, _ := w.restore("ed", id, "restore"); !restored {
		t.Fatal("it was not restored")
	}
	payload, err := w.Instances.Delete(t.Context(), w.User("ada"), instance.InstanceInput{InstanceID: id, IdempotencyKey: new("delete")})
	if err != nil || !payload.Deleted || payload.Instance.State() != tenant.Active {
		t.Errorf("%+v, %v", payload, err)
	}
	if got := w.state(id); got != "ACTIVE" {
		t.Errorf("it was deleted again: %s", got)
	}
	if _, got := w.restore("ada", w.Instance("Group 2"), "delete"); got != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another request with the key: %q", got)
	}
}

// An instance can be restored for 24 hours, to the second.
func TestRestoreWithin24Hours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Instance("Group 1")
	for _, test := range []struct {
		ago     string // since the deletion
		refusal string
	}{
		{"23 hours 59 minutes 30 seconds", ""},
		{"24 hours", "RESTORE_WINDOW_EXPIRED"},
		{"30 days", "RESTORE_WINDOW_EXPIRED"},
	} {
		w.DeleteInstance(id, w.User("ed"))
		w.Exec(`update instance set deleted_at = deleted_at - $1::interval, restorable_until = restorable_until - $1::interval where id = $2`, test.ago, id.UUID)
		if restored, refusal := w.restore("ada", id); restored != (test.refusal == "") || refusal != test.refusal {
			t.Errorf("after %s: %t, %q", test.ago, restored, refusal)
		}
	}
}

// The 24 hours may end between the reading of an instance and its restoration.
func TestRestoreChecksTheTimeWhenItWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	read, err := tenant.FindInstance(t.Context(), w.DB, w.User("ada"), w.Instance("Group 2"))
	if err != nil || !read.Restorable {
		t.Fatalf("%+v, %v", read, err)
	}
	w.Exec(`update instance set restorable_until = clock_timestamp() where id = $1`, read.ID.UUID)
	err = w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		_, err := w.Instances.RestoreTx(t.Context(), tx, w.User("ada"), read)
		return err
	})
	if got := testworld.Refusal(err); got != "RESTORE_WINDOW_EXPIRED" || w.state(read.ID) != "DELETED" {
		t.Errorf("%q, and it is %s", got, w.state(read.ID))
	}
}

// Everything in an instance is there again: its members, and its mails, which are
// held while it is deleted.
func TestRestoreBringsEverythingBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.Instance("Group 1")
	w.Exec(`
		insert into outbox (id, kind, subject_id, instance_id, secret, state)
		select gen_random_uuid(), 'INVITATION', gen_random_uuid(), $1, 'x', 'QUEUED'`, id.UUID)
	mails := func() string { return w.Text(`select string_agg(state, ' ') from outbox`) }
	if deleted, _ := w.delete("ada", id); !deleted || mails() != "HELD" {
		t.Errorf("deleted %t; its mail is %s", deleted, mails())
	}
	if restored, _ := w.restore("ada", id); !restored || mails() != "QUEUED" {
		t.Errorf("restored %t; its mail is %s", restored, mails())
	}
	if got := w.RoleOf(w.User("ed"), id) + " " + w.RoleOf(w.User("vic"), id); got != "INSTANCE_EDITOR INSTANCE_VIEWER" {
		t.Errorf("its members are %s", got)
	}
}

// What fails after the change takes the change back.
func TestChangesAreUndoneWhereTheHookFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	broken := errors.New("broken")
	w.Instances.OnDelete = func(context.Context, *postgres.Tx, *tenant.Instance) error { return broken }
	w.Instances.OnRestore = func(context.Context, *postgres.Tx, access.Actor, *tenant.Instance) error { return broken }
	if _, err := w.delete("ada", w.Instance("Group 1")); err != broken.Error() {
		t.Errorf("%v", err)
	}
	if _, err := w.restore("ada", w.Instance("Group 2")); err != broken.Error() {
		t.Errorf("%v", err)
	}
	if got := w.state(w.Instance("Group 1")) + " " + w.state(w.Instance("Group 2")); got != "ACTIVE DELETED" || len(w.Trail()) > 0 {
		t.Errorf("they are %s; the trail says %q", got, w.Trail())
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space := w.Space(testworld.Econometrics)
	create := func(who string, space globalid.ID, name string, key ...string) (*tenant.Instance, string) {
		payload, err := w.Instances.Create(t.Context(), w.User(who), instance.CreateInstanceInput{SpaceID: space, Name: name, IdempotencyKey: optional(key)})
		return payload.Instance, testworld.Refusal(err)
	}
	for _, test := range []struct {
		who     string
		space   globalid.ID
		refusal string
	}{
		{"ed", space, "FORBIDDEN"},
		{"vic", space, "FORBIDDEN"},
		{"mia", space, "FORBIDDEN"},
		{"sam", space, "NOT_FOUND"},
		{"rita", space, "NOT_FOUND"},
		{"ada", w.Space("Private Research"), "NOT_FOUND"},
		{"ada", w.Instance("Group 1"), "NOT_FOUND"},
	} {
		if _, got := create(test.who, test.space, "Group 4"); got != test.refusal {
			t.Errorf("%s in %v: %q, want %q", test.who, test.space, got, test.refusal)
		}
	}
	made, refusal := create("ada", space, " Group \t 4\u0301 ", "key")
	if refusal != "" || made.Name != "Group 4\u0301" || made.Kind != tenant.Working || made.State() != tenant.Active || !made.Roles.Has(tenant.SpaceAdministrator) {
		t.Fatalf("%+v, %q", made, refusal)
	}
	if again, refusal := create("ada", space, " Group \t 4\u0301 ", "key"); refusal != "" || again.ID != made.ID {
		t.Errorf("again: %+v, %q", again, refusal)
	}
	if _, got := create("ada", space, "Group 5", "key"); got != "IDEMPOTENCY_KEY_REUSED" {
		t.Errorf("another one with the key: %q", got)
	}
	if got := w.Trail(); len(got) != 1 || got[0] != "Ada INSTANCE_CREATED Group 4\u0301" {
		t.Errorf("the trail: %q", got)
	}
}

func TestInputsAreValidated(t *testing.T) {
	t.Parallel()
	tooLong := make([]byte, 256)
	for what, got := range map[string]string{
		"a name":      testworld.Refusal(instance.CreateInstanceInput{Name: " "}.Validate().Err()),
		"a key":       testworld.Refusal(instance.CreateInstanceInput{Name: "Group 4", IdempotencyKey: new("")}.Validate().Err()),
		"another key": testworld.Refusal(instance.InstanceInput{IdempotencyKey: new(string(tooLong))}.Validate().Err()),
	} {
		if got != "BAD_USER_INPUT" {
			t.Errorf("%s: %q", what, got)
		}
	}
	if got := (instance.CreateInstanceInput{Name: "Group 4", IdempotencyKey: new("k")}.Validate()); got != nil {
		t.Errorf("%v", got)
	}
}
