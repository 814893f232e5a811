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
	// Visible reports whether the person may know of it; nobody knows of nil.
	Visible() bool
	// EffectiveRoles are the person's effective roles.
	EffectiveRoles() Roles
	// Contacts are the people who hold one of the roles of a set by
	// themselves; maxContacts at most.
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

// FindPlaces reads the places that ids stand for: organizations, spaces and
// instances themselves, and where invitations lead. The place of an id is nil
// where there is none that the viewer may know of.
func FindPlaces(ctx context.Context, q postgres.Querier, viewer User, ids []globalid.ID) (map[globalid.ID]Place, error) {
	targets, err := ResolveTargets(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	return targets.Find(ctx, q, viewer)
}

// PlaceAmong reads the place of an id as FindPlaces does, together with those of
// the other ids of its group.
func PlaceAmong(ctx context.Context, q postgres.Querier, viewer User, group *batch.Group[globalid.ID], id globalid.ID) (Place, error) {
	type places struct{ of globalid.ID }
	return batch.Load(group, id, places{viewer.ID}, func(ids []globalid.ID) (map[globalid.ID]Place, error) {
		return FindPlaces(ctx, q, viewer, ids)
	})
}

// Targets are the places that ids stand for: an id of an organization, a space
// or an instance stands for itself, and an invitation's for the place that it
// leads to.
type Targets struct {
	// Places are the ids of the places, each once.
	Places []globalid.ID
	of     map[globalid.ID]globalid.ID
}

// ResolveTargets reads the targets of ids, whoever may see them.
func ResolveTargets(ctx context.Context, q postgres.Querier, ids []globalid.ID) (Targets, error) {
	leads, err := whereInvitationsLead(ctx, q, ids)
	if err != nil {
		return Targets{}, err
	}
	t := Targets{of: make(map[globalid.ID]globalid.ID, len(ids))}
	seen := map[globalid.ID]bool{}
	for _, id := range ids {
		place := id
		if id.Kind == globalid.Invitation {
			place = leads[id]
		}
		t.of[id] = place
		if !seen[place] {
			seen[place] = true
			t.Places = append(t.Places, place)
		}
	}
	return t, nil
}

// Find reads the place of each id that the targets were resolved from. The
// place of an id is nil where there is none that the viewer may know of.
func (t Targets) Find(ctx context.Context, q postgres.Querier, viewer User) (map[globalid.ID]Place, error) {
	ids := map[globalid.Kind][]globalid.ID{}
	for _, id := range t.Places {
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
	found := make(map[globalid.ID]Place, len(t.of))
	for id, place := range t.of {
		if p, ok := places[place]; ok {
			found[id] = p
		}
	}
	return found, nil
}

// find adds what a reader of one kind of place finds.
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
