package tenant

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
)

// Role is something that a person can be in an organization, a space or an
// instance. The numbers never change, because the input of a remembered
// requestRole holds them.
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

// roleDefinition is everything that the gateway knows about a role.
type roleDefinition struct {
	// name is the role's name in the schema's enum Role.
	name string
	// heldIn is the kind of place in which the role is held: Organization, Space
	// or Instance.
	heldIn globalid.Kind
	// stored is the role in the database (organization_member.role or
	// instance_member.role) and in the schema's enum of the roles in such places.
	// It is empty for administrators of spaces, who have a table of their own.
	stored string
	// rank orders the roles that are held in the same kind of place: a role
	// includes those of a lower rank.
	rank int
	// implies are the roles that a holder has in every instance of the place.
	implies Roles
	// inDistributed are the roles that a holder in any instance of a space has in
	// the space's Distributed instance.
	inDistributed Roles
	// noun says what a holder is. Refusals and the audit trail use it.
	noun string
}

// roleDefinitions is the table of roles. Everything that depends on a role
// reads this table. Add a role here, and TestEveryRoleIsNamedEverywhere lists what else must
// name it: the schema, the database, the mails and the page.
var roleDefinitions = [...]roleDefinition{
	OrganizationManager: {name: "ORGANIZATION_MANAGER", heldIn: globalid.Organization, stored: "MANAGER", rank: 3, implies: RolesOf(InstanceViewer), noun: "a manager"},
	OrganizationFaculty: {name: "ORGANIZATION_FACULTY", heldIn: globalid.Organization, stored: "FACULTY", rank: 2, noun: "a faculty member"},
	OrganizationMember:  {name: "ORGANIZATION_MEMBER", heldIn: globalid.Organization, stored: "MEMBER", rank: 1, noun: "a member"},
	SpaceAdministrator:  {name: "SPACE_ADMINISTRATOR", heldIn: globalid.Space, rank: 1, implies: RolesOf(InstanceEditor, InstanceViewer), noun: "an administrator"},
	InstanceEditor:      {name: "INSTANCE_EDITOR", heldIn: globalid.Instance, stored: string(Editor), rank: 2, inDistributed: RolesOf(InstanceViewer), noun: "an editor"},
	InstanceViewer:      {name: "INSTANCE_VIEWER", heldIn: globalid.Instance, stored: string(Viewer), rank: 1, noun: "a viewer"},
}

// AllRoles returns every role.
func AllRoles() []Role {
	roles := make([]Role, len(roleDefinitions))
	for i := range roles {
		roles[i] = Role(i)
	}
	return roles
}

// String returns the role's name in the schema.
func (r Role) String() string {
	if int(r) >= len(roleDefinitions) {
		return fmt.Sprintf("Role(%d)", uint8(r))
	}
	return roleDefinitions[r].name
}

// HeldIn returns the kind of place in which the role is held: Organization,
// Space or Instance.
func (r Role) HeldIn() globalid.Kind { return roleDefinitions[r].heldIn }

// Noun says what a holder is: "an editor".
func (r Role) Noun() string { return roleDefinitions[r].noun }

// Stored returns the role as the database has it: "EDITOR". It is empty for
// SpaceAdministrator.
func (r Role) Stored() string { return roleDefinitions[r].stored }

// OrganizationRole returns the role as a member's in an organization; false where it is
// held elsewhere.
func (r Role) OrganizationRole() (OrganizationRole, bool) {
	return OrganizationRole(r.Stored()), r.HeldIn() == globalid.Organization
}

// InstanceRole returns the role as a member's in an instance; false where it is
// held elsewhere.
func (r Role) InstanceRole() (InstanceRole, bool) {
	return InstanceRole(r.Stored()), r.HeldIn() == globalid.Instance
}

// Implies returns the roles that a holder has in every instance of the place.
func (r Role) Implies() Roles { return roleDefinitions[r].implies }

// Lower returns the roles that the role includes: those of a lower rank that are
// held in the same kind of place.
func (r Role) Lower() (lower Roles) {
	for _, other := range AllRoles() {
		if other.HeldIn() == r.HeldIn() && roleDefinitions[other].rank < roleDefinitions[r].rank {
			lower |= RolesOf(other)
		}
	}
	return lower
}

// MarshalGQL writes the schema's enum Role.
func (r Role) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(r.String())) }

// UnmarshalGQL reads the schema's enum Role.
func (r *Role) UnmarshalGQL(v any) error {
	for _, role := range AllRoles() {
		if v == role.String() {
			*r = role
			return nil
		}
	}
	return errors.New("it is not a Role")
}

// Scan implements sql.Scanner for a column with names of the enum Role.
func (r *Role) Scan(v any) error {
	if err := r.UnmarshalGQL(v); err != nil {
		return fmt.Errorf("unknown role %q", v)
	}
	return nil
}

// storedRole returns the role that the database calls stored, among those held
// in a kind of place.
func storedRole(kind globalid.Kind, stored string) (Role, error) {
	for _, r := range AllRoles() {
		if r.HeldIn() == kind && r.Stored() == stored && stored != "" {
			return r, nil
		}
	}
	return 0, fmt.Errorf("unknown role %q", stored)
}

// Roles is a set of roles.
type Roles uint16

// RolesOf returns the set of some roles.
func RolesOf(roles ...Role) (set Roles) {
	for _, r := range roles {
		set |= 1 << r
	}
	return set
}

// Has reports whether the set holds a role.
func (s Roles) Has(r Role) bool { return s&(1<<r) != 0 }

