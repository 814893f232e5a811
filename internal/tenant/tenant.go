// Package tenant holds the nouns of the schema: users, organizations, spaces and
// instances. It reads places as one person, the viewer, sees them, with the
// roles that they hold there, derived ones included.
package tenant

import (
	"time"

	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
)

// User is somebody with an account.
type User struct {
	ID    globalid.ID
	Name  string
	Email string
	// EmailKey is Email as addresses compare (address.Address.Key); for the
	// person who asks alone.
	EmailKey string
}

// Contact is the person as somebody to write to.
func (p User) Contact() fault.Contact { return fault.Contact{Name: p.Name, Email: p.Email} }

// Organization is an organization as one person sees it. It holds spaces.
type Organization struct {
	ID   globalid.ID
	Name string
	// Roles are what the person is in the organization itself.
	Roles Roles
}

// Space is a space as one person sees it.
type Space struct {
	ID           globalid.ID
	Name         string
	Organization *Organization

	standing standing

	// Siblings are the spaces read together with this one.
	Siblings *batch.Group[*Space]
}

// Instance is an instance as one person sees it.
type Instance struct {
	ID    globalid.ID
	Name  string
	Kind  Kind
	Space *Space
	// Roles are the person's effective roles: held here, or derived from what
	// she is in the space and the organization.
	Roles Roles

	DeletedAt       *time.Time
	DeletedBy       *fault.Contact
	RestorableUntil *time.Time
	// Restorable says whether RestorableUntil had not passed when the instance
	// was read, by the database's clock.
	Restorable bool

	// Siblings are the instances read together with this one.
	Siblings *batch.Group[globalid.ID]
}

// State is Deleted from the deletion to the restoration or the purge.
func (i *Instance) State() State {
	if i.DeletedAt != nil {
		return Deleted
	}
	return Active
}

// ViewerRoles lists Roles.
func (o *Organization) ViewerRoles() []Role { return o.Roles.List() }

// ViewerRoles lists Roles.
func (i *Instance) ViewerRoles() []Role { return i.Roles.List() }

// ViewerRoles lists the roles that the person holds anywhere in the space,
// derived ones included.
func (s *Space) ViewerRoles() []Role { return s.standing.roles().List() }

// standing is what a person is in a space: the facts that her effective roles
// are derived from.
type standing struct {
	OrganizationRole *string `db:"organization_role"`
	Administrator    bool    `db:"administrator"`
	Edits            bool    `db:"edits"` // an instance of the space
	Views            bool    `db:"views"` // an instance of the space
}

// inOrganization are the roles of a member of an organization (nil: somebody
// who is none).
func inOrganization(role *string) Roles {
	if role == nil {
		return 0
	}
	switch *role {
	case "MANAGER":
		return RolesOf(OrganizationManager)
	case "FACULTY":
		return RolesOf(OrganizationFaculty)
	}
	return RolesOf(OrganizationMember)
}

// inSpace are the roles that hold in every instance of the space. A manager of
// the organization is a viewer of each.
func (s standing) inSpace() Roles {
	roles := inOrganization(s.OrganizationRole)
	if roles.Has(OrganizationManager) {
		roles |= RolesOf(InstanceViewer)
	}
	if s.Administrator {
		roles |= RolesOf(SpaceAdministrator, InstanceEditor, InstanceViewer)
	}
	return roles
}

// roles are the roles held anywhere in the space. An editor of any instance is
// a viewer of the Distributed one.
func (s standing) roles() Roles {
	roles := s.inSpace()
	if s.Edits {
		roles |= RolesOf(InstanceEditor, InstanceViewer)
	}
	if s.Views {
		roles |= RolesOf(InstanceViewer)
	}
	return roles
}

// rolesIn are the effective roles in an instance of which the person is a
// member with a role, or not a member ("").
func (s standing) rolesIn(kind Kind, membership InstanceRole) Roles {
	roles := s.inSpace()
	if membership != "" {
		roles |= RolesOf(membership.Role())
	}
	if kind == Distributed && s.Edits {
		roles |= RolesOf(InstanceViewer)
	}
	return roles
}

// visible reports whether roles let their holder know of a space or an
// instance: a role in the organization alone does not.
func (s Roles) visible() bool {
	return s&RolesOf(SpaceAdministrator, InstanceEditor, InstanceViewer) != 0
}

// The Relay connections of the package's lists, named for gqlgen.
type (
	OrganizationConnection = relay.Connection[*Organization]
	SpaceConnection        = relay.Connection[*Space]
	InstanceConnection     = relay.Connection[*Instance]

	OrganizationEdge = relay.Edge[*Organization]
	SpaceEdge        = relay.Edge[*Space]
	InstanceEdge     = relay.Edge[*Instance]
)
