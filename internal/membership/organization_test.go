package membership_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

const universityName = "University of Example"

func (w world) changeInOrganization(actor string, user globalid.ID, role tenant.OrganizationRole, k string) (membership.ChangeOrganizationRolePayload, outcome) {
	w.t.Helper()
	payload, err := w.service.ChangeOrganizationRole(w.t.Context(), w.User(actor), membership.ChangeOrganizationRoleInput{
		OrganizationID: w.Organization(universityName), UserID: user, Role: role, IdempotencyKey: key(k)})
	return payload, w.outcome(payload.Changed, err)
}

func TestManagersChangeRolesInTheirOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university, vic := w.Organization(universityName), w.User("vic")
	w.Grant(vic, tenant.OrganizationMember, university)
	payload, o := w.changeInOrganization("mia", vic.ID, tenant.Faculty, "")
	o.is(t, true)
	if payload.PreviousRole != tenant.Member || payload.Member.Role != tenant.Faculty || payload.Member.User.Name != "Vic" || payload.Member.Since.IsZero() {
		t.Errorf("%+v, %+v", payload, payload.Member)
	}
	_, o = w.changeInOrganization("mia", vic.ID, tenant.Faculty, "")
	o.is(t, false)
	_, o = w.changeInOrganization("mia", vic.ID, tenant.Manager, "")
	o.is(t, true)
	// Either manager can lower the other one.
	_, o = w.changeInOrganization("vic", w.User("mia").ID, tenant.Member, "")
	o.is(t, true)
	w.role("mia", university, "ORGANIZATION_MEMBER")
	w.role("vic", university, "ORGANIZATION_MANAGER")
	w.role("vic", w.Instance("Group 1"), "INSTANCE_VIEWER")
	w.trail("Mia MEMBER_ROLE_CHANGED Vic MEMBER FACULTY in "+universityName, "Mia MEMBER_ROLE_CHANGED Vic FACULTY MANAGER in "+universityName,
		"Vic MEMBER_ROLE_CHANGED Mia MANAGER MEMBER in "+universityName)
}

func TestTheLastManagerKeepsTheRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university, mia := w.Organization(universityName), w.User("mia").ID
	w.Grant(w.User("vic"), tenant.OrganizationFaculty, university)
	for _, role := range []tenant.OrganizationRole{tenant.Faculty, tenant.Member} {
		_, o := w.changeInOrganization("mia", mia, role, "")
		if f := o.refused(t, fault.Conflict); f.Reason != fault.LastManager || f.Remedy == "" {
			t.Errorf("%+v", f)
		}
	}
	_, o := w.changeInOrganization("mia", mia, tenant.Manager, "")
	o.is(t, false)
	if f := w.removeFrom("mia", university, mia, "").refused(t, fault.Conflict); f.Reason != fault.LastManager {
		t.Errorf("%+v", f)
	}
	w.role("mia", university, "ORGANIZATION_MANAGER")
	w.trail()
}

// After lowering or removing oneself one may do nothing any more; the retry of a request
// whose answer was lost still gets it.
func TestManagersEndTheirOwnRoleOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(world, globalid.ID) outcome{
		"a lower role": func(w world, mia globalid.ID) outcome {
			_, o := w.changeInOrganization("mia", mia, tenant.Member, "key")
			return o
		},
		"a removal": func(w world, mia globalid.ID) outcome {
			return w.removeFrom("mia", w.Organization(universityName), mia, "key")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.Grant(w.User("rita"), tenant.OrganizationManager, w.Organization(universityName))
			mia := w.User("mia").ID
			end(w, mia).is(t, true)
			end(w, mia).is(t, true)
			_, o := w.changeInOrganization("mia", w.User("rita").ID, tenant.Member, "")
			if o.fault.Code != fault.Forbidden && o.fault.Code != fault.NotFound {
				t.Errorf("%+v", o)
			}
			if n := w.Number(`select count(*) from audit_log`); n != 1 {
				t.Errorf("%d records", n)
			}
		})
	}
}