// Include reports whether somebody with these roles has a role, or one of a higher
// rank in the same place.
func (s Roles) Include(r Role) bool {
	for _, held := range s.List() {
		if held == r || held.Lower().Has(r) {
			return true
		}
	}
	return false
}

// List returns the set in the order of the roles' declaration.
func (s Roles) List() []Role {
	list := make([]Role, 0, bits.OnesCount16(uint16(s)))
	for _, r := range AllRoles() {
		if s.Has(r) {
			list = append(list, r)
		}
	}
	return list
}

// HeldIn returns those roles of the set that are held in a kind of place, the
// highest first.
func (s Roles) HeldIn(kind globalid.Kind) []Role {
	held := slices.DeleteFunc(s.List(), func(r Role) bool { return r.HeldIn() != kind })
	slices.SortStableFunc(held, func(a, b Role) int { return roleDefinitions[b].rank - roleDefinitions[a].rank })
	return held
}

// Stored returns HeldIn as the database has it: []string{"EDITOR", "VIEWER"}.
func (s Roles) Stored(kind globalid.Kind) []string {
	stored := []string{}
	for _, r := range s.HeldIn(kind) {
		stored = append(stored, r.Stored())
	}
	return stored
}

// SQL returns Stored as a list for the operator IN: "('EDITOR', 'VIEWER')". It is
// for queries that are put together once, when the program starts.
func (s Roles) SQL(kind globalid.Kind) string {
	stored := s.Stored(kind)
	if len(stored) == 0 {
		return "(null)" // nothing is in it
	}
	return "('" + strings.Join(stored, "', '") + "')"
}

// union returns the union of what a column of the table has for the set's roles.
func (s Roles) union(column func(roleDefinition) Roles) (union Roles) {
	for i, definition := range roleDefinitions {
		if s.Has(Role(i)) {
			union |= column(definition)
		}
	}
	return union
}

// InstanceRole is what a member is in an instance, or an invited person is to
// become. What is read of it, from anywhere, is a role of the table.
type InstanceRole string

// The roles of members.
const (
	Editor InstanceRole = "EDITOR"
	Viewer InstanceRole = "VIEWER"
)

// AllInstanceRoles returns every role of members, the highest first.
func AllInstanceRoles() (roles []InstanceRole) {
	for _, stored := range RolesOf(AllRoles()...).Stored(globalid.Instance) {
		roles = append(roles, InstanceRole(stored))
	}
	return roles
}

// Role returns the same among all roles. It panics for what is no role: nothing
// reads one.
func (r InstanceRole) Role() Role {
	role, err := storedRole(globalid.Instance, string(r))
	if err != nil {
		panic(err)
	}
	return role
}

// MarshalGQL writes the schema's enum InstanceRole.
func (r InstanceRole) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, r) }

// UnmarshalGQL reads the schema's enum InstanceRole.
func (r *InstanceRole) UnmarshalGQL(v any) (err error) {
	*r, err = graphqltypes.ReadEnum(v, AllInstanceRoles()...)
	return err
}

// UnmarshalText implements encoding.TextUnmarshaler, for JSON.
func (r *InstanceRole) UnmarshalText(text []byte) error {
	role, err := storedRole(globalid.Instance, string(text))
	if err != nil {
		return err
	}
	*r = InstanceRole(role.Stored())
	return nil
}

// Scan implements sql.Scanner.
func (r *InstanceRole) Scan(v any) error {
	switch v := v.(type) {
	case string:
		return r.UnmarshalText([]byte(v))
	case []byte:
		return r.UnmarshalText(v)
	}
	return fmt.Errorf("unknown role %v", v)
}

// OrganizationRole is what a member is in an organization, or an invited person is to
// become. What is read of it, from anywhere, is a role of the table.
type OrganizationRole string

// The roles of members of organizations.
const (
	Manager OrganizationRole = "MANAGER"
	Faculty OrganizationRole = "FACULTY"
	Member  OrganizationRole = "MEMBER"
)

// AllOrganizationRoles returns every role of members of organizations, the highest
// first.
func AllOrganizationRoles() (roles []OrganizationRole) {
	for _, stored := range RolesOf(AllRoles()...).Stored(globalid.Organization) {
		roles = append(roles, OrganizationRole(stored))
	}
	return roles
}

// Role returns the same among all roles. It panics for what is no role: nothing
// reads one.
func (r OrganizationRole) Role() Role {
	role, err := storedRole(globalid.Organization, string(r))
	if err != nil {
		panic(err)
	}
	return role
}

// MarshalGQL writes the schema's enum OrganizationRole.
func (r OrganizationRole) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, r) }

// UnmarshalGQL reads the schema's enum OrganizationRole.
func (r *OrganizationRole) UnmarshalGQL(v any) (err error) {
	*r, err = graphqltypes.ReadEnum(v, AllOrganizationRoles()...)
	return err
}

// UnmarshalText implements encoding.TextUnmarshaler, for JSON.
func (r *OrganizationRole) UnmarshalText(text []byte) error {
	role, err := storedRole(globalid.Organization, string(text))
	if err != nil {
		return err
	}
	*r = OrganizationRole(role.Stored())
	return nil
}

// Scan implements sql.Scanner.
func (r *OrganizationRole) Scan(v any) error {
	switch v := v.(type) {
	case string:
		return r.UnmarshalText([]byte(v))
	case []byte:
		return r.UnmarshalText(v)
	}
	return fmt.Errorf("unknown role %v", v)
}
