package tenant

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// facts are the roles that a person holds in a space, and in one instance of it.
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

// held are the roles that the facts say the person holds by themselves.
func (f facts) held() (held Roles) {
	for role, holds := range map[Role]bool{
		OrganizationManager: f.organization == "MANAGER",
		OrganizationFaculty: f.organization == "FACULTY",
		OrganizationMember:  f.organization == "MEMBER",
		SpaceAdministrator:  f.administrator,
		InstanceEditor:      f.edits,
		InstanceViewer:      f.views,
	} {
		if holds {
			held |= RolesOf(role)
		}
	}
	return held
}

// memberRoles are the roles of the member of an instance; "": no member.
func memberRoles(r InstanceRole) Roles {
	if r == "" {
		return 0
	}
	return RolesOf(r.Role())
}

// everyFacts returns every combination of facts that is possible.
func everyFacts() (all []facts) {
	either := []bool{false, true}
	for _, organization := range []string{"", "MANAGER", "FACULTY", "MEMBER"} {
		for _, administrator := range either {
			for _, edits := range either {
				for _, views := range either {
					for _, kind := range []Kind{Master, Distributed, Working} {
						for _, membership := range []InstanceRole{"", Editor, Viewer} {
							if membership == Editor && !edits || membership == Viewer && !views {
								continue // an editor of this instance edits some instance of the space
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

// whoHolds says who has a role in an instance: the rules of "who sees what" a second
// time, independent of the table of roles.
var whoHolds = map[Role]func(facts) bool{
	OrganizationManager: func(f facts) bool { return f.organization == "MANAGER" },
	OrganizationFaculty: func(f facts) bool { return f.organization == "FACULTY" },
	OrganizationMember:  func(f facts) bool { return f.organization == "MEMBER" },
	SpaceAdministrator:  func(f facts) bool { return f.administrator },
	InstanceEditor:      func(f facts) bool { return f.administrator || f.membership == Editor },
	InstanceViewer: func(f facts) bool {
		return f.administrator || f.organization == "MANAGER" || f.membership == Viewer || (f.kind == Distributed && f.edits)
	},
}

func TestThisTestKnowsEveryRole(t *testing.T) {
	t.Parallel()
	for _, role := range AllRoles() {
		if whoHolds[role] == nil {
			t.Errorf("nothing says who has %v: add it to whoHolds, and to the combinations of facts, in derivation_test.go", role)
		}
	}
}

// holds reports whether the person has a role in the instance.
func (f facts) holds(role Role) bool { return whoHolds[role] != nil && whoHolds[role](f) }

// holdsSomewhere reports whether the person has a role anywhere in the space.
func (f facts) holdsSomewhere(role Role) bool {
	switch role {
	case InstanceEditor:
		return f.administrator || f.edits
	case InstanceViewer:
		return f.administrator || f.organization == "MANAGER" || f.views || f.edits
	}
	return f.holds(role)
}

// sees reports whether the person may know of the instance.
func (f facts) sees() bool {
	return f.administrator || f.organization == "MANAGER" || f.membership != "" || (f.kind == Distributed && f.edits)
}

// seesSpace reports whether the person may know of the space.
func (f facts) seesSpace() bool {
	return f.administrator || f.organization == "MANAGER" || f.edits || f.views
}

func rolesWhere(holds func(Role) bool) []string {
	names := []string{}
	for _, role := range AllRoles() {
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

func TestEffectiveRolesDeriveFromHeldRoles(t *testing.T) {
	t.Parallel()
	for _, f := range everyFacts() {
		space := &Space{held: f.held()}
		instance := &Instance{Space: space, Kind: f.kind, Roles: effectiveRoles(f.held(), f.kind, memberRoles(f.membership))}

		if diff := cmp.Diff(rolesWhere(f.holds), names(instance.ViewerRoles())); diff != "" {
			t.Errorf("%v: roles in the instance: %s", f, diff)
		}
		if diff := cmp.Diff(rolesWhere(f.holdsSomewhere), names(space.ViewerRoles())); diff != "" {
			t.Errorf("%v: roles in the space: %s", f, diff)
		}
		if got := instance.Visible(); got != f.sees() {
			t.Errorf("%v: the instance is visible: %t", f, got)
		}
		if got := space.Visible(); got != f.seesSpace() {
			t.Errorf("%v: the space is visible: %t", f, got)
		}
		// Nothing is held in an instance that is not held in its space.
		if more := instance.Roles &^ space.EffectiveRoles(); more != 0 {
			t.Errorf("%v: %v only in the instance", f, more.List())
		}
	}
}