func TestRolesInAnOrganizationAreForManagers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university, vic := w.Organization(universityName), w.User("vic").ID
	w.Grant(w.User("vic"), tenant.OrganizationMember, university)
	w.Grant(w.User("max"), tenant.OrganizationFaculty, university)
	for actor, code := range map[string]fault.Code{
		"ada": fault.Forbidden, "ed": fault.Forbidden, "vic": fault.Forbidden, "max": fault.Forbidden, "sam": fault.NotFound, "rita": fault.NotFound} {
		_, o := w.changeInOrganization(actor, vic, tenant.Manager, "")
		o.refused(t, code)
		w.removeFrom(actor, university, vic, "").refused(t, code)
	}
	for name, id := range map[string]globalid.ID{"a stranger": w.User("sam").ID, "an unknown person": globalid.New(globalid.User), "a place": university} {
		_, o := w.changeInOrganization("mia", id, tenant.Member, "")
		if f := o.refused(t, fault.NotFound); len(f.InputPath) != 2 {
			t.Errorf("%s: %+v", name, f)
		}
		w.removeFrom("mia", university, id, "").is(t, false)
	}
	w.trail()
}

func TestRemovalFromAnOrganizationEndsAllRolesInIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university, ed := w.Organization(universityName), w.User("ed")
	second := w.NewSpace(university, "Statistics")
	for _, person := range []string{"ada", "ed"} {
		w.Grant(w.User(person), tenant.SpaceAdministrator, second)
	}
	w.Grant(ed, tenant.OrganizationFaculty, university)
	w.Grant(ed, tenant.InstanceViewer, w.InstanceOf(w.Space("Private Research"), "Master"))
	w.removeFrom("mia", university, ed.ID, "k").is(t, true)
	w.removeFrom("mia", university, ed.ID, "k").is(t, true)
	w.removeFrom("mia", university, ed.ID, "").is(t, false)
	for _, place := range []globalid.ID{university, second, w.Instance("Group 1"), w.Instance("Group 2"), w.Instance("Group 3")} {
		w.role("ed", place, "")
	}
	w.role("ed", w.InstanceOf(w.Space("Private Research"), "Master"), "INSTANCE_VIEWER")
	w.role("vic", w.Instance("Group 1"), "INSTANCE_VIEWER")
	trail := w.Lines(`select concat_ws(' ', actor_name, action, details ->> 'userName', coalesce(space_name, organization_name)) from audit_log`)
	slices.Sort(trail)
	if diff := gocmp.Diff([]string{"Mia MEMBER_REMOVED Ed Econometrics 2026", "Mia MEMBER_REMOVED Ed Statistics", "Mia MEMBER_REMOVED Ed " + universityName}, trail); diff != "" {
		t.Error(diff)
	}
}

func TestRemovalFromAnOrganizationNamesSpacesThatWouldBeLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university, ada := w.Organization(universityName), w.User("ada")
	w.Grant(ada, tenant.OrganizationMember, university)
	f := w.removeFrom("mia", university, ada.ID, "").refused(t, fault.Conflict)
	if f.Reason != fault.LastAdministrator || !strings.Contains(f.Message, testworld.Econometrics) || !strings.Contains(f.Remedy, "inviteSpaceAdministrators") {
		t.Errorf("%+v", f)
	}
	w.role("ada", university, "ORGANIZATION_MEMBER")
	w.Grant(w.User("vic"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	w.removeFrom("mia", university, ada.ID, "").is(t, true)
	w.role("ada", w.Space(testworld.Econometrics), "")
}

func (w world) leaveOrganization(actor, k string) outcome {
	w.t.Helper()
	payload, err := w.service.LeaveOrganization(w.t.Context(), w.User(actor), membership.LeaveOrganizationInput{
		OrganizationID: w.Organization(universityName), IdempotencyKey: key(k)})
	return w.outcome(payload.Left, err)
}

// Members, faculty and managers who are not the last leave with all their roles inside.
func TestLeavingAnOrganizationEndsAllOwnRolesInIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.Organization(universityName)
	w.Grant(w.User("vic"), tenant.OrganizationMember, university)
	w.Grant(w.User("ed"), tenant.OrganizationFaculty, university)
	w.Grant(w.User("rita"), tenant.OrganizationManager, university)
	for _, who := range []string{"vic", "ed", "rita"} {
		w.leaveOrganization(who, "k").is(t, true)
		w.leaveOrganization(who, "k").is(t, true) // the answer to a repeated request
		w.leaveOrganization(who, "").refused(t, fault.NotFound)
		for _, place := range []globalid.ID{university, w.Instance("Group 1"), w.Instance("Group 2")} {
			w.role(who, place, "")
		}
	}
	w.role("rita", w.Organization("Private Institute"), "ORGANIZATION_MANAGER")
	w.trail("Vic MEMBER_LEFT Vic in "+universityName, "Vic MEMBER_LEFT Vic in "+testworld.Econometrics,
		"Ed MEMBER_LEFT Ed in "+universityName, "Ed MEMBER_LEFT Ed in "+testworld.Econometrics, "Rita MEMBER_LEFT Rita in "+universityName)
}

func TestWhoMayNotLeaveAnOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.Organization(universityName)
	for actor, code := range map[string]fault.Code{"sam": fault.NotFound, "rita": fault.NotFound, "ed": fault.Forbidden} {
		w.leaveOrganization(actor, "").refused(t, code)
	}
	if f := w.leaveOrganization("mia", "").refused(t, fault.Conflict); f.Reason != fault.LastManager {
		t.Errorf("%+v", f)
	}
	w.Grant(w.User("ada"), tenant.OrganizationMember, university)
	if f := w.leaveOrganization("ada", "").refused(t, fault.Conflict); f.Reason != fault.LastAdministrator || !strings.Contains(f.Message, testworld.Econometrics) {
		t.Errorf("%+v", f)
	}
	w.role("mia", university, "ORGANIZATION_MANAGER")
	w.role("ada", university, "ORGANIZATION_MEMBER")
	w.trail()
}

// Of two managers who end each other's or their own roles at the same time, one stays, and
// the other request is refused.
func TestManagersRaceForTheLastRole(t *testing.T) {
	t.Parallel()
	type act func(w world, actor, other tenant.User, university globalid.ID) (done bool, err error)
	remove := func(w world, actor, other tenant.User, university globalid.ID) (bool, error) {
		payload, err := w.service.Remove(w.t.Context(), actor, membership.RemoveMemberInput{UserID: other.ID, OrganizationID: &university})
		return payload.Removed && err == nil, err
	}
	lower := func(w world, actor, other tenant.User, university globalid.ID) (bool, error) {
		payload, err := w.service.ChangeOrganizationRole(w.t.Context(), actor, membership.ChangeOrganizationRoleInput{
			OrganizationID: university, UserID: other.ID, Role: tenant.Member})
		return payload.Changed && err == nil, err
	}
	leave := func(w world, actor, _ tenant.User, university globalid.ID) (bool, error) {
		payload, err := w.service.LeaveOrganization(w.t.Context(), actor, membership.LeaveOrganizationInput{OrganizationID: university})
		return payload.Left && err == nil, err
	}
	lowerOneself := func(w world, actor, _ tenant.User, university globalid.ID) (bool, error) {
		return lower(w, actor, actor, university)
	}
	for name, c := range map[string]struct {
		mia, rita act
		refused   fault.Code // of who comes second
	}{
		"both remove":        {remove, remove, fault.NotFound},
		"both lower":         {lower, lower, fault.Forbidden},
		"one removes":        {remove, lower, ""}, // the code depends on who comes second
		"both leave":         {leave, leave, fault.Conflict},
		"both lower oneself": {lowerOneself, lowerOneself, fault.Conflict},
		"one leaves":         {leave, lowerOneself, fault.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			university, mia, rita := w.Organization(universityName), w.User("mia"), w.User("rita")
			var r racetest.Race
			for n := range racetest.Trials {
				for _, manager := range []tenant.User{mia, rita} {
					w.Grant(manager, tenant.OrganizationManager, university)
				}
				var first, second bool
				var firstErr, secondErr error
				r.Run(
					func() { first, firstErr = c.mia(w, mia, rita, university) },
					func() { second, secondErr = c.rita(w, rita, mia, university) })
				r.Record(first)
				if first == second || (firstErr == nil) != first || (secondErr == nil) != second {
					t.Fatalf("trial %d: Mia %t, %v; Rita %t, %v", n, first, firstErr, second, secondErr)
				}
				f := (*fault.Fault)(nil)
				if err := cmp.Or(firstErr, secondErr); !errors.As(err, &f) || c.refused != "" && f.Code != c.refused || f.Code == fault.Conflict && f.Reason != fault.LastManager {
					t.Fatalf("trial %d: %v", n, err)
				}
				if managers := w.Number(`select count(*) from organization_member where organization_id = $1 and role = 'MANAGER'`, university.UUID); managers != 1 {
					t.Fatalf("trial %d: %d managers are left", n, managers)
				}
			}
			r.End(t)
		})
	}
}

