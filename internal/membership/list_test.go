package membership_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

var wholeList = relay.Page{First: 100, Total: true}

func TestListInInstancesReturnsTheMembersOfEach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group1, group3, master := w.Instance("Group 1"), w.Instance("Group 3"), w.Instance("Master")
	lists, err := w.service.ListInInstances(t.Context(), []globalid.ID{group1, group3, master}, wholeList)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[globalid.ID]map[string]tenant.InstanceRole{
		group1: {"Ed": tenant.Editor, "Vic": tenant.Viewer},
		group3: {"Ed": tenant.Editor},
		master: {}, // administrators see it by a derived role
	} {
		got := map[string]tenant.InstanceRole{}
		for _, m := range lists[id].Nodes {
			got[m.User.Name] = m.Role
			if m.Since.IsZero() || m.User.Email == "" || m.User.ID.Kind != globalid.User {
				t.Errorf("%+v", m)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || lists[id].Total != len(want) {
			t.Errorf("a total of %d: %s", lists[id].Total, diff)
		}
	}
}

func TestListInSpacesReturnsEverybodyOnceWithAllRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space, private := w.Space(testworld.Econometrics), w.Space("Private Research")
	w.Grant(w.User("ed"), tenant.InstanceViewer, w.Instance("Master"))
	w.Grant(w.User("ada"), tenant.InstanceViewer, w.Instance("Master"))
	lists, err := w.service.ListInSpaces(t.Context(), []globalid.ID{space, private}, wholeList)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[globalid.ID]map[string]string{
		space: {
			"Ada": "[SPACE_ADMINISTRATOR INSTANCE_VIEWER]",
			"Ed":  "[INSTANCE_EDITOR INSTANCE_VIEWER]",
			"Vic": "[INSTANCE_VIEWER]",
		},
		private: {"Rita": "[SPACE_ADMINISTRATOR]"},
	} {
		got := map[string]string{}
		for _, m := range lists[id].Nodes {
			got[m.User.Name] = fmt.Sprint(m.Roles())
			if m.Since.IsZero() {
				t.Errorf("%s has been there since never", m.User.Name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || lists[id].Total != len(want) || len(lists[id].Nodes) != len(want) {
			t.Errorf("%d members, a total of %d: %s", len(lists[id].Nodes), lists[id].Total, diff)
		}
	}
}

// Page by page, every member comes once.
func TestListsArePaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	instance, space := w.Instance("Group 1"), w.Space(testworld.Econometrics)
	for i := range 5 {
		w.Grant(w.User(fmt.Sprintf("p%d@new.example", i)), tenant.InstanceViewer, instance)
	}
	for name, read := range map[string]func(relay.Page) (users []*tenant.User, more bool, err error){
		"of an instance": func(page relay.Page) ([]*tenant.User, bool, error) {
			lists, err := w.service.ListInInstances(t.Context(), []globalid.ID{instance}, page)
			return usersOf(lists[instance].Nodes, func(m *membership.Member) *tenant.User { return m.User }), lists[instance].HasNext, err
		},
		"of a space": func(page relay.Page) ([]*tenant.User, bool, error) {
			lists, err := w.service.ListInSpaces(t.Context(), []globalid.ID{space}, page)
			return usersOf(lists[space].Nodes, func(m *membership.SpaceMember) *tenant.User { return m.User }), lists[space].HasNext, err
		},
	} {
		seen := map[globalid.ID]bool{}
		page := relay.Page{First: 2}
		for more := true; more; {
			var users []*tenant.User
			var err error
			if users, more, err = read(page); err != nil || len(users) == 0 || more && len(users) != page.First {
				t.Fatalf("%s: a page of %d, %v", name, len(users), err)
			}
			for _, u := range users {
				if seen[u.ID] {
					t.Errorf("%s: %s comes twice", name, u.Name)
				}
				seen[u.ID] = true
				page.After = u.ID.UUID
			}
		}
		want := 7 // and Ed, and Vic
		if name == "of a space" {
			want++ // and Ada
		}
		if len(seen) != want {
			t.Errorf("%s: %d people, want %d", name, len(seen), want)
		}
	}
}

func usersOf[M any](members []M, user func(M) *tenant.User) (users []*tenant.User) {
	for _, m := range members {
		users = append(users, user(m))
	}
	return users
}
