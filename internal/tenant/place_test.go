package tenant_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

// find reads a place as somebody sees it, who must see it.
func find[P tenant.Place](t *testing.T, w *testworld.World, who string, id globalid.ID) P {
	t.Helper()
	places, err := tenant.FindPlaces(t.Context(), w.DB, w.User(who), []globalid.ID{id})
	if err != nil {
		t.Fatal(err)
	}
	p, ok := places[id].(P)
	if !ok {
		t.Fatalf("%s sees %v as %v", who, id, places[id])
	}
	return p
}

func names[C any](contacts []C, name func(C) string) string {
	var names []string
	for _, c := range contacts {
		names = append(names, name(c))
	}
	return strings.Join(names, " ")
}

func TestPlacesSayWhatAHolderOfARoleIs(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	instance := find[*tenant.Instance](t, w, "mia", w.Instance("Group 1"))
	for _, c := range []struct {
		place tenant.Place
		role  tenant.Role
		want  string
	}{
		{instance, tenant.InstanceEditor, "an editor of the instance"},
		{instance, tenant.InstanceViewer, "a viewer of the instance"},
		{instance, tenant.SpaceAdministrator, "an administrator of the space Econometrics 2026"},
		{instance, tenant.OrganizationManager, "a manager of University of Example"},
		{instance.Space, tenant.SpaceAdministrator, "an administrator of the space Econometrics 2026"},
		{instance.Space, tenant.OrganizationFaculty, "a faculty member of University of Example"},
		{instance.Space.Organization, tenant.OrganizationMember, "a member of University of Example"},
	} {
		if got := c.place.HolderName(c.role); got != c.want {
			t.Errorf("%v in %s: %q, want %q", c.role, c.place.Title(), got, c.want)
		}
	}
	if got := []string{instance.Title(), instance.Space.Title(), instance.Space.Organization.Title()}; !cmp.Equal(got, []string{"Group 1", testworld.Econometrics, "University of Example"}) {
		t.Errorf("%q", got)
	}
}

