package instance_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
	"alphacruncher.com/datahub-gateway/internal/text"
)

func (w world) create(space globalid.ID, name string) error {
	_, err := w.Instances.Create(w.t.Context(), w.User("ada"), instance.CreateInstanceInput{SpaceID: space, Name: name})
	return err
}

func TestNamesOfActiveInstancesAreUniqueInTheirSpace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space := w.Space(testworld.Econometrics)
	for _, name := range []string{"Group 1", "GROUP 1", " group\t 1 ", "Ｇｒｏｕｐ　１"} {
		var f *fault.Fault
		if err := w.create(space, name); !errors.As(err, &f) {
			t.Fatalf("%q: %v", name, err)
		}
		want := &fault.Fault{
			Code: fault.Conflict, Reason: fault.NameTaken,
			Message:   "The space Econometrics 2026 has an instance Group 1 already. Nothing was created.",
			Remedy:    "Choose another name, or use that instance.",
			InputPath: []any{"input", "name"},
			Instances: []fault.Instance{{ID: w.Instance("Group 1").String(), Name: "Group 1"}},
		}
		if diff := cmp.Diff(want, f); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
	for _, name := range []string{
		"Group 2", "group 3", // deleted ones let go of their names
		"Group 1.", "Group 11", "Group ①",
	} {
		if err := w.create(space, name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	other := w.NewSpace(w.Organization("University of Example"), "Statistics")
	w.Grant(w.User("ada"), tenant.SpaceAdministrator, other)
	if err := w.create(other, "Group 1"); err != nil {
		t.Errorf("in another space: %v", err)
	}
}

func TestNamesOfSpecialInstancesAreReserved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space := w.Space(testworld.Econometrics)
	for _, name := range []string{"Master", "MASTER", " master ", "Mas ter", "Ｍａｓｔｅｒ", "Ⓜaster", "Distributed", "distributed", "DIS TRI\u00a0BUTED"} {
		if got := testworld.Refusal(w.create(space, name)); got != "CONFLICT NAME_RESERVED" {
			t.Errorf("%q: %q", name, got)
		}
	}
	for _, name := range []string{"Master 2", "Masters", "Distributed data"} {
		if err := w.create(space, name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// One of two requests that create an instance of one name at the same time
// succeeds, whatever the case of the letters.
func TestCreationsOfOneNameRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space := w.Space(testworld.Econometrics)
	var r racetest.Race
	for n := range racetest.Trials {
		lower := fmt.Sprint("race ", n)
		upper := strings.ToUpper(lower)
		var refusals [2]string
		r.Run(
			func() { refusals[0] = testworld.Refusal(w.create(space, lower)) },
			func() { refusals[1] = testworld.Refusal(w.create(space, upper)) })
		made := w.Lines(`select name from instance where lower(name) = $1`, lower)
		switch {
		case slices.Equal(made, []string{lower}) && refusals == [2]string{"", "CONFLICT NAME_TAKEN"}:
			r.Record(true)
		case slices.Equal(made, []string{upper}) && refusals == [2]string{"CONFLICT NAME_TAKEN", ""}:
			r.Record(false)
		default:
			t.Fatalf("trial %d: %q answered, %q created", n, refusals, made)
		}
	}
	r.End(t)
}

func TestRestoreNumbersAnInstanceWhoseNameIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, group2 := w.Space(testworld.Econometrics), w.Instance("Group 2")
	for _, name := range []string{"GROUP 2", "group 2 (2)"} {
		if err := w.create(space, name); err != nil {
			t.Fatal(err)
		}
	}
	input := instance.InstanceInput{InstanceID: group2, IdempotencyKey: new("k")}
	for range 2 { // the answer to a repeated request is the same
		payload, err := w.Instances.Restore(t.Context(), w.User("ed"), input)
		if err != nil {
			t.Fatal(err)
		}
		if !payload.Restored || payload.PreviousName == nil || *payload.PreviousName != "Group 2" || payload.Instance.Name != "Group 2 (3)" {
			t.Errorf("%+v, called %s", payload, payload.Instance.Name)
		}
	}
	if got := w.Trail(); !slices.Contains(got, "Ed INSTANCE_RESTORED Group 2 (3)") {
		t.Errorf("the trail: %q", got)
	}
	if got := testworld.Refusal(w.create(space, "group 2 (3)")); got != "CONFLICT NAME_TAKEN" {
		t.Errorf("the new name is free: %q", got)
	}
	// The name that it has is its own again.
	w.DeleteInstance(group2, w.User("ada"))
	payload, err := w.Instances.Restore(t.Context(), w.User("ada"), instance.InstanceInput{InstanceID: group2, IdempotencyKey: new("l")})
	if err != nil || payload.PreviousName != nil || payload.Instance.Name != "Group 2 (3)" {
		t.Errorf("%+v, %v", payload, err)
	}
}

// A number takes the place of the last characters of a name that is as long as
// names may be.
func TestRestoreShortensALongName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, name := w.Space(testworld.Econometrics), strings.Repeat("é", 196)+" bcd"
	if utf8.RuneCountInString(name) != 200 {
		t.Fatal("the name is not as long as names may be")
	}
	id := w.NewInstance(space, name)
	w.DeleteInstance(id, w.User("ada"))
	if err := w.create(space, name); err != nil {
		t.Fatal(err)
	}
	payload, err := w.Instances.Restore(t.Context(), w.User("ada"), instance.InstanceInput{InstanceID: id})
	if err != nil || payload.Instance.Name != strings.Repeat("é", 196)+" (2)" {
		t.Errorf("%+v, %v", payload, err)
	}
}

// Restoring an instance and creating another one of its name at the same time
// either refuses the new one or numbers the restored one.
func TestRestoringRacesWithCreating(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space := w.Space(testworld.Econometrics)
	var r racetest.Race
	for n := range racetest.Trials {
		name := fmt.Sprint("Race ", n)
		id := w.NewInstance(space, name)
		w.DeleteInstance(id, w.User("ada"))
		var refusal string
		var payload instance.RestoreInstancePayload
		var err error
		r.Run(
			func() { refusal = testworld.Refusal(w.create(space, name)) },
			func() {
				payload, err = w.Instances.Restore(t.Context(), w.User("ada"), instance.InstanceInput{InstanceID: id})
			})
		if err != nil || !payload.Restored {
			t.Fatalf("trial %d: %+v, %v", n, payload, err)
		}
		switch got := refusal + " " + payload.Instance.Name; got {
		case " " + name + " (2)":
			r.Record(true)
		case "CONFLICT NAME_TAKEN " + name:
			r.Record(false)
		default:
			t.Fatalf("trial %d: %s", n, got)
		}
	}
	r.End(t)
}

// Instances of before names were unique, and of older gateways, keep their names,
// unless an older one of their space has it.
func TestIndexNamesNumbersTheLaterOfTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, other := w.Space(testworld.Econometrics), w.Space("Private Research")
	old := func(space globalid.ID, name string, deleted bool) globalid.ID {
		t.Helper()
		id := globalid.New(globalid.Instance)
		w.Exec(`insert into instance (id, space_id, name, kind) values ($1, $2, $3, 'WORKING')`, id.UUID, space.UUID, name)
		if deleted {
			w.DeleteInstance(id, w.User("ada"))
		}
		return id
	}
	w.Exec(`update instance set name_key = null`)
	ids := []globalid.ID{
		old(space, "Lab", false), old(space, "lab", false), old(space, "LAB", false), old(space, "Lab (2)", false),
		old(space, "Lab", true), old(other, "Lab", false), old(space, "MASTER", false), old(space, "group  1", false),
	}
	var renamed []instance.Renamed
	total := 0
	for {
		n, some, err := instance.IndexNames(t.Context(), w.DB)
		if err != nil {
			t.Fatal(err)
		}
		if total, renamed = total+int(n), append(renamed, some...); n == 0 {
			break
		}
	}
	if want := []instance.Renamed{
		{ID: ids[1], Space: testworld.Econometrics, Before: "lab", After: "lab (2)"},
		{ID: ids[2], Space: testworld.Econometrics, Before: "LAB", After: "LAB (3)"},
		{ID: ids[3], Space: testworld.Econometrics, Before: "Lab (2)", After: "Lab (2) (2)"},
		{ID: ids[6], Space: testworld.Econometrics, Before: "MASTER", After: "MASTER (2)"},
		{ID: ids[7], Space: testworld.Econometrics, Before: "group  1", After: "group 1 (2)"},
	}; !cmp.Equal(want, renamed) {
		t.Error(cmp.Diff(want, renamed))
	}
	if active := w.Number(`select count(*) from instance where deleted_at is null`); total != active {
		t.Errorf("%d of %d have their keys", total, active)
	}
	if n := w.Number(`select count(*) from instance where (name_key is null) <> (deleted_at is not null)`); n != 0 {
		t.Errorf("%d active instances have no key, or deleted ones have", n)
	}
	if err := w.create(space, "LAB (3)"); testworld.Refusal(err) != "CONFLICT NAME_TAKEN" {
		t.Errorf("%v", err)
	}
}

