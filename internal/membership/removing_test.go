package membership_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// removing returns the obstacles to removing somebody from a place.
func (w world) removing(actor string, place, user globalid.ID) fault.List {
	w.t.Helper()
	a := w.User(actor)
	places, err := tenant.FindPlaces(w.t.Context(), w.DB, a, []globalid.ID{place})
	if err != nil {
		w.t.Fatal(err)
	}
	obstacles, err := w.service.Removing(w.t.Context(), a, places[place], user)
	if err != nil {
		w.t.Fatal(err)
	}
	return obstacles
}

// A role that comes from elsewhere is not ended by a removal: readiness and the mutation
// say from where it comes, who can end it, and how.
func TestRemoveRefusesADerivedRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, organization := w.Space(testworld.Econometrics), w.Organization("University of Example")
	group1, distributed := w.Instance("Group 1"), w.Instance("Distributed")
	ada, mia, ed := w.User("ada").ID, w.User("mia").ID, w.User("ed").ID
	for _, c := range []struct {
		actor       string
		place, user globalid.ID
		prepare     func()
		want        []string // reason, what the message names, what the remedy has, contacts
	}{
		{"ada", group1, ada, nil, []string{
			"LAST_ADMINISTRATOR|last one|for example Ed (ed@uni.example). Then remove them from the space|Ed",
			"ROLE_DERIVED|an administrator of the space Econometrics 2026|When the space has another administrator: leave the space|Ada"}},
		{"ada", group1, mia, nil, []string{"ROLE_DERIVED|a manager of University of Example|Ask Mia (mia@uni.example) to invite another manager, and then to change|Mia"}},
		{"ada", space, mia, nil, []string{"ROLE_DERIVED|a manager of University of Example|to change their role in the organization|Mia"}},
		{"ada", distributed, ed, nil, []string{"ROLE_DERIVED|Distributed, and sees it as an editor of Group 1, Group 2, Group 3|Remove them from there, or from the whole space|Ada"}},
		{"ada", distributed, w.User("vic").ID, nil, nil},
		{"mia", organization, mia, nil, []string{"LAST_MANAGER|last one|inviteOrganizationMembers|"}},
		{"mia", organization, ada, func() { w.Grant(w.User("ed"), tenant.OrganizationFaculty, organization) },
			[]string{"LAST_ADMINISTRATOR|last one of Econometrics 2026|for example Ed (ed@uni.example) or Mia|Ed Mia"}},
		{"ada", group1, ada, func() { w.Grant(w.User("mia"), tenant.SpaceAdministrator, space) }, []string{
			"ROLE_DERIVED|an administrator of the space Econometrics 2026|Leave the space, with removeMember, its spaceId and your own id.|Ada Mia"}},
		{"ada", group1, mia, nil, []string{
			"ROLE_DERIVED|an administrator of the space Econometrics 2026|Remove them from the space|Ada Mia",
			"ROLE_DERIVED|a manager of University of Example|Ask Mia (mia@uni.example) to invite another manager|Mia"}},
		{"mia", group1, mia, nil, []string{
			"ROLE_DERIVED|an administrator of the space Econometrics 2026|Leave the space|Ada Mia",
			"ROLE_DERIVED|a manager of University of Example|Invite another manager first|Mia"}},
		{"mia", space, mia, nil, nil},
		{"ada", space, mia, func() {
			w.Revoke(w.User("mia"), space)
			w.Grant(w.User("nils"), tenant.OrganizationManager, organization)
		}, []string{"ROLE_DERIVED|a manager of University of Example|Ask Mia (mia@uni.example) or Nils (nils@uni.example) to change|Mia Nils"}},
		{"vic", group1, ed, nil, []string{"||Ask Ada (ada@uni.example) to do it for you|Ada"}},
		{"ada", organization, ed, nil, []string{"||Ask Mia (mia@uni.example) or Nils|Mia Nils"}},
		{"ada", group1, w.User("rita").ID, nil, nil},
		{"ada", group1, globalid.New(globalid.User), nil, nil},
	} {
		if c.prepare != nil {
			c.prepare()
		}
		what := fmt.Sprintf("%s removes %v from %v", c.actor, c.user, c.place)
		obstacles := w.removing(c.actor, c.place, c.user)
		if len(obstacles) != len(c.want) {
			t.Errorf("%s: %v, want %d", what, obstacles, len(c.want))
			continue
		}
		for i, want := range c.want {
			o, parts := obstacles[i], strings.Split(want, "|")
			var contacts []string
			for _, contact := range o.Contacts {
				contacts = append(contacts, contact.Name)
			}
			if o.Reason != parts[0] || !strings.Contains(o.Message, parts[1]) || !strings.Contains(o.Remedy, parts[2]) || strings.Join(contacts, " ") != parts[3] {
				t.Errorf("%s: %+v, want %s", what, o, want)
			}
		}
		if len(c.want) > 0 {
			got := w.removeFrom(c.actor, c.place, c.user, "").fault
			if diff := cmp.Diff(*obstacles[0], got); diff != "" {
				t.Errorf("%s: the mutation is not refused as readiness says: %s", what, diff)
			}
		}
	}
	// What was refused has changed nothing.
	w.role("ada", space, "SPACE_ADMINISTRATOR")
	w.role("mia", organization, "ORGANIZATION_MANAGER")
	w.trail()

	// The way out works: without the role elsewhere, nothing is left.
	w.removeFrom("ada", group1, ed, "").is(t, true)
	w.removeFrom("ada", w.Instance("Group 2"), ed, "").is(t, true)
	w.removeFrom("ada", w.Instance("Group 3"), ed, "").is(t, true)
	w.removeFrom("ada", distributed, ed, "").is(t, false)
	if left := w.removing("ada", distributed, ed); left != nil {
		t.Errorf("%v", left)
	}

	// Without editors, the staff of the organization could be appointed.
	if last := w.removing("ada", space, ada); len(last) != 1 || len(last[0].Contacts) != 3 || !strings.Contains(last[0].Remedy, "for example Ed (ed@uni.example) or Mia") {
		t.Errorf("%+v", last)
	}
}

// The readiness of many places is read together.
func TestRemovingIsReadForAllSiblingsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, mia := w.User("ada"), w.User("mia")
	ids := []globalid.ID{w.Instance("Master"), w.Instance("Group 1"), w.Instance("Group 2")}
	places, err := tenant.FindPlaces(t.Context(), w.DB, ada, ids)
	if err != nil {
		t.Fatal(err)
	}
	statements := func(ids ...globalid.ID) int {
		ctx, count := postgres.WithStatementCount(t.Context())
		for _, id := range ids {
			if obstacles, err := w.service.Removing(ctx, ada, places[id], mia.ID); err != nil || len(obstacles) != 1 {
				t.Errorf("%v, %v", obstacles, err)
			}
		}
		return int(count.Load())
	}
	if one, more := statements(ids[0]), statements(ids[1:]...); one == 0 || more != 0 {
		t.Errorf("%d statements for one, %d more for the others", one, more)
	}
}
