package tenant

import (
	"errors"
	"io"
	"math/bits"
	"strconv"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
)

// Role is something that a person can be in an organization, a space or an
// instance.
type Role uint8

// The roles.
const (
	OrganizationManager Role = iota
	OrganizationFaculty
	OrganizationMember
	SpaceAdministrator
	InstanceEditor
	InstanceViewer
)

var roleNames = [...]string{
	OrganizationManager: "ORGANIZATION_MANAGER",
	OrganizationFaculty: "ORGANIZATION_FACULTY",
	OrganizationMember:  "ORGANIZATION_MEMBER",
	SpaceAdministrator:  "SPACE_ADMINISTRATOR",
	InstanceEditor:      "INSTANCE_EDITOR",
	InstanceViewer:      "INSTANCE_VIEWER",
}

func (r Role) String() string { return roleNames[r] }

// MarshalGQL writes the schema's enum Role.
func (r Role) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(r.String())) }

// UnmarshalGQL reads the schema's enum Role.
func (r *Role) UnmarshalGQL(v any) error {
	for role, name := range roleNames {
		if v == name {
			*r = Role(role)
			return nil
		}
	}
	return errors.New("it is not a Role")
}

// Roles is a set of roles.
type Roles uint8

// RolesOf is the set of the roles given.
func RolesOf(roles ...Role) (set Roles) {
	for _, r := range roles {
		set |= 1 << r
	}
	return set
}

// Has reports whether the set holds a role.
func (s Roles) Has(r Role) bool { return s&(1<<r) != 0 }

// List gives the set in the order of the roles' declaration.
func (s Roles) List() []Role {
	list := make([]Role, 0, bits.OnesCount8(uint8(s)))
	for r := range roleNames {
		if s.Has(Role(r)) {
			list = append(list, Role(r))
		}
	}
	return list
}

// InstanceRole is what a member is in an instance, or an invited person is to
// become.
type InstanceRole string

// The roles of members.
const (
	Editor InstanceRole = "EDITOR"
	Viewer InstanceRole = "VIEWER"
)

// Role is the same among all roles.
func (r InstanceRole) Role() Role {
	if r == Editor {
		return InstanceEditor
	}
	return InstanceViewer
}

// MarshalGQL writes the schema's enum InstanceRole.
func (r InstanceRole) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, r) }

// UnmarshalGQL reads the schema's enum InstanceRole.
func (r *InstanceRole) UnmarshalGQL(v any) (err error) {
	*r, err = graphqltypes.ReadEnum(v, Editor, Viewer)
	return err
}

// Kind tells a space's two special instances from its working instances.
type Kind string

// The kinds of instances.
const (
	Master      Kind = "MASTER"
	Distributed Kind = "DISTRIBUTED"
	Working     Kind = "WORKING"
)

// State says whether an instance can be used.
type State string

// The states of an instance.
const (
	Active  State = "ACTIVE"
	Deleted State = "DELETED"
)

// MarshalGQL writes the schema's enum InstanceState.
func (s State) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, s) }

// UnmarshalGQL reads the schema's enum InstanceState.
func (s *State) UnmarshalGQL(v any) (err error) {
	*s, err = graphqltypes.ReadEnum(v, Active, Deleted)
	return err
}
