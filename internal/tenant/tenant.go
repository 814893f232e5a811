// Package tenant holds the nouns of the schema: users, organizations, spaces and
// instances. It reads places as one person, the viewer, sees them, with the
// roles that they hold there, derived ones included.
package tenant

import (
	"io"
	"time"

	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// User is a person with an account.
type User struct {
	ID    globalid.ID
	Name  string
	Email string
	// EmailKey is Email in the form in which addresses compare
	// (address.Address.Key). It is set for the actor of a request only, and empty
	// where they do not hold the address.
	EmailKey string
	// FormerHolder says that Email belongs to another account, which has proved it
	// later, or to none.
	FormerHolder bool
}

// FormerHolder is the SQL condition that account a does not hold its address
// (User.FormerHolder).
var FormerHolder = `(not ` + postgres.Found(`address_holder h where h.account_id = a.id`) + `)`

// HeldEmail returns an SQL expression: the address of an account, an alias of the table,
// or "" where the account does not hold it. An address stands for its present holder:
// wherever people are named as somebody to write to, they have this one.
func HeldEmail(account string) string {
	return `case when ` + postgres.Found(`address_holder where account_id = `+account+`.id`) + ` then ` + account + `.email else '' end`
}

// Contact returns the person as somebody to write to; see HeldEmail.
func (u User) Contact() fault.Contact {
	if u.FormerHolder {
		return fault.Contact{Name: u.Name}
	}
	return fault.Contact{Name: u.Name, Email: u.Email}
}

// Organization is an organization as one person sees it. It holds spaces.
type Organization struct {
	ID   globalid.ID
	Name string
	// Roles are those that the person holds in the organization itself.
	Roles Roles
	// administers says whether the person administrates one of its spaces. Where the
	// organization was read with a space, it says so of this space alone, and in the list
	// of Organizations of none.
	administers bool
	// guest says that the person is a member because they have accepted an invitation
	// to a place inside.
	guest bool

	// Siblings are the organizations read together with this one.
	Siblings *batch.Group[globalid.ID]
}

// Space is a space as one person sees it.
type Space struct {
	ID           globalid.ID
	Name         string
	Organization *Organization

	DeletedAt       *time.Time
	DeletedBy       *fault.Contact
	RestorableUntil *time.Time
	// Restorable says whether RestorableUntil was still to come when the space was read,
	// by the database's clock.
	Restorable bool

	// held are the roles that the person holds by themselves in the organization,
	// in the space, or in any of its instances.
	held Roles

	// Siblings are the spaces read together with this one.
	Siblings *batch.Group[*Space]
}

// Instance is an instance as one person sees it.
type Instance struct {
	ID    globalid.ID
	Name  string
	Kind  Kind
	Space *Space
	// Roles are the person's effective roles: held here, or derived from those
	// held elsewhere in the space or in the organization.
	Roles Roles
	// membership are the roles that the person holds in the instance by themselves.
	membership Roles

	DeletedAt       *time.Time
	DeletedBy       *fault.Contact
	RestorableUntil *time.Time
	// Restorable says whether RestorableUntil was still to come when the instance
	// was read, by the database's clock.
	Restorable bool

	// Siblings are the instances read together with this one.
	Siblings *batch.Group[globalid.ID]
}

// WorkingInstance returns an active working instance of the space, which exists or is about
// to be created, as the person sees it who administrates the space.
func (s *Space) WorkingInstance(id globalid.ID, name string) *Instance {
	return &Instance{ID: id, Name: name, Kind: Working, Space: s, Roles: effectiveRoles(s.held, Working, 0)}
}

// GroupInstances makes siblings of instances.
func GroupInstances(instances []*Instance) {
	ids := make([]globalid.ID, len(instances))
	for i, instance := range instances {
		ids[i] = instance.ID
	}
	siblings := batch.NewGroup(ids...)
	for _, instance := range instances {
		instance.Siblings = siblings
	}
}

// State returns Deleted from the instance's deletion until it is restored or
// purged.
func (i *Instance) State() State {
	if i.DeletedAt != nil {
		return Deleted
	}
	return Active
}

// State returns Deleted from the space's deletion until it is restored or purged. Its
// instances have states of their own.
func (s *Space) State() State {
	if s.DeletedAt != nil {
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
func (s *Space) ViewerRoles() []Role { return s.EffectiveRoles().List() }

// Kind tells a space's two special instances from its working instances.
type Kind string

// The kinds of instances.
const (
	Master      Kind = "MASTER"
	Distributed Kind = "DISTRIBUTED"
	Working     Kind = "WORKING"
)

// State says whether a space or an instance can be used.
type State string

// The states of a space or an instance.
const (
	Active  State = "ACTIVE"
	Deleted State = "DELETED"
)

// MarshalGQL writes the schema's enums SpaceState and InstanceState.
func (s State) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, s) }

// UnmarshalGQL reads the schema's enums SpaceState and InstanceState.
func (s *State) UnmarshalGQL(v any) (err error) {
	*s, err = graphqltypes.ReadEnum(v, Active, Deleted)
	return err
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