// Contacts are the people with one of the roles, the highest first, each once; at
// most 20. Derived roles do not count.
func TestContactsAreThePeopleWithTheRoles(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	organization, space, group1 := w.Organization("University of Example"), w.Space(testworld.Econometrics), w.Instance("Group 1")
	w.Grant(w.User("zoe"), tenant.InstanceViewer, group1)
	w.Grant(w.User("zoe"), tenant.SpaceAdministrator, space)
	w.Grant(w.User("berta"), tenant.OrganizationFaculty, organization)
	w.Grant(w.User("anna"), tenant.OrganizationMember, organization)
	for i := range 25 {
		w.Grant(w.User(fmt.Sprintf("p%02d", i)), tenant.InstanceViewer, w.Instance("Master"))
	}
	many := "Ada"
	for i := range 19 {
		many = fmt.Sprintf("%s P%02d", many, i)
	}
	everybody := tenant.RolesOf(tenant.AllRoles()...)
	for _, c := range []struct {
		name  string
		place tenant.Place
		roles tenant.Roles
		want  string
	}{
		{"editors", find[*tenant.Instance](t, w, "ada", group1), tenant.RolesOf(tenant.InstanceEditor), "Ed"},
		{"editors and administrators", find[*tenant.Instance](t, w, "ada", group1), tenant.RolesOf(tenant.InstanceEditor, tenant.SpaceAdministrator), "Ed Ada Zoe"},
		{"everybody", find[*tenant.Instance](t, w, "ada", group1), everybody, "Ed Vic Zoe Ada"},
		{"administrators of a space", find[*tenant.Space](t, w, "ada", space), tenant.RolesOf(tenant.SpaceAdministrator), "Ada Zoe"},
		{"administrators of a space and managers", find[*tenant.Space](t, w, "ada", space), tenant.RolesOf(tenant.SpaceAdministrator, tenant.OrganizationManager), "Ada Zoe Mia"},
		{"everybody who can help in a space", find[*tenant.Space](t, w, "ada", space), everybody, "Ada Zoe Mia Berta"},
		{"administrators of a space and managers, for a guest", find[*tenant.Space](t, w, "vic", space), everybody, "Ada Zoe"},
		{"managers", find[*tenant.Organization](t, w, "mia", organization), tenant.RolesOf(tenant.OrganizationManager), "Mia"},
		{"managers and faculty", find[*tenant.Organization](t, w, "mia", organization), tenant.RolesOf(tenant.OrganizationManager, tenant.OrganizationFaculty), "Mia Berta"},
		{"nobody", find[*tenant.Organization](t, w, "mia", organization), 0, ""},
	} {
		contacts, err := c.place.Contacts(t.Context(), w.DB, c.roles)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(contacts, func(c fault.Contact) string { return c.Name }); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	viewers, err := find[*tenant.Instance](t, w, "ada", w.Instance("Master")).Contacts(t.Context(), w.DB, tenant.RolesOf(tenant.InstanceViewer))
	if err != nil || len(viewers) != 20 {
		t.Errorf("%d contacts of many, %v", len(viewers), err)
	}
}

// Spaces that were read together load what they have in one query, each its own.
func TestSpacesListAdministratorsAndActiveInstances(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	w.Grant(w.User("ada"), tenant.InstanceViewer, w.InstanceOf(w.Space("Private Research"), "Master"))
	w.Grant(w.User("ben"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	list, err := tenant.Spaces(t.Context(), w.DB, w.User("ada"), "", relay.Page{First: 10})
	if err != nil || len(list.Nodes) != 2 {
		t.Fatalf("%v, %v", list.Nodes, err)
	}
	for _, s := range list.Nodes {
		want := map[string][3]string{
			testworld.Econometrics: {"Ada Ben", "Master Group 1", "Group 1"},
			"Private Research":     {"Rita", "Master", ""},
		}[s.Name]
		administrators, err := s.Administrators(t.Context(), w.DB)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(administrators, func(c *fault.Contact) string { return c.Name }); got != want[0] {
			t.Errorf("%s: administrators %s, want %s", s.Name, got, want[0])
		}
		for i, kinds := range [][]tenant.Kind{{tenant.Master, tenant.Working}, {tenant.Working}} {
			instances, err := s.ActiveInstances(t.Context(), w.DB, kinds)
			if err != nil {
				t.Fatal(err)
			}
			if got := names(instances, func(i fault.Instance) string { return i.Name }); got != want[1+i] {
				t.Errorf("%s: instances of %v: %s, want %s", s.Name, kinds, got, want[1+i])
			}
		}
	}
}

func TestOrganizationsListsThoseThatThePersonBelongsTo(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	second := w.NewOrganization("Second University")
	w.Grant(w.User("mia"), tenant.OrganizationMember, second)
	for who, want := range map[string][]string{
		"mia": {"University of Example [ORGANIZATION_MANAGER]", "Second University [ORGANIZATION_MEMBER]"},
		"ada": {}, // an administrator of a space is no member
		"sam": {},
	} {
		list, err := tenant.Organizations(t.Context(), w.DB, w.User(who), relay.Page{First: 10, Total: true})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, o := range list.Nodes {
			got = append(got, fmt.Sprint(o.Name, " ", o.ViewerRoles()))
		}
		if diff := cmp.Diff(want, got); diff != "" || list.Total != len(want) {
			t.Errorf("%s: a total of %d: %s", who, list.Total, diff)
		}
	}
	page := relay.Page{First: 1}
	first, err := tenant.Organizations(t.Context(), w.DB, w.User("mia"), page)
	if err != nil || len(first.Nodes) != 1 || !first.HasNext {
		t.Fatalf("the first page: %v, %v", first, err)
	}
	page.After = first.Nodes[0].ID.UUID
	last, err := tenant.Organizations(t.Context(), w.DB, w.User("mia"), page)
	if err != nil || len(last.Nodes) != 1 || last.HasNext || last.Nodes[0].ID == first.Nodes[0].ID {
		t.Errorf("the last page: %v, %v", last, err)
	}
}

// An organization is known to its members, and to those with a role in one of its
// spaces.
func TestWhoKnowsOfAnOrganization(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	id := w.Organization("University of Example")
	for who, want := range map[string]bool{"mia": true, "ada": true, "ed": true, "vic": true, "sam": false, "rita": false} {
		places, err := tenant.FindPlaces(t.Context(), w.DB, w.User(who), []globalid.ID{id})
		if err != nil || (places[id] != nil) != want {
			t.Errorf("%s: %v, %v", who, places[id], err)
		}
	}
}

// Each place of a group is loaded as it is found alone.
func TestLoadPlaceLoadsAGroupAtOnce(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	vic := w.User("vic")
	ids := []globalid.ID{w.Instance("Group 1"), w.Instance("Group 3"), w.Space(testworld.Econometrics), globalid.New(globalid.Instance)}
	group := batch.NewGroup(ids...)
	for i, want := range []bool{true, false, true, false} {
		place, err := tenant.LoadPlace(t.Context(), w.DB, vic, group, ids[i])
		if err != nil || (place != nil) != want {
			t.Errorf("%v: %v, %v", ids[i], place, err)
		}
	}
}

// An id of another kind finds nothing.
func TestFindingByAnIdOfAnotherKind(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	if i, err := tenant.FindInstance(t.Context(), w.DB, w.User("ada"), w.Space(testworld.Econometrics)); i != nil || err != nil {
		t.Errorf("%v, %v", i, err)
	}
	if s, err := tenant.FindSpace(t.Context(), w.DB, w.User("ada"), w.Instance("Group 1")); s != nil || err != nil {
		t.Errorf("%v, %v", s, err)
	}
	if i, err := tenant.FindInstance(t.Context(), w.DB, w.User("ada"), w.Instance("Group 2")); err != nil || i.State() != tenant.Deleted || i.DeletedBy.Name != "Ada" || !i.Restorable {
		t.Errorf("%+v, %v", i, err)
	}
}

// A role that the table does not have is an error wherever it is read from the
// database, and never another role.
func TestUnknownStoredRoleIsAnError(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	for _, statement := range []string{
		`alter table instance_member drop constraint instance_member_role`,
		`update instance_member set role = 'GARDENER' where account_id in (select id from account where name = 'Vic')`,
	} {
		w.Exec(statement)
	}
	vic := w.User("vic")
	if i, err := tenant.FindInstance(t.Context(), w.DB, vic, w.Instance("Group 1")); err == nil {
		t.Errorf("FindInstance: %v", i.ViewerRoles())
	}
	if s, err := tenant.FindSpace(t.Context(), w.DB, vic, w.Space(testworld.Econometrics)); err == nil {
		t.Errorf("FindSpace: %v", s.ViewerRoles())
	}
	if roles, err := tenant.EffectiveRolesOf(t.Context(), w.DB, []tenant.UserInInstance{{User: vic.ID, Instance: w.Instance("Group 1")}}); err == nil {
		t.Errorf("EffectiveRolesOf: %v", roles[0].List())
	}
}
