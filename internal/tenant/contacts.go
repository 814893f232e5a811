package tenant

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// The most that a refusal names, and the most administrators that a space lists.
const (
	maxContacts       = 20
	maxInstances      = 20
	maxAdministrators = 100
)

// People whose address belongs to another account by now are no contacts: mail to them
// would reach somebody else.

// Contacts implements Place: editors first, then the space's administrators.
func (i *Instance) Contacts(ctx context.Context, q postgres.Querier, roles Roles) ([]fault.Contact, error) {
	type contactsQuery Roles
	return batch.Load(i.Siblings, i.ID, contactsQuery(roles), func(ids []globalid.ID) (map[globalid.ID][]fault.Contact, error) {
		return holders(ctx, q, ids, roles)
	})
}

// Contacts implements Place: in a space, the administrators can help, and then those who
// hold one of the roles in the organization.
func (s *Space) Contacts(ctx context.Context, q postgres.Querier, roles Roles) ([]fault.Contact, error) {
	administrators, err := s.Administrators(ctx, q)
	if err != nil {
		return nil, err
	}
	contacts := make([]fault.Contact, min(len(administrators), maxContacts))
	for i := range contacts {
		contacts[i] = *administrators[i]
	}
	if len(roles.HeldIn(globalid.Organization)) == 0 {
		return contacts, nil
	}
	staff, err := s.Organization.Contacts(ctx, q, roles)
	for _, c := range staff {
		if len(contacts) < maxContacts && !slices.Contains(contacts, c) {
			contacts = append(contacts, c)
		}
	}
	return contacts, err
}

// Contacts implements Place: managers first. Only those who belong to the
// organization or administrate one of its spaces are told the names of its staff:
// anyone else, guests included, may know one instance alone. Plain members are no
// staff: only managers may know who they are.
func (o *Organization) Contacts(ctx context.Context, q postgres.Querier, roles Roles) ([]fault.Contact, error) {
	if !o.TellsStaff() {
		return nil, nil
	}
	type staffQuery Roles
	return batch.Load(o.Siblings, o.ID, staffQuery(roles), func(organizations []globalid.ID) (map[globalid.ID][]fault.Contact, error) {
		var rows []struct {
			OrganizationID uuid.UUID `db:"organization_id"`
			fault.Contact
		}
		err := q.Select(ctx, &rows, `
			select o.id as organization_id, h.name, h.email
			from unnest($1::uuid[]) as o (id)
			cross join lateral (
				select a.id, a.name, a.email, array_position($2::text[], m.role) as position
				from organization_member m cross join lateral (select * from account where id = m.account_id limit 1) a
				where m.organization_id = o.id and m.role = any ($2::text[]) and m.role <> 'MEMBER' and not `+FormerHolder+`
				order by position, a.name, a.id limit $3) h
			order by o.id, h.position, h.name, h.id`,
			postgres.IDs(organizations), pq.StringArray(roles.Stored(globalid.Organization)), maxContacts)
		found := make(map[globalid.ID][]fault.Contact, len(organizations))
		for _, row := range rows {
			id := globalid.ID{Kind: globalid.Organization, UUID: row.OrganizationID}
			found[id] = append(found[id], row.Contact)
		}
		return found, err
	})
}

// TellsStaff reports whether the person is told the names of the organization's staff: see
// Contacts. The SQL function TellsStaff is the same for the database.
func (o *Organization) TellsStaff() bool {
	belongs := o.Roles != 0 && !(o.guest && o.Roles == RolesOf(OrganizationMember))
	return belongs || o.administers
}

// HasManager reads whether the organization has a manager. Without one, which only a forced
// erasure leaves behind, nobody can give roles in it.
func (o *Organization) HasManager(ctx context.Context, q postgres.Querier) (bool, error) {
	type hasManager struct{}
	return batch.Load(o.Siblings, o.ID, hasManager{}, func(organizations []globalid.ID) (map[globalid.ID]bool, error) {
		var managed []uuid.UUID
		err := q.Select(ctx, &managed, `
			select o.id from unnest($1::uuid[]) as o (id)
			cross join lateral (select from organization_member m where m.organization_id = o.id and m.role = 'MANAGER' limit 1) m`, postgres.IDs(organizations))
		found := make(map[globalid.ID]bool, len(organizations))
		for _, id := range managed {
			found[globalid.ID{Kind: globalid.Organization, UUID: id}] = true
		}
		return found, err
	})
}

