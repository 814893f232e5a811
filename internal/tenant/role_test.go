package tenant

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
)

// Each row of the table says everything about its role.
func TestTheTableOfRolesIsComplete(t *testing.T) {
	t.Parallel()
	type place struct {
		kind globalid.Kind
		rank int
	}
	ranked := map[place]Role{}
	for _, r := range AllRoles() {
		d := roleDefinitions[r]
		if d.name == "" || d.noun == "" || d.rank < 1 || (d.stored == "") != (d.heldIn == globalid.Space) {
			t.Errorf("the row of %v is not complete: %+v", r, d)
		}
		if d.heldIn != globalid.Organization && d.heldIn != globalid.Space && d.heldIn != globalid.Instance {
			t.Errorf("%v is held in places of the kind %q", r, d.heldIn)
		}
		if other, taken := ranked[place{d.heldIn, d.rank}]; taken {
			t.Errorf("%v and %v have the same rank", r, other)
		}
		ranked[place{d.heldIn, d.rank}] = r
		if further := (d.implies | d.inDistributed) &^ rolesInInstances; further != 0 {
			t.Errorf("%v brings %v, which are not held in instances", r, further.List())
		}
	}
}

func TestRolesAreReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, role := range AllRoles() {
		var b strings.Builder
		role.MarshalGQL(&b)
		var back Role
		if err := back.UnmarshalGQL(strings.Trim(b.String(), `"`)); err != nil || back != role {
			t.Errorf("%v is written %s and read as %v, %v", role, &b, back, err)
		}
		if err := back.Scan(role.String()); err != nil || back != role {
			t.Errorf("%v is stored and read as %v, %v", role, back, err)
		}
		member, inInstance := role.InstanceRole()
		if inInstance != (role.HeldIn() == globalid.Instance) || inInstance && member.Role() != role {
			t.Errorf("%v is held in an instance as %q, %t", role, member, inInstance)
		}
	}
}

// An unknown role is an error wherever one is read, and never another role.
func TestUnknownRolesAreErrors(t *testing.T) {
	t.Parallel()
	for _, value := range []any{nil, 0, "", "editor", "INSTANCE_EDITOR ", "GARDENER", []any{"INSTANCE_EDITOR"}} {
		for reader, read := range map[string]func(any) error{
			"the enum Role":          new(Role).UnmarshalGQL,
			"a column of names":      new(Role).Scan,
			"the enum InstanceRole":  new(InstanceRole).UnmarshalGQL,
			"a column of one role":   new(InstanceRole).Scan,
			"a column of many roles": new(InstanceRoles).Scan,
			"remembered input": func(v any) error {
				text, _ := v.(string)
				return new(InstanceRole).UnmarshalText([]byte(text))
			},
		} {
			if err := read(value); err == nil && !(reader == "a column of many roles" && value == nil) {
				t.Errorf("%s: %#v was taken for a role", reader, value)
			}
		}
	}
	for _, value := range []any{"EDITOR,GARDENER", "MANAGER", ",", []byte("EDITOR, VIEWER"), 7} {
		if err := new(InstanceRoles).Scan(value); err == nil {
			t.Errorf("%q was taken for roles in instances", value)
		}
	}
	if err := new(OrganizationRoles).Scan("EDITOR"); err == nil {
		t.Error("EDITOR was taken for a role in an organization")
	}
	defer func() {
		if recover() == nil {
			t.Error("InstanceRole(GARDENER).Role() returned a role")
		}
	}()
	InstanceRole("GARDENER").Role()
}

func TestSetsOfRoles(t *testing.T) {
	t.Parallel()
	set := RolesOf(InstanceViewer, OrganizationManager, InstanceEditor, InstanceViewer)
	if got := set.List(); !cmp.Equal(got, []Role{OrganizationManager, InstanceEditor, InstanceViewer}) {
		t.Errorf("List: %v", got)
	}
	if got := set.Stored(globalid.Instance); !cmp.Equal(got, []string{"EDITOR", "VIEWER"}) {
		t.Errorf("Stored: %v", got)
	}
	if got := set.SQL(globalid.Organization); got != "('MANAGER')" {
		t.Errorf("SQL: %s", got)
	}
	if got := set.SQL(globalid.Space); got != "(null)" {
		t.Errorf("SQL of no role: %s", got)
	}
	var stored InstanceRoles
	if err := stored.Scan([]byte("EDITOR,VIEWER")); err != nil || Roles(stored) != RolesOf(InstanceEditor, InstanceViewer) {
		t.Errorf("%v, %v", Roles(stored).List(), err)
	}
}

// A role includes those of a lower rank in the same kind of place, and no others.
func TestRolesIncludeLowerOnes(t *testing.T) {
	t.Parallel()
	includes := map[Role][]Role{
		OrganizationManager: {OrganizationManager, OrganizationFaculty, OrganizationMember},
		OrganizationFaculty: {OrganizationFaculty, OrganizationMember},
		OrganizationMember:  {OrganizationMember},
		SpaceAdministrator:  {SpaceAdministrator},
		InstanceEditor:      {InstanceEditor, InstanceViewer},
		InstanceViewer:      {InstanceViewer},
	}
	for _, held := range AllRoles() {
		for _, r := range AllRoles() {
			want := false
			for _, included := range includes[held] {
				want = want || included == r
			}
			if got := RolesOf(held).Include(r); got != want {
				t.Errorf("%v includes %v: %t", held, r, got)
			}
		}
	}
}
