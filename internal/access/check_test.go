package access_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// find reads a place as somebody sees it; nil where they see none.
func find(t *testing.T, w *testworld.World, who string, id globalid.ID) tenant.Place {
	t.Helper()
	places, err := tenant.FindPlaces(t.Context(), w.DB, w.User(who), []globalid.ID{id})
	if err != nil {
		t.Fatal(err)
	}
	return places[id]
}

func findInstance(t *testing.T, w *testworld.World, who, name string) *tenant.Instance {
	t.Helper()
	i, ok := find(t, w, who, w.Instance(name)).(*tenant.Instance)
	if !ok {
		t.Fatalf("%s does not see %s", who, name)
	}
	return i
}

// faultOf returns the refusal that an error is; the zero one for nil.
func faultOf(t *testing.T, err error) fault.Fault {
	t.Helper()
	var f *fault.Fault
	switch {
	case err == nil:
		return fault.Fault{}
	case !errors.As(err, &f):
		t.Fatal(err)
	}
	return *f
}

func names(contacts []fault.Contact) string {
	var names []string
	for _, c := range contacts {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

// The table "who may do what" of the demo world: A may, F is forbidden, and for
// the others (N) there is no such place.
func TestCheckRole(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	w.Grant(w.User("faculty@uni.example"), tenant.OrganizationFaculty, w.Organization("University of Example"))
	w.Grant(w.User("member@uni.example"), tenant.OrganizationMember, w.Organization("University of Example"))
	people := []string{"ada", "ed", "vic", "mia", "faculty", "member", "sam", "rita"}
	instance, space, organization := w.Instance("Group 1"), w.Space(testworld.Econometrics), w.Organization("University of Example")
	for _, c := range []struct {
		rule access.Rule
		id   globalid.ID
		want string // for each of the people
	}{
		{access.InviteUsers, instance, "AFFFNNNN"},
		{access.DeleteInstance, instance, "AAFFNNNN"},
		{access.RestoreInstance, instance, "AAFFNNNN"},
		{access.ChangeMemberRole, instance, "AFFFNNNN"},
		{access.LeaveInstance, instance, "AAAANNNN"},
		{access.RequestRole, instance, "AAAANNNN"},
		{access.InstanceMembers, instance, "AAFFNNNN"},
		{access.InvitationChanged, instance, "AFFFNNNN"},
		{access.CreateInstance, space, "AFFFNNNN"},
		{access.InviteSpaceAdministrators, space, "AFFANNNN"},
		{access.SpaceInvitations, space, "AFFANNNN"},
		// Managers revoke and resend what they may send, and no more.
		{access.RevokeInvitations, instance, "AFFFNNNN"},
		{access.RevokeInvitations, space, "AFFANNNN"},
		{access.RevokeInvitations, organization, "FFFAFFNN"},
		{access.ResendInvitations, instance, "AFFFNNNN"},
		{access.ResendInvitations, space, "AFFANNNN"},
		{access.RemoveMember, space, "AFFFNNNN"},
		{access.RemoveMember, organization, "FFFAFFNN"},
		{access.InviteOrganizationMembers, organization, "FFFAFFNN"},
		{access.ChangeOrganizationRole, organization, "FFFAFFNN"},
		{access.OrganizationMembers, organization, "FFFAFFNN"},
		{access.LeaveOrganization, organization, "FFFAAANN"},
		{access.SpaceAuditLog, space, "AFFFNNNN"},
		{access.RequestRole, space, "AAAANNNN"},
		{access.CreateSpace, organization, "FFFAAFNN"},
		{access.CreateInstance, organization, "NNNNNNNN"}, // no role in an organization lets anybody do it
	} {
		got := ""
		for _, who := range people {
			switch f := faultOf(t, access.CheckRole(t.Context(), w.DB, find(t, w, who, c.id), c.rule)); f.Code {
			case "":
				got += "A"
			case fault.Forbidden:
				got += "F"
				// Ed and Vic see the organization through instances, and may not know its
				// staff.
				guest := c.id == organization && (who == "ed" || who == "vic")
				if (len(f.Contacts) == 0) != guest || !strings.HasPrefix(f.Remedy, "Ask ") {
					t.Errorf("%s: %s learns whom to ask: %+v", c.rule.Field, who, f)
				}
			case fault.NotFound:
				got += "N"
			default:
				t.Errorf("%s: %s gets %s", c.rule.Field, who, f.Code)
			}
		}
		if got != c.want {
			t.Errorf("%s in a place of the kind %s: %s, want %s", c.rule.Field, c.id.Kind, got, c.want)
		}
	}
}

// A refusal names the people who may, editors before administrators.
func TestForbiddenNamesThoseWhoMay(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	w.Grant(w.User("zoe@uni.example"), tenant.InstanceEditor, w.Instance("Group 1"))
	w.Grant(w.User("zoe@uni.example"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	w.Grant(w.User("member@uni.example"), tenant.OrganizationMember, w.Organization("University of Example"))
	w.Grant(w.User("berta@uni.example"), tenant.OrganizationFaculty, w.Organization("University of Example"))
	w.Grant(w.User("guest@uni.example"), tenant.OrganizationMember, w.Organization("University of Example"))
	w.Exec(`update organization_member set guest = true where account_id = $1`, w.User("guest@uni.example").ID.UUID)
	for _, c := range []struct {
		who  string
		rule access.Rule
		id   globalid.ID
		want string
	}{
		{"vic", access.DeleteInstance, w.Instance("Group 1"), "Ed Zoe Ada"},
		{"vic", access.InviteUsers, w.Instance("Group 1"), "Ada Zoe"},
		{"vic", access.CreateInstance, w.Space(testworld.Econometrics), "Ada Zoe"},
		{"member", access.CreateSpace, w.Organization("University of Example"), "Mia Berta"},
		{"ada", access.LeaveOrganization, w.Organization("University of Example"), "Mia Berta"}, // and not the members
		{"guest", access.CreateSpace, w.Organization("University of Example"), ""},
	} {
		f := faultOf(t, access.CheckRole(t.Context(), w.DB, find(t, w, c.who, c.id), c.rule))
		if got := names(f.Contacts); got != c.want {
			t.Errorf("%s: %s, want %s", c.rule.Field, got, c.want)
		}
	}
}

// A guest of an organization is told none of its staff, however the organization was read.
func TestGuestsAreToldNoStaff(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	w.Grant(w.User("vic"), tenant.OrganizationMember, w.Organization("University of Example"))
	w.Exec(`update organization_member set guest = true where account_id = $1`, w.User("vic").ID.UUID)
	space, err := tenant.FindSpace(t.Context(), w.DB, w.User("vic"), w.Space(testworld.Econometrics))
	if err != nil {
		t.Fatal(err)
	}
	list, err := tenant.Organizations(t.Context(), w.DB, w.User("vic"), relay.Page{First: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, organization := range map[string]*tenant.Organization{
		"with a space":     space.Organization,
		"with an instance": findInstance(t, w, "vic", "Group 1").Space.Organization,
		"in a list":        list.Nodes[0],
	} {
		f := faultOf(t, access.CheckRole(t.Context(), w.DB, organization, access.OrganizationMembers))
		if f.Code != fault.Forbidden || f.Contacts != nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// A refusal for an instance's kind or state tells each person what they can do.
func TestCheckStateTellsTheWayOut(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	for _, c := range []struct {
		who, instance     string
		rule              access.Rule
		code              fault.Code
		contacts, request string
		remedy            string // a part of it
	}{
		{"ada", "Group 1", access.InviteUsers, "", "", "", ""},
		{"ada", "Distributed", access.InviteUsers, fault.InstanceDistributed, "", "", "Master, Group 1."},
		{"ed", "Distributed", access.InviteUsers, fault.InstanceDistributed, "Ada", "requestInvitations", "another instance of the space."},
		{"ada", "Master", access.DeleteInstance, fault.InstanceProtected, "", "", "working instance"},
		{"ada", "Distributed", access.DeleteInstance, fault.InstanceProtected, "", "", "working instance"},
		{"ada", "Group 2", access.InviteUsers, fault.InstanceDeleted, "", "", "Restore it with restoreInstance"},
		{"ed", "Group 2", access.ResendInvitations, fault.InstanceDeleted, "", "", "Restore it with restoreInstance"},
		{"vic", "Group 2", access.RequestRole, fault.InstanceDeleted, "Ed Ada", "requestRestore", "Ask Ed (ed@uni.example) or Ada (ada@uni.example) to restore it"},
		{"ada", "Group 3", access.InviteUsers, fault.InstanceDeleted, "", "", "can no longer be restored"},
		{"ed", "Group 3", access.InviteUsers, fault.InstanceDeleted, "Ada", "requestRole", "can no longer be restored"},
		{"ada", "Group 3", access.RestoreInstance, fault.RestoreWindowExpired, "", "", "Create a new instance"},
		{"ed", "Group 3", access.RestoreInstance, fault.RestoreWindowExpired, "Ada", "requestRole", "Ask Ada (ada@uni.example) for a new instance."},
		{"ed", "Group 2", access.RestoreInstance, "", "", "", ""},
	} {
		name := fmt.Sprintf("%s, %s, %s", c.rule.Field, c.who, c.instance)
		f := faultOf(t, access.CheckState(t.Context(), w.DB, findInstance(t, w, c.who, c.instance), c.rule))
		if f.Code != c.code || names(f.Contacts) != c.contacts || f.Request != c.request || !strings.Contains(f.Remedy, c.remedy) {
			t.Errorf("%s: %s, contacts %s, request %q, remedy %q; want %+v", name, f.Code, names(f.Contacts), f.Request, f.Remedy, c)
		}
		if (f.Instances != nil) != (c.code == fault.InstanceDistributed && c.who == "ada") {
			t.Errorf("%s: instances %v", name, f.Instances)
		}
	}
}

func TestObstaclesAreAllRefusalsInTheirOrder(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	for _, c := range []struct {
		who, instance string
		rule          access.Rule
		want          string
	}{
		{"ada", "Group 1", access.InviteUsers, "[]"},
		{"ed", "Group 1", access.InviteUsers, "[FORBIDDEN]"},
		{"ada", "Distributed", access.InviteUsers, "[INSTANCE_DISTRIBUTED]"},
		{"ed", "Distributed", access.InviteUsers, "[FORBIDDEN INSTANCE_DISTRIBUTED]"},
		{"vic", "Group 2", access.InviteUsers, "[FORBIDDEN INSTANCE_DELETED]"},
		{"ed", "Group 3", access.RestoreInstance, "[RESTORE_WINDOW_EXPIRED]"},
		{"mia", "Group 3", access.RestoreInstance, "[FORBIDDEN RESTORE_WINDOW_EXPIRED]"},
		{"mia", "Group 2", access.RestoreInstance, "[FORBIDDEN]"},
	} {
		obstacles, err := access.Obstacles(t.Context(), w.DB, findInstance(t, w, c.who, c.instance), c.rule)
		if err != nil {
			t.Fatal(err)
		}
		codes := []fault.Code{}
		for _, f := range obstacles {
			codes = append(codes, f.Code)
			if f.Remedy == "" {
				t.Errorf("%s, %s, %s: %s has no remedy", c.rule.Field, c.who, c.instance, f.Code)
			}
		}
		if got := fmt.Sprint(codes); got != c.want {
			t.Errorf("%s, %s, %s: %s, want %s", c.rule.Field, c.who, c.instance, got, c.want)
		}
	}
}

// refusalsOf lists what a list of refusals says: code, index and path of each.
func refusalsOf(t *testing.T, err error) (refusals []string) {
	t.Helper()
	var l fault.List
	if err != nil && !errors.As(err, &l) {
		t.Fatal(err)
	}
	for _, f := range l {
		refusals = append(refusals, fmt.Sprint(f.Code, " ", *f.Index, " ", f.InputPath))
	}
	return refusals
}

func TestManyPlacesAreCheckedAtOnce(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	group1, group2, space, unknown := w.Instance("Group 1"), w.Instance("Group 2"), w.Space(testworld.Econometrics), globalid.New(globalid.Instance)
	for _, c := range []struct {
		name, who   string
		ids         []globalid.ID
		roles, kind []string
	}{
		{"all is well", "ada", []globalid.ID{group1, space}, nil, nil},
		{"one is deleted", "ada", []globalid.ID{group1, group2, space, group2}, nil, []string{"INSTANCE_DELETED 1 [input ids 1]"}},
		{"two are unknown", "ada", []globalid.ID{unknown, group1, {}}, []string{"NOT_FOUND 0 [input ids 0]", "NOT_FOUND 2 [input ids 2]"}, nil},
		{"a place stands twice", "vic", []globalid.ID{group1, group2, group1}, []string{"FORBIDDEN 0 [input ids 0]", "FORBIDDEN 1 [input ids 1]"}, []string{"INSTANCE_DELETED 1 [input ids 1]"}},
		{"the unknown ones alone are named", "vic", []globalid.ID{group1, unknown}, []string{"NOT_FOUND 1 [input ids 1]"}, nil},
	} {
		found, err := tenant.FindPlaces(t.Context(), w.DB, w.User(c.who), c.ids)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.roles, refusalsOf(t, access.CheckRoles(t.Context(), w.DB, found, c.ids, access.ResendInvitations, "input", "ids"))); diff != "" {
			t.Errorf("%s: roles: %s", c.name, diff)
		}
		if diff := cmp.Diff(c.kind, refusalsOf(t, access.CheckStates(t.Context(), w.DB, found, c.ids, access.ResendInvitations, "input", "ids"))); diff != "" {
			t.Errorf("%s: states: %s", c.name, diff)
		}
	}
}

// Many checks at once decide as each alone does.
func TestCheckManyDecidesAsAllows(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	var checks []access.Check
	var want []bool
	for _, who := range []string{"ada", "ed", "vic", "mia", "sam", "rita"} {
		for _, name := range []string{"Master", "Distributed", "Group 1", "Group 2", "Group 3"} {
			for _, rule := range access.Rules {
				checks = append(checks, access.Check{Actor: w.User(who).ID, Instance: w.Instance(name), Rule: rule})
				want = append(want, rule.Allows(find(t, w, who, w.Instance(name))))
			}
		}
	}
	checks, want = append(checks, access.Check{Actor: w.User("ada").ID, Instance: globalid.New(globalid.Instance), Rule: access.InviteUsers}), append(want, false)
	got, err := access.CheckMany(t.Context(), w.DB, checks)
	if err != nil {
		t.Fatal(err)
	}
	for i := range checks {
		if got[i] != want[i] {
			t.Errorf("%s: %t, want %t", checks[i].Rule.Field, got[i], want[i])
		}
	}
}

func TestTheContextCarriesTheActor(t *testing.T) {
	t.Parallel()
	if a, signedIn := access.ActorOf(t.Context()); signedIn {
		t.Errorf("%+v", a)
	}
	ada := access.Actor{ID: globalid.New(globalid.User), Name: "Ada"}
	if a, signedIn := access.ActorOf(access.WithActor(t.Context(), ada)); !signedIn || a != ada {
		t.Errorf("%+v", a)
	}
}
