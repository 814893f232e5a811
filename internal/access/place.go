package access

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Place is where roles are held: an organization, a space or an instance, as
// one person sees it.
type Place interface {
	// known reports whether the person may know of it; nobody knows of nil.
	known() bool
	// held are the person's effective roles.
	held() Roles
	// contacts are the people who hold one of the roles of a set by
	// themselves; maxContacts at most.
	contacts(ctx context.Context, q postgres.Querier, roles Roles) ([]fault.Contact, error)
	// holder says in words what somebody is who holds a role here.
	holder(Role) string
	// scope says in words where something is done, as far as holder does not.
	scope() string
}

var (
	_ Place = (*Organization)(nil)
	_ Place = (*Space)(nil)
	_ Place = (*Instance)(nil)
)

func (o *Organization) known() bool { return o != nil }
func (s *Space) known() bool        { return s != nil && s.held().visible() }
func (i *Instance) known() bool     { return i != nil && i.Roles.visible() }

func (o *Organization) held() Roles { return o.Roles }
func (s *Space) held() Roles        { return s.standing.roles() }
func (i *Instance) held() Roles     { return i.Roles }

func (o *Organization) scope() string { return "" }
func (s *Space) scope() string        { return "" }
func (i *Instance) scope() string     { return " in " + i.Name }

func (o *Organization) holder(r Role) string {
	switch r {
	case OrganizationManager:
		return "a manager of " + o.Name
	case OrganizationFaculty:
		return "a faculty member of " + o.Name
	}
	return "a member of " + o.Name
}

func (s *Space) holder(r Role) string {
	if r == SpaceAdministrator {
		return "an administrator of the space " + s.Name
	}
	return s.Organization.holder(r)
}

func (i *Instance) holder(r Role) string {
	switch r {
	case InstanceEditor:
		return "an editor of the instance"
	case InstanceViewer:
		return "a viewer of the instance"
	}
	return i.Space.holder(r)
}

// FindPlaces reads the places that ids stand for: organizations, spaces and
// instances themselves, and where invitations lead. The place of an id is nil
// where there is none that the actor may know of.
func FindPlaces(ctx context.Context, q postgres.Querier, actor Actor, ids []globalid.ID) (map[globalid.ID]Place, error) {
	standing, places, err := resolve(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	return findPlaces(ctx, q, actor, standing, places)
}

// PlaceAmong reads the place of an id as FindPlaces does, together with those of
// the other ids of its group.
func PlaceAmong(ctx context.Context, q postgres.Querier, actor Actor, group *batch.Group[globalid.ID], id globalid.ID) (Place, error) {
	type places struct{ of globalid.ID }
	return batch.Ask(group, id, places{actor.ID}, func(ids []globalid.ID) (map[globalid.ID]Place, error) {
		return FindPlaces(ctx, q, actor, ids)
	})
}

// resolve gives the ids of the places that ids stand for, and these places,
// each once.
func resolve(ctx context.Context, q postgres.Querier, ids []globalid.ID) (standing map[globalid.ID]globalid.ID, places []globalid.ID, err error) {
	leads, err := whereInvitationsLead(ctx, q, ids)
	if err != nil {
		return nil, nil, err
	}
	standing, seen := make(map[globalid.ID]globalid.ID, len(ids)), map[globalid.ID]bool{}
	for _, id := range ids {
		place := id
		if id.Kind == globalid.Invitation {
			place = leads[id]
		}
		standing[id] = place
		if !seen[place] {
			seen[place] = true
			places = append(places, place)
		}
	}
	return standing, places, nil
}

func findPlaces(ctx context.Context, q postgres.Querier, actor Actor, standing map[globalid.ID]globalid.ID, places []globalid.ID) (map[globalid.ID]Place, error) {
	asked := map[globalid.Kind][]globalid.ID{}
	for _, id := range places {
		asked[id.Kind] = append(asked[id.Kind], id)
	}
	found := map[globalid.ID]Place{}
	if err := errors.Join(
		find(ctx, q, actor, asked[globalid.Organization], findOrganizations, found),
		find(ctx, q, actor, asked[globalid.Space], findSpaces, found),
		find(ctx, q, actor, asked[globalid.Instance], findInstances, found),
	); err != nil {
		return nil, err
	}
	// Nothing but what was asked for: the place of an invitation is not one of
	// the ids.
	of := make(map[globalid.ID]Place, len(standing))
	for id, place := range standing {
		if p, ok := found[place]; ok {
			of[id] = p
		}
	}
	return of, nil
}

// find adds what a reader of one kind of place finds.
func find[P Place](ctx context.Context, q postgres.Querier, actor Actor, ids []globalid.ID,
	read func(context.Context, postgres.Querier, Actor, []globalid.ID) (map[globalid.ID]P, error), found map[globalid.ID]Place) error {
	if len(ids) == 0 {
		return nil
	}
	places, err := read(ctx, q, actor, ids)
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
	err := q.Select(ctx, &rows, `select id, instance_id, space_id from invitation where id = any ($1::uuid[])`, globalid.Array(invitations))
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
