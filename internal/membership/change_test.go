package membership_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

func TestChangeRoleRaisesAndLowersRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vic := w.User("vic")
	for _, c := range []struct {
		role, previous tenant.InstanceRole
		changed        bool
	}{
		{tenant.Editor, tenant.Viewer, true},
		{tenant.Editor, tenant.Editor, false},
		{tenant.Viewer, tenant.Editor, true},
	} {
		payload, o := w.change("ada", "Group 1", vic.ID, c.role, "")
		o.is(t, c.changed)
		if payload.PreviousRole != c.previous || payload.Member.Role != c.role || payload.Member.User.Email != "vic@uni.example" || payload.Member.Since.IsZero() {
			t.Errorf("%s: previously %s, %+v", c.role, payload.PreviousRole, payload.Member)
		}
		w.role("vic", w.Instance("Group 1"), c.role.Role().String())
	}
	w.role("vic", w.Instance("Group 2"), "INSTANCE_VIEWER") // elsewhere nothing changes
	w.trail("Ada MEMBER_ROLE_CHANGED Vic VIEWER EDITOR in Group 1", "Ada MEMBER_ROLE_CHANGED Vic EDITOR VIEWER in Group 1")
}

func TestChangeRoleAnswersTheSameKeyWithTheFirstResult(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vic := w.User("vic").ID
	first, o := w.change("ada", "Group 1", vic, tenant.Editor, "k")
	o.is(t, true)
	again, o := w.change("ada", "Group 1", vic, tenant.Editor, "k")
	o.is(t, true)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Error(diff)
	}
	// The member is read again.
	w.Revoke(w.User("vic"), w.Instance("Group 1"))
	gone, o := w.change("ada", "Group 1", vic, tenant.Editor, "k")
	o.is(t, true)
	if gone.Member != nil || gone.PreviousRole != tenant.Viewer {
		t.Errorf("%+v", gone)
	}
	_, o = w.change("ada", "Group 1", vic, tenant.Viewer, "k")
	o.refused(t, fault.IdempotencyKeyReused)
	w.trail("Ada MEMBER_ROLE_CHANGED Vic VIEWER EDITOR in Group 1")
}

func TestChangeRoleRefusesThoseWhoAreNoMembersAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, o := w.change("ada", "Group 1", globalid.New(globalid.User), tenant.Viewer, "")
	unknown := o.refused(t, fault.NotFound)
	for name, id := range map[string]globalid.ID{
		"a stranger": w.User("sam").ID, "a manager": w.User("mia").ID, "the administrator": w.User("ada").ID,
		"no id": {}, "an instance": w.Instance("Group 1"),
	} {
		_, o := w.change("ada", "Group 1", id, tenant.Viewer, "")
		if diff := cmp.Diff(unknown, o.refused(t, fault.NotFound)); diff != "" {
			t.Errorf("%s is told apart from an unknown person: %s", name, diff)
		}
	}
	if !cmp.Equal(unknown.InputPath, []any{"input", "userId"}) {
		t.Errorf("%v", unknown.InputPath)
	}
}

func TestChangeRoleIsForAdministrators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for actor, code := range map[string]fault.Code{
		"ed": fault.Forbidden, "vic": fault.Forbidden, "mia": fault.Forbidden, "sam": fault.NotFound, "rita": fault.NotFound} {
		_, o := w.change(actor, "Group 1", w.User("vic").ID, tenant.Editor, "")
		o.refused(t, code)
	}
	w.role("vic", w.Instance("Group 1"), "INSTANCE_VIEWER")
	w.trail()
}