// holders are the people who hold, by themselves, one of the roles of a set in
// each of some instances, the highest role first, and then the space's
// administrators.
func holders(ctx context.Context, q postgres.Querier, instances []globalid.ID, roles Roles) (map[globalid.ID][]fault.Contact, error) {
	var rows []struct {
		InstanceID uuid.UUID `db:"instance_id"`
		fault.Contact
	}
	err := q.Select(ctx, &rows, `
		select i.id as instance_id, h.name, h.email
		from instance i cross join lateral (
			select a.id, a.name, a.email, min(r.position) as position
			from account a join (
				select m.account_id, array_position($2::text[], m.role) as position from instance_member m
				where m.instance_id = i.id and m.role = any ($2::text[]) and `+Current("m")+`
				union all
				select sa.account_id, cardinality($2::text[]) + 1 from space_administrator sa
				where $3 and sa.space_id = i.space_id) r on r.account_id = a.id
			where not `+FormerHolder+`
			group by a.id order by min(r.position), a.name, a.id limit $4) h
		where i.id = any ($1::uuid[])
		order by i.id, h.position, h.name, h.id`,
		postgres.IDs(instances), pq.StringArray(roles.Stored(globalid.Instance)), roles.Has(SpaceAdministrator), maxContacts)
	if err != nil {
		return nil, err
	}
	found := make(map[globalid.ID][]fault.Contact, len(instances))
	for _, row := range rows {
		id := globalid.ID{Kind: globalid.Instance, UUID: row.InstanceID}
		found[id] = append(found[id], row.Contact)
	}
	return found, nil
}

// Administrators reads a space's administrators, by name; maxAdministrators at
// most.
func (s *Space) Administrators(ctx context.Context, q postgres.Querier) ([]*fault.Contact, error) {
	type administrators struct{}
	return batch.Load(s.Siblings, s, administrators{}, func(spaces []*Space) (map[*Space][]*fault.Contact, error) {
		of := make(map[uuid.UUID]*Space, len(spaces))
		ids := make([]globalid.ID, len(spaces))
		found := make(map[*Space][]*fault.Contact, len(spaces))
		for i, s := range spaces {
			ids[i], of[s.ID.UUID], found[s] = s.ID, s, []*fault.Contact{}
		}
		var rows []struct {
			SpaceID uuid.UUID `db:"space_id"`
			fault.Contact
		}
		err := q.Select(ctx, &rows, `
			select s.id as space_id, a.name, a.email
			from unnest($1::uuid[]) as s (id)
			cross join lateral (
				select a.id, a.name, a.email
				from space_administrator sa cross join lateral (select * from account where id = sa.account_id limit 1) a
				where sa.space_id = s.id and not `+FormerHolder+` order by a.name, a.id limit $2) a
			order by s.id, a.name, a.id`, postgres.IDs(ids), maxAdministrators)
		for i := range rows {
			s := of[rows[i].SpaceID]
			found[s] = append(found[s], &rows[i].Contact)
		}
		return found, err
	})
}

// ActiveInstances reads the instances of a space that are of some kinds and not
// deleted, oldest first; maxInstances at most.
func (s *Space) ActiveInstances(ctx context.Context, q postgres.Querier, kinds []Kind) ([]fault.Instance, error) {
	of := make(pq.StringArray, len(kinds))
	for i, kind := range kinds {
		of[i] = string(kind)
	}
	type activeInstances struct{ kinds string }
	return batch.Load(s.Siblings, s, activeInstances{strings.Join(of, " ")}, func(spaces []*Space) (map[*Space][]fault.Instance, error) {
		byID := make(map[uuid.UUID]*Space, len(spaces))
		ids := make([]globalid.ID, len(spaces))
		for i, s := range spaces {
			ids[i], byID[s.ID.UUID] = s.ID, s
		}
		var rows []struct {
			SpaceID uuid.UUID `db:"space_id"`
			ID      uuid.UUID `db:"id"`
			Name    string    `db:"name"`
		}
		err := q.Select(ctx, &rows, `
			select s.id as space_id, i.id, i.name
			from unnest($1::uuid[]) as s (id)
			cross join lateral (
				select id, name from instance
				where space_id = s.id and kind = any ($2::text[]) and deleted_at is null order by id limit $3) i
			order by s.id, i.id`, postgres.IDs(ids), of, maxInstances)
		found := make(map[*Space][]fault.Instance, len(spaces))
		for _, row := range rows {
			s := byID[row.SpaceID]
			found[s] = append(found[s], fault.Instance{ID: globalid.ID{Kind: globalid.Instance, UUID: row.ID}.String(), Name: row.Name})
		}
		return found, err
	})
}