// A gateway of before can restore an instance whose name another one has: it does not
// know of the key.
func TestOlderGatewaysRestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group2 := w.Instance("Group 2")
	if err := w.create(w.Space(testworld.Econometrics), "Group 2"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.DB.Exec(t.Context(), `update instance set deleted_at = null, deleted_by = null, restorable_until = null where id = $1`, group2.UUID); err != nil {
		t.Fatal(err)
	}
	if _, renamed, err := instance.IndexNames(t.Context(), w.DB); err != nil || len(renamed) != 1 || renamed[0].ID != group2 {
		t.Errorf("%+v, %v", renamed, err)
	}
}

func TestApprovedRestorationNumbersToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group2, err := tenant.FindInstance(t.Context(), w.DB, w.User("ada"), w.Instance("Group 2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.create(w.Space(testworld.Econometrics), "Group 2"); err != nil {
		t.Fatal(err)
	}
	if err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
		restored, err := w.Instances.RestoreTx(t.Context(), tx, w.User("ada"), group2)
		if !restored {
			t.Error("it was not restored")
		}
		return err
	}); err != nil || group2.Name != "Group 2 (2)" {
		t.Errorf("%s, %v", group2.Name, err)
	}
}

// Names of the greatest length that differ in their last letters only get the same numbered
// names: each number is tried once for all of them.
func TestFreeNames(t *testing.T) {
	t.Parallel()
	taken, tried := map[string]bool{}, 0
	free := instance.FreeNames{Taken: func(key string) bool { tried++; return taken[key] }}
	find := func(name string) string {
		found := free.Find(name)
		if key := text.NameKey(found); taken[key] {
			t.Fatalf("%s is taken", found)
		} else {
			taken[key] = true
		}
		return found
	}
	const n = 500
	for i := range n {
		name := fmt.Sprintf("%0196d%04d", 0, i)
		taken[text.NameKey(name)] = true
		find(name)
	}
	if tried > 3*n {
		t.Errorf("%d names were tried for %d", tried, n)
	}
	for name, want := range map[string]string{"Master": "Master (2)", "A": "A"} {
		if got := find(name); got != want {
			t.Errorf("%s for %s", got, name)
		}
	}
	for i, want := range []string{"A (2)", "a (3)", "A (4)"} {
		if got := find([]string{"A", "a", "A"}[i]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
