package membership_test

import (
	"errors"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// A person is reinstated in an instance while a manager removes them from the organization:
// they have no role, whether the removal ended it or it was too late to give it back.
func TestReinstatingRacesWithARemovalFromTheOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	organization, group1, group2 := w.Organization(universityName), w.Instance("Group 1"), w.Instance("Group 2")
	vic := w.User("vic")
	var r racetest.Race
	for n := range racetest.Trials {
		w.Grant(vic, tenant.OrganizationMember, organization)
		w.Grant(vic, tenant.InstanceViewer, group1)
		w.Grant(vic, tenant.InstanceViewer, group2)
		w.removeFrom("ada", group1, vic.ID, "").is(t, true)
		var reinstated, removed outcome
		r.Run(
			func() { _, reinstated = w.reinstateIn("ada", group1, vic.ID, "") },
			func() { removed = w.removeFrom("mia", organization, vic.ID, "") })
		removed.is(t, true)
		in1, in2, belongs := w.RoleOf(vic, group1), w.RoleOf(vic, group2), w.RoleOf(vic, organization)
		if in1+in2+belongs != "" || !reinstated.done && reinstated.fault.Code != fault.Forbidden {
			t.Fatalf("trial %d: %q in Group 1, %q in Group 2, %q in the organization, %+v", n, in1, in2, belongs, reinstated)
		}
		r.Record(reinstated.done)
	}
	r.End(t)
}

// A person leaves the organization while they are reinstated in an instance: they are in
// neither.
func TestReinstatingRacesWithLeavingTheOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	organization, group1, vic := w.Organization(universityName), w.Instance("Group 1"), w.User("vic")
	w.Exec(`delete from instance_member where account_id = $1`, vic.ID.UUID)
	var r racetest.Race
	for n := range racetest.Trials {
		w.Grant(vic, tenant.OrganizationMember, organization)
		w.Grant(vic, tenant.InstanceViewer, group1)
		w.removeFrom("ada", group1, vic.ID, "").is(t, true)
		var reinstated outcome
		var leaving error
		r.Run(
			func() { _, reinstated = w.reinstateIn("ada", group1, vic.ID, "") },
			func() {
				_, leaving = w.service.LeaveOrganization(t.Context(), vic, membership.LeaveOrganizationInput{OrganizationID: organization})
			})
		in1, belongs := w.RoleOf(vic, group1), w.RoleOf(vic, organization)
		if leaving != nil || in1+belongs != "" || !reinstated.done && reinstated.fault.Reason != fault.MemberLeft {
			t.Fatalf("trial %d: %v, %q in Group 1, %q in the organization, %+v", n, leaving, in1, belongs, reinstated)
		}
		r.Record(reinstated.done)
	}
	r.End(t)
}

// An instance is deleted while a person is reinstated in it: they have the role when it is
// restored, or were refused.
func TestReinstatingRacesWithDeletingTheInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, ada, vic := w.Instance("Group 1"), w.User("ada"), w.User("vic")
	instances := w.Services().Instances
	var r racetest.Race
	for n := range racetest.Trials {
		w.removeFrom("ada", group1, vic.ID, "").is(t, true)
		var reinstated outcome
		var deletion error
		r.Run(
			func() { _, reinstated = w.reinstateIn("ada", group1, vic.ID, "") },
			func() { _, deletion = instances.Delete(t.Context(), ada, instance.InstanceInput{InstanceID: group1}) })
		if deletion != nil {
			t.Fatal(deletion)
		}
		if has := w.RoleOf(vic, group1) != ""; has != reinstated.done || !has && reinstated.fault.Code != fault.InstanceDeleted {
			t.Fatalf("trial %d: %+v, and they have a role: %t", n, reinstated, has)
		}
		r.Record(reinstated.done)
		if _, err := instances.Restore(t.Context(), ada, instance.InstanceInput{InstanceID: group1}); err != nil {
			t.Fatal(err)
		}
		w.reinstateIn("ada", group1, vic.ID, "")
	}
	r.End(t)
}

// Many who reinstate a person at once give the role back once.
func TestReinstatingByManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, ada, ed := w.Space(testworld.Econometrics), w.User("ada"), w.User("ed")
	w.removeFrom("ada", space, ed.ID, "").is(t, true)
	var do []func()
	results := make([]bool, 8)
	for n := range results {
		do = append(do, func() {
			payload, err := w.service.Reinstate(t.Context(), ada, membership.ReinstateMemberInput{UserID: ed.ID, SpaceID: &space})
			if f := (*fault.Fault)(nil); err != nil && !(errors.As(err, &f) && f.Code == fault.Unavailable) {
				t.Error(err)
			}
			results[n] = payload.Reinstated
		})
	}
	racetest.Together(do...)
	done := 0
	for _, reinstated := range results {
		if reinstated {
			done++
		}
	}
	if n := w.Number(`select count(*) from audit_log where action = 'MEMBER_REINSTATED'`); done != 1 || n != 1 {
		t.Errorf("%d say that they have, and the trail has %d", done, n)
	}
	w.formerAre("ada", space)
}
