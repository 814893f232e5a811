package membership_test

import (
	"testing"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// Every pair of roles of the table: who has one and is granted the other has the
// higher of them afterwards.
func TestGrantNeverLowersARole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	places := map[globalid.Kind]globalid.ID{
		globalid.Organization: w.Organization("University of Example"),
		globalid.Space:        w.Space(testworld.Econometrics),
		globalid.Instance:     w.Instance("Group 1"),
	}
	grant := func(user tenant.User, role tenant.Role, place globalid.ID) (changed bool, err error) {
		err = w.DB.InTx(t.Context(), func(tx *postgres.Tx) (err error) {
			changed, err = membership.Grant(t.Context(), tx, user.ID.UUID, place, role)
			return err
		})
		return changed, err
	}
	for _, granted := range tenant.AllRoles() {
		for kind, place := range places {
			if kind != granted.HeldIn() {
				if changed, err := grant(w.User("sam"), granted, place); err == nil || changed {
					t.Errorf("%v was granted in a place of the kind %s", granted, kind)
				}
				continue
			}
			user := w.User(granted.String() + "@new.example")
			for _, again := range []bool{true, false} {
				if changed, err := grant(user, granted, place); err != nil || changed != again {
					t.Errorf("%v granted: changed %t, %v; want %t", granted, changed, err, again)
				}
			}
			if got := w.RoleOf(user, place); got != granted.String() {
				t.Errorf("%v granted: %s", granted, got)
			}
			for _, other := range tenant.AllRoles() {
				if other.HeldIn() != kind || other == granted {
					continue
				}
				user, want := w.User(granted.String()+"."+other.String()+"@new.example"), granted
				if other.Lower().Has(granted) {
					want = other
				}
				if _, err := grant(user, granted, place); err != nil {
					t.Fatal(err)
				}
				if changed, err := grant(user, other, place); err != nil || changed != (want == other) {
					t.Errorf("%v granted to %v: changed %t, %v", other, granted, changed, err)
				}
				if got := w.RoleOf(user, place); got != want.String() {
					t.Errorf("%v granted to %v: %s, want %v", other, granted, got, want)
				}
			}
		}
	}
}

// A guest who is granted a role in the organization itself, also the one that they have,
// is a guest no more.
func TestGrantedRolesAreNotGuests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	university := w.Organization("University of Example")
	for _, role := range []tenant.Role{tenant.OrganizationMember, tenant.OrganizationFaculty} {
		user := w.User(role.String() + "@new.example")
		w.Grant(user, tenant.OrganizationMember, university)
		w.Exec(`update organization_member set guest = true where account_id = $1`, user.ID.UUID)
		for _, again := range []bool{true, false} {
			if err := w.DB.InTx(t.Context(), func(tx *postgres.Tx) error {
				changed, err := membership.Grant(t.Context(), tx, user.ID.UUID, university, role)
				if changed != again {
					t.Errorf("%v: changed %t", role, changed)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if w.RoleOf(user, university) != role.String() || w.Number(`select count(*) from organization_member where account_id = $1 and guest`, user.ID.UUID) != 0 {
			t.Errorf("%v: %s, or still a guest", role, w.RoleOf(user, university))
		}
	}
}

func TestRoleInReturnsTheRoleHeldInTheInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for user, want := range map[string]*tenant.InstanceRole{"ed": new(tenant.Editor), "vic": new(tenant.Viewer), "ada": nil, "mia": nil, "sam": nil} {
		got, err := membership.RoleIn(t.Context(), w.DB, w.Instance("Group 1"), w.User(user).ID.UUID)
		if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: %v, %v", user, got, err)
		}
	}
}