// A manager leaves while another one appoints a person: the organization has a manager
// all the time, and the manager leaves only where the person is one already.
func TestLeavingRacesWithAppointing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university, mia := w.Organization(universityName), w.User("mia")
	// Mia appoints Vic and leaves, in two requests.
	var r racetest.Race
	for n := range racetest.Trials {
		w.Grant(mia, tenant.OrganizationManager, university)
		w.Exec(`delete from organization_member where account_id = $1`, w.User("vic").ID.UUID)
		w.Grant(w.User("vic"), tenant.OrganizationMember, university)
		var appointErr, leaveErr error
		r.Run(
			func() {
				_, appointErr = w.service.ChangeOrganizationRole(t.Context(), mia, membership.ChangeOrganizationRoleInput{
					OrganizationID: university, UserID: w.User("vic").ID, Role: tenant.Manager})
			},
			func() {
				_, leaveErr = w.service.LeaveOrganization(t.Context(), mia, membership.LeaveOrganizationInput{OrganizationID: university})
			})
		r.Record(leaveErr == nil)
		f := (*fault.Fault)(nil)
		if appointErr != nil || leaveErr != nil && (!errors.As(leaveErr, &f) || f.Reason != fault.LastManager) {
			t.Fatalf("trial %d: %v, %v", n, appointErr, leaveErr)
		}
		w.role("vic", university, "ORGANIZATION_MANAGER")
		if left := w.RoleOf(mia, university) == ""; left != (leaveErr == nil) {
			t.Fatalf("trial %d: left %t, %v", n, left, leaveErr)
		}
	}
	r.End(t)
}

func TestListInOrganizations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university, institute := w.Organization(universityName), w.Organization("Private Institute")
	w.Grant(w.User("vic"), tenant.OrganizationMember, university)
	w.Grant(w.User("ed"), tenant.OrganizationFaculty, university)
	lists, err := w.service.ListInOrganizations(t.Context(), []globalid.ID{university, institute}, relay.Page{First: 2, Total: true})
	if err != nil {
		t.Fatal(err)
	}
	of := func(id globalid.ID) (names []string) {
		for _, m := range lists[id].Nodes {
			if m.Since.IsZero() || m.User.ID.Kind != globalid.User {
				t.Errorf("%+v", m)
			}
			names = append(names, m.User.Name+" "+string(m.Role))
		}
		return names
	}
	if u := lists[university]; u.Total != 3 || !u.HasNext || len(u.Nodes) != 2 {
		t.Errorf("%+v", u)
	}
	if diff := gocmp.Diff([]string{"Rita MANAGER"}, of(institute)); diff != "" {
		t.Error(diff)
	}
}

// A gateway that is older than organizationId remembers inputs without one.
func TestRemovalsOfBeforeAreTheSame(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(membership.RemoveMemberInput{})
	if err != nil || strings.Contains(string(text), "organizationId") {
		t.Errorf("%s, %v", text, err)
	}
}
