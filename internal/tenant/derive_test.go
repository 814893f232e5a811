package tenant

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// facts are what a person is in a space, and in one instance of it.
type facts struct {
	organization  string // MANAGER, FACULTY, MEMBER or nothing
	administrator bool
	edits, views  bool // some instance of the space
	kind          Kind
	membership    InstanceRole
}

func (f facts) String() string {
	return fmt.Sprintf("%+v", struct {
		organization                string
		administrator, edits, views bool
		kind                        Kind
		membership                  InstanceRole
	}(f))
}

func (f facts) standing() standing {
	s := standing{Administrator: f.administrator, Edits: f.edits, Views: f.views}
	if f.organization != "" {
		s.OrganizationRole = &f.organization
	}
	return s
}

// everyStanding is every combination of facts that there can be.
func everyStanding() (all []facts) {
	either := []bool{false, true}
	for _, organization := range []string{"", "MANAGER", "FACULTY", "MEMBER"} {
		for _, administrator := range either {
			for _, edits := range either {
				for _, views := range either {
					for _, kind := range []Kind{Master, Distributed, Working} {
						for _, membership := range []InstanceRole{"", Editor, Viewer} {
							if membership == Editor && !edits || membership == Viewer && !views {
								continue // an editor of this instance is one of some instance
							}
							all = append(all, facts{organization, administrator, edits, views, kind, membership})
						}
					}
				}
			}
		}
	}
	return all
}

// holds says, role by role, who has it in an instance: the rules of "Who sees
// what" once more, in other words than the program's.
func (f facts) holds(role Role) bool {
	manager := f.organization == "MANAGER"
	switch role {
	case OrganizationManager:
		return manager
	case OrganizationFaculty:
		return f.organization == "FACULTY"
	case OrganizationMember:
		return f.organization == "MEMBER"
	case SpaceAdministrator:
		return f.administrator
	case InstanceEditor:
		return f.administrator || f.membership == Editor
	case InstanceViewer:
		return f.administrator || manager || f.membership == Viewer || (f.kind == Distributed && f.edits)
	}
	panic(role)
}

// holdsSomewhere says who has a role anywhere in the space, where she is known
// to be a member of the instances that the facts tell of.
func (f facts) holdsSomewhere(role Role) bool {
	switch role {
	case InstanceEditor:
		return f.administrator || f.edits
	case InstanceViewer:
		return f.administrator || f.organization == "MANAGER" || f.views || f.edits
	}
	return f.holds(role)
}

// sees says to whom the instance exists.
func (f facts) sees() bool {
	return f.administrator || f.organization == "MANAGER" || f.membership != "" || (f.kind == Distributed && f.edits)
}

// seesSpace says to whom the space exists.
func (f facts) seesSpace() bool {
	return f.administrator || f.organization == "MANAGER" || f.edits || f.views
}

var everyRole = []Role{OrganizationManager, OrganizationFaculty, OrganizationMember, SpaceAdministrator, InstanceEditor, InstanceViewer}

func rolesWhere(holds func(Role) bool) []string {
	names := []string{}
	for _, role := range everyRole {
		if holds(role) {
			names = append(names, role.String())
		}
	}
	return names
}

func names(roles []Role) []string {
	names := []string{}
	for _, role := range roles {
		names = append(names, role.String())
	}
	return names
}

func TestDerivation(t *testing.T) {
	for _, f := range everyStanding() {
		s := f.standing()
		space := &Space{standing: s}
		instance := &Instance{Space: space, Kind: f.kind, Roles: s.rolesIn(f.kind, f.membership)}

		if diff := cmp.Diff(rolesWhere(f.holds), names(instance.ViewerRoles())); diff != "" {
			t.Errorf("%v: roles in the instance: %s", f, diff)
		}
		if diff := cmp.Diff(rolesWhere(f.holdsSomewhere), names(space.ViewerRoles())); diff != "" {
			t.Errorf("%v: roles in the space: %s", f, diff)
		}
		if got := instance.Roles.visible(); got != f.sees() {
			t.Errorf("%v: the instance is visible: %t", f, got)
		}
		if got := s.roles().visible(); got != f.seesSpace() {
			t.Errorf("%v: the space is visible: %t", f, got)
		}
		// Nothing is held in an instance that is not held in its space.
		if more := instance.Roles &^ s.roles(); more != 0 {
			t.Errorf("%v: %v only in the instance", f, more.List())
		}
	}
}

func TestRoles(t *testing.T) {
	for _, role := range everyRole {
		var b strings.Builder
		role.MarshalGQL(&b)
		var back Role
		if err := back.UnmarshalGQL(strings.Trim(b.String(), `"`)); err != nil || back != role {
			t.Errorf("%v is written %s and read as %v, %v", role, &b, back, err)
		}
	}
	for _, value := range []any{nil, 0, "", "editor", "INSTANCE_EDITOR ", []any{"INSTANCE_EDITOR"}} {
		if err := new(Role).UnmarshalGQL(value); err == nil {
			t.Errorf("%#v was taken for a role", value)
		}
	}
	if got := RolesOf(InstanceViewer, OrganizationManager, InstanceViewer).List(); !cmp.Equal(got, []Role{OrganizationManager, InstanceViewer}) {
		t.Errorf("%v", got)
	}
}
