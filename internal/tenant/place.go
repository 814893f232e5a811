package tenant

import (
	"context"
	"errors"

	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Place is where roles are held: an organization, a space or an instance, as
// one person sees it.
type Place interface {
	// Visible reports whether the person may know of the place; false for nil.
	Visible() bool
	// EffectiveRoles returns the roles that the person has here: those that they
	// hold by themselves, and those that derive from them.
	EffectiveRoles() Roles
	// Contacts returns the people who hold one of the roles of a set by themselves:
	// maxContacts at most, those with the highest role first. It returns none where
	// the person may not know them.
	Contacts(ctx context.Context, q postgres.Querier, roles Roles) ([]fault.Contact, error)
	// HolderName says what a person with a role is: "an editor of the instance",
	// "an administrator of the space Econometrics".
	HolderName(Role) string
	// Title is the name as it stands in a sentence.
	Title() string
	// PlaceID is the global id.
	PlaceID() globalid.ID
}

var (
	_ Place = (*Organization)(nil)
	_ Place = (*Space)(nil)
	_ Place = (*Instance)(nil)
)

func (o *Organization) Visible() bool { return o != nil }
func (s *Space) Visible() bool        { return s != nil && s.EffectiveRoles().visible() }
func (i *Instance) Visible() bool     { return i != nil && i.Roles.visible() }

func (o *Organization) EffectiveRoles() Roles { return o.Roles }
func (s *Space) EffectiveRoles() Roles        { return somewhereInSpace(s.held) }
func (i *Instance) EffectiveRoles() Roles     { return i.Roles }

func (o *Organization) Title() string { return o.Name }
func (s *Space) Title() string        { return s.Name }
func (i *Instance) Title() string     { return i.Name }

func (o *Organization) PlaceID() globalid.ID { return o.ID }
func (s *Space) PlaceID() globalid.ID        { return s.ID }
func (i *Instance) PlaceID() globalid.ID     { return i.ID }

func (o *Organization) HolderName(r Role) string { return r.Noun() + " of " + o.Name }

func (s *Space) HolderName(r Role) string {
	if r.HeldIn() == globalid.Organization {
		return s.Organization.HolderName(r)
	}
	return r.Noun() + " of the space " + s.Name
}

func (i *Instance) HolderName(r Role) string {
	if r.HeldIn() != globalid.Instance {
		return i.Space.HolderName(r)
	}
	return r.Noun() + " of the instance"
}

// FindPlaces reads the places that ids stand for: the id of an organization, a
// space or an instance stands for itself, that of an invitation or of a course link
// for the place that it leads to. Each id has an entry: its place, or nil where there is none that the
// viewer may know of.
func FindPlaces(ctx context.Context, q postgres.Querier, viewer User, ids []globalid.ID) (map[globalid.ID]Place, error) {
	of, found := map[globalid.Kind][]globalid.ID{}, make(map[globalid.ID]Place, len(ids))
	for _, id := range ids {
		of[id.Kind] = append(of[id.Kind], id)
		found[id] = nil
	}
	err := errors.Join(
		find(ctx, q, viewer, of[globalid.Organization], findOrganizations, found),
		find(ctx, q, viewer, of[globalid.Space], findSpaces, found),
		find(ctx, q, viewer, of[globalid.Instance], findInstances, found),
		find(ctx, q, viewer, of[globalid.Invitation], findInvitedPlaces, found),
		find(ctx, q, viewer, of[globalid.Link], findLinkedPlaces, found),
	)
	return found, err
}

// LoadPlace reads the place of an id as FindPlaces does, in one query with the
// places of the other ids of its group.
func LoadPlace(ctx context.Context, q postgres.Querier, viewer User, group *batch.Group[globalid.ID], id globalid.ID) (Place, error) {
	type places struct{ of globalid.ID }
	return batch.Load(group, id, places{viewer.ID}, func(ids []globalid.ID) (map[globalid.ID]Place, error) {
		return FindPlaces(ctx, q, viewer, ids)
	})
}

// find adds the places of one kind to those that were found.
func find[P Place](ctx context.Context, q postgres.Querier, viewer User, ids []globalid.ID,
	read func(context.Context, postgres.Querier, User, []globalid.ID) (map[globalid.ID]P, error), found map[globalid.ID]Place) error {
	if len(ids) == 0 {
		return nil
	}
	places, err := read(ctx, q, viewer, ids)
	for id, place := range places {
		found[id] = place
	}
	return err
}
