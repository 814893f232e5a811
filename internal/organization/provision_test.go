package organization_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/organization"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func TestMain(m *testing.M) { testworld.Main(m) }

func parse(t testing.TB, email string) address.Address {
	t.Helper()
	a, problem := address.Parse(email)
	if problem != nil {
		t.Fatal(problem)
	}
	return a
}

func trail(w *testworld.World) []string {
	return w.Lines(`select concat_ws(' ', actor_name, action, organization_name, details ->> 'userName', details ->> 'organizationRole', space_name) from audit_log order by id`)
}

func TestProvisionAppointsTheManagerOnce(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	in := organization.ProvisionInput{Name: "College", Manager: parse(t, "Dean <dean@college.example>")}
	first, err := organization.Provision(t.Context(), w.DB, in)
	if err != nil || !first.Created || !first.Appointed || first.ID != w.Organization("College") {
		t.Fatalf("%+v, %v", first, err)
	}
	if role := w.RoleOf(w.User("dean@college.example"), first.ID); role != "ORGANIZATION_MANAGER" {
		t.Errorf("the person is %q", role)
	}
	again, err := organization.Provision(t.Context(), w.DB, in)
	if want := (organization.Provisioned{ID: first.ID}); again != want || err != nil {
		t.Errorf("%+v, %v", again, err)
	}
	if diff := cmp.Diff([]string{"DataHub ROLE_GRANTED College Dean MANAGER"}, trail(w)); diff != "" {
		t.Error(diff)
	}
}

// A person who belongs to the organization becomes a manager, and nobody else loses
// anything.
func TestProvisionAppointsAnotherManager(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	university := w.Organization("University of Example")
	w.Grant(w.User("ada"), tenant.OrganizationMember, university)
	done, err := organization.Provision(t.Context(), w.DB, organization.ProvisionInput{Name: "University of Example", Manager: parse(t, "ada@uni.example")})
	if want := (organization.Provisioned{ID: university, Appointed: true}); done != want || err != nil {
		t.Fatalf("%+v, %v", done, err)
	}
	for _, who := range []string{"ada", "mia"} {
		if role := w.RoleOf(w.User(who), university); role != "ORGANIZATION_MANAGER" {
			t.Errorf("%s is %q", who, role)
		}
	}
}

func TestProvisionRefusesImproperNames(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	before := w.Number(`select count(*) from organization`)
	for _, name := range []string{"", " ", "College ", "Two  spaces", "a\nb", strings.Repeat("x", 201)} {
		if _, err := organization.Provision(t.Context(), w.DB, organization.ProvisionInput{Name: name, Manager: parse(t, "dean@college.example")}); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	if n := w.Number(`select count(*) from organization`); n != before {
		t.Errorf("%d organizations, %d before", n, before)
	}
}

func TestRacingProvisionsMakeOneOrganization(t *testing.T) {
	t.Parallel()
	w := testworld.New(t)
	results := make([]organization.Provisioned, 8)
	var calls sync.WaitGroup
	for i := range results {
		calls.Go(func() {
			var err error
			if results[i], err = organization.Provision(context.Background(), w.DB, organization.ProvisionInput{Name: "College", Manager: parse(t, "dean@college.example")}); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	created := slices.DeleteFunc(slices.Clone(results), func(p organization.Provisioned) bool { return !p.Created })
	appointed := slices.DeleteFunc(slices.Clone(results), func(p organization.Provisioned) bool { return !p.Appointed })
	if len(created) != 1 || len(appointed) != 1 || w.Number(`select count(*) from organization where name = 'College'`) != 1 {
		t.Errorf("%+v", results)
	}
}
