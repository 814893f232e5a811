package tenant

import (
	"context"
	"errors"

	"github.com/google/uuid"

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
// space or an instance stands for itself, that of an invitation for the place that
// it leads to. The place of an id is nil where there is none that the viewer may
// know of.
func FindPlaces(ctx context.Context, q postgres.Querier, viewer User, ids []globalid.ID) (map[globalid.ID]Place, error) {
	resolved, err := ResolvePlaces(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	return resolved.Find(ctx, q, viewer)
}

// LoadPlace reads the place of an id as FindPlaces does, in one query with the
// places of the other ids of its group.
func LoadPlace(ctx context.Context, q postgres.Querier, viewer User, group *batch.Group[globalid.ID], id globalid.ID) (Place, error) {
	type places struct{ of globalid.ID }
	return batch.Load(group, id, places{viewer.ID}, func(ids []globalid.ID) (map[globalid.ID]Place, error) {
		return FindPlaces(ctx, q, viewer, ids)
	})
}

// ResolvedPlaces are ids with the ids of the places that they stand for: see
// FindPlaces.
type ResolvedPlaces struct {
	// IDs are the ids of the places, each once.
	IDs []globalid.ID
	of  map[globalid.ID]globalid.ID
}

// ResolvePlaces resolves ids to the ids of their places, without regard to who
// may see these.
func ResolvePlaces(ctx context.Context, q postgres.Querier, ids []globalid.ID) (ResolvedPlaces, error) {
	leads, err := whereInvitationsLead(ctx, q, ids)
	if err != nil {
		return ResolvedPlaces{}, err
	}
	resolved := ResolvedPlaces{of: make(map[globalid.ID]globalid.ID, len(ids))}
	seen := map[globalid.ID]bool{}
	for _, id := range ids {
		place := id
		if id.Kind == globalid.Invitation {
			place = leads[id]
		}
		resolved.of[id] = place
		if !seen[place] {
			seen[place] = true
			resolved.IDs = append(resolved.IDs, place)
		}
	}
	return resolved, nil
}

// Find reads the place of each id that was resolved. The place of an id is nil
// where there is none that the viewer may know of.
func (r ResolvedPlaces) Find(ctx context.Context, q postgres.Querier, viewer User) (map[globalid.ID]Place, error) {
	ids := map[globalid.Kind][]globalid.ID{}
	for _, id := range r.IDs {
		ids[id.Kind] = append(ids[id.Kind], id)
	}
	places := map[globalid.ID]Place{}
	if err := errors.Join(
		find(ctx, q, viewer, ids[globalid.Organization], findOrganizations, places),
		find(ctx, q, viewer, ids[globalid.Space], findSpaces, places),
		find(ctx, q, viewer, ids[globalid.Instance], findInstances, places),
	); err != nil {
		return nil, err
	}
	found := make(map[globalid.ID]Place, len(r.of))
	for id, place := range r.of {
		if p, ok := places[place]; ok {
			found[id] = p
		}
	}
	return found, nil
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

func whereInvitationsLead(ctx context.Context, q postgres.Querier, ids []globalid.ID) (map[globalid.ID]globalid.ID, error) {
	var invitations []globalid.ID
	for _, id := range ids {
		if id.Kind == globalid.Invitation {
			invitations = append(invitations, id)
		}
	}
	if len(invitations) == 0 {
		return nil, nil
	}
	var rows []struct {
		ID         uuid.UUID     `db:"id"`
		InstanceID uuid.NullUUID `db:"instance_id"`
		SpaceID    uuid.NullUUID `db:"space_id"`
	}
	err := q.Select(ctx, &rows, `select id, instance_id, space_id from invitation where id = any ($1::uuid[])`, postgres.IDs(invitations))
	if err != nil {
		return nil, err
	}
	leads := make(map[globalid.ID]globalid.ID, len(rows))
	for _, row := range rows {
		lead := globalid.ID{Kind: globalid.Instance, UUID: row.InstanceID.UUID}
		if row.SpaceID.Valid {
			lead = globalid.ID{Kind: globalid.Space, UUID: row.SpaceID.UUID}
		}
		leads[globalid.ID{Kind: globalid.Invitation, UUID: row.ID}] = lead
	}
	return leads, nil
}
