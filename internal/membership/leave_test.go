package membership_test

import (
	"testing"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestLeaveEndsOnesOwnRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave("vic", "Group 1", "").is(t, true)
	w.leave("vic", "Group 1", "").refused(t, fault.NotFound)
	w.leave("vic", "Group 2", "").is(t, true) // deleted, but not yet gone
	w.role("ed", w.Instance("Group 1"), "INSTANCE_EDITOR")
	w.trail("Vic MEMBER_LEFT Vic VIEWER in Group 1", "Vic MEMBER_LEFT Vic VIEWER in Group 2")
}

func TestLeaveAnswersTheSameKeyWithTheFirstResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave("vic", "Group 1", "k").is(t, true)
	w.leave("vic", "Group 1", "k").is(t, true)
	w.leave("vic", "Group 1", "another").refused(t, fault.NotFound)
	w.leave("vic", "Group 2", "k").refused(t, fault.IdempotencyKeyReused)
	w.trail("Vic MEMBER_LEFT Vic VIEWER in Group 1")
}

// A derived role cannot be left, and goes on.
func TestLeaveKeepsDerivedRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.leave("mia", "Group 1", "").is(t, false) // a manager sees every instance
	w.Grant(w.User("mia"), tenant.InstanceEditor, w.Instance("Group 1"))
	w.leave("mia", "Group 1", "").is(t, true)
	w.leave("mia", "Group 1", "").is(t, false)
	w.leave("sam", "Group 1", "").refused(t, fault.NotFound)
}

func TestLeaveRefusesTheLastAdministrator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Grant(w.User("ada"), tenant.InstanceEditor, w.Instance("Group 1"))
	for _, instance := range []string{"Group 1", "Master"} {
		if f := w.leave("ada", instance, "").refused(t, fault.Conflict); f.Reason != fault.LastAdministrator {
			t.Errorf("%s: %+v", instance, f)
		}
	}
	w.Grant(w.User("mia"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	w.leave("ada", "Group 1", "").is(t, true)
	w.role("ada", w.Space(testworld.Econometrics), "SPACE_ADMINISTRATOR")
}
