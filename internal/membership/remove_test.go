package membership_test

import (
	"testing"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestRemoveFromAnInstanceEndsTheRoleThereAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, group3, ed := w.Instance("Group 1"), w.Instance("Group 3"), w.User("ed").ID
	w.removeFrom("ada", group1, ed, "").is(t, true)
	w.removeFrom("ada", group1, ed, "").is(t, false)
	w.removeFrom("ada", group3, ed, "").is(t, true) // deleted, but not yet gone
	w.role("ed", group1, "")
	w.role("ed", w.Instance("Group 2"), "INSTANCE_EDITOR")
	w.role("vic", group1, "INSTANCE_VIEWER")
	w.trail("Ada MEMBER_REMOVED Ed EDITOR in Group 1", "Ada MEMBER_REMOVED Ed EDITOR in Group 3")
}

func TestRemoveFromASpaceEndsAllRolesInIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, ed := w.Space(testworld.Econometrics), w.User("ed")
	w.Grant(ed, tenant.SpaceAdministrator, space)
	w.Grant(ed, tenant.InstanceViewer, w.InstanceOf(w.Space("Private Research"), "Master"))
	w.removeFrom("ada", space, ed.ID, "").is(t, true)
	w.removeFrom("ada", space, ed.ID, "").is(t, false)
	for _, name := range []string{"Group 1", "Group 2", "Group 3"} {
		w.role("ed", w.Instance(name), "")
	}
	w.role("ed", space, "")
	w.role("ed", w.InstanceOf(w.Space("Private Research"), "Master"), "INSTANCE_VIEWER")
	w.trail("Ada MEMBER_REMOVED Ed in Econometrics 2026")
}

// There is nothing to remove where somebody has no role, or where there is no
// such person.
func TestRemoveChangesNothingForThoseWithoutARole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, id := range map[string]globalid.ID{
		"a stranger": w.User("sam").ID, "an unknown person": globalid.New(globalid.User), "no id": {}, "an instance": w.Instance("Group 1"),
	} {
		for _, place := range []globalid.ID{w.Space(testworld.Econometrics), w.Instance("Group 1")} {
			if o := w.removeFrom("ada", place, id, ""); o.fault.Code != "" || o.done {
				t.Errorf("%s: %+v", name, o)
			}
		}
	}
	w.trail()
}

func TestRemoveRefusesTheLastAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, group1 := w.Space(testworld.Econometrics), w.Instance("Group 1")
	ada, mia := w.User("ada"), w.User("mia")
	w.Grant(ada, tenant.InstanceEditor, group1)
	for _, place := range []globalid.ID{space, group1} {
		f := w.removeFrom("ada", place, ada.ID, "").refused(t, fault.Conflict)
		if f.Reason != fault.LastAdministrator || f.Remedy == "" {
			t.Errorf("%v: %+v", place, f)
		}
	}
	w.role("ada", group1, "INSTANCE_EDITOR")

	// With a second one, either can go.
	w.Grant(mia, tenant.SpaceAdministrator, space)
	w.removeFrom("mia", space, ada.ID, "").is(t, true)
	w.role("ada", space, "")
	w.role("ada", group1, "")
	w.removeFrom("mia", space, mia.ID, "").refused(t, fault.Conflict)
	w.trail("Mia MEMBER_REMOVED Ada in Econometrics 2026")
}

// After removing oneself one sees nothing any more; the retry of a request whose
// answer was lost still gets it.
func TestRemoveAnswersTheSameKeyWithTheFirstResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, ada := w.Space(testworld.Econometrics), w.User("ada").ID
	w.removeFrom("ada", w.Instance("Group 1"), w.User("vic").ID, "other").is(t, true)
	w.removeFrom("ada", w.Instance("Group 1"), w.User("vic").ID, "other").is(t, true)
	w.removeFrom("ada", w.Instance("Group 2"), w.User("vic").ID, "other").refused(t, fault.IdempotencyKeyReused)

	w.Grant(w.User("mia"), tenant.SpaceAdministrator, space)
	w.removeFrom("ada", space, ada, "self").is(t, true)
	w.removeFrom("ada", space, ada, "self").is(t, true)
	w.removeFrom("ada", space, ada, "").refused(t, fault.NotFound)
	w.removeFrom("ada", space, w.User("ed").ID, "self").refused(t, fault.NotFound)
	w.trail("Ada MEMBER_REMOVED Vic VIEWER in Group 1", "Ada MEMBER_REMOVED Ada in Econometrics 2026")
}

func TestRemoveIsForAdministrators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vic := w.User("vic").ID
	for actor, code := range map[string]fault.Code{
		"ed": fault.Forbidden, "vic": fault.Forbidden, "mia": fault.Forbidden, "sam": fault.NotFound, "rita": fault.NotFound} {
		for _, place := range []globalid.ID{w.Space(testworld.Econometrics), w.Instance("Group 1")} {
			w.removeFrom(actor, place, vic, "").refused(t, code)
		}
	}
	// An instance is no space, and a space no instance.
	space, instance := w.Space(testworld.Econometrics), w.Instance("Group 1")
	for _, in := range []membership.RemoveMemberInput{{UserID: vic, SpaceID: &instance}, {UserID: vic, InstanceID: &space}} {
		payload, err := w.service.Remove(t.Context(), w.User("ada"), in)
		w.outcome(payload.Removed, err).refused(t, fault.NotFound)
	}
	w.trail()
}
