package membership

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// ReinstateMemberInput asks to give a person back the roles that a removal has ended in
// one instance, in a whole space, or in a whole organization.
type ReinstateMemberInput struct {
	UserID         globalid.ID  `json:"userId"`
	InstanceID     *globalid.ID `json:"instanceId"`
	SpaceID        *globalid.ID `json:"spaceId"`
	OrganizationID *globalid.ID `json:"organizationId"`
	// Until is when the roles in instances end again; nil: when they would have ended, if that
	// is still to come.
	Until          *time.Time `json:"until,omitempty"`
	IdempotencyKey *string    `json:"-"`
}

// Validate returns what is wrong with the form of the input.
func (in ReinstateMemberInput) Validate() (faults fault.List) {
	faults = append(validateOnePlace(in.InstanceID, in.SpaceID, in.OrganizationID), ValidateUntil(in.Until)...)
	return append(faults, idempotency.ValidateKey(in.IdempotencyKey)...)
}

// ReinstateMemberPayload is the result of giving a person their roles back.
type ReinstateMemberPayload struct {
	Reinstated bool `json:"reinstated"` // false: they had them all
	// Restored is the number of roles that the person has got back.
	Restored int `json:"restoredRoleCount"`
}

// Reinstate gives a person back the roles that their last removal from an instance, from a
// space or from an organization has ended, as they were, and revokes the pending invitations
// to them there. A higher role that they have got since stays. Nothing is done where they
// have a role there and there is nothing to give back. It fails with NOT_FOUND, also where
// the person has no role there that ended in the time Kept, with FORBIDDEN, SPACE_DELETED or
// INSTANCE_DELETED, or with CONFLICT where the person has left by themselves.
func (s *Service) Reinstate(ctx context.Context, actor access.Actor, in ReinstateMemberInput) (ReinstateMemberPayload, error) {
	var place tenant.Place
	var user globalid.ID // the account into which that of the input was merged, or that account
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.ReinstateMember.Field, Input: in}
	return idempotency.Run(ctx, s.DB, key, idempotency.Steps[ReinstateMemberPayload]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			if user, err = presentAccount(ctx, tx, in.UserID.As(globalid.User)); err != nil {
				return err
			}
			switch {
			case in.OrganizationID != nil:
				place, err = lockFormerOrganization(ctx, tx, actor, in.OrganizationID.As(globalid.Organization), user)
			case in.SpaceID != nil:
				place, err = lockFormerSpace(ctx, tx, actor, in.SpaceID.As(globalid.Space), user)
			default:
				place, err = lockFormerInstance(ctx, tx, actor, in.InstanceID.As(globalid.Instance), user)
			}
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (ReinstateMemberPayload, error) {
			if err := CheckUntil(ctx, tx, in.Until); err != nil {
				return ReinstateMemberPayload{}, err
			}
			return s.reinstate(ctx, tx, actor, place, user, in.Until)
		},
	})
}

// presentAccount returns the account into which another one was merged, or that one.
func presentAccount(ctx context.Context, q postgres.Querier, user globalid.ID) (globalid.ID, error) {
	var present []uuid.UUID
	err := q.Select(ctx, &present, `select coalesce(merged_into, id) from account where id = $1`, user.UUID)
	if len(present) > 0 {
		user.UUID = present[0]
	}
	return user, err
}

// lockFormerInstance decides whether the actor may give roles in an instance back, and locks
// what accepting an invitation to it locks: the instance, its space, and the person's own
// role in the organization.
func lockFormerInstance(ctx context.Context, tx *postgres.Tx, actor access.Actor, id, user globalid.ID) (tenant.Place, error) {
	instance, err := tenant.FindInstance(ctx, tx, actor, id)
	if err != nil {
		return nil, err
	}
	if err := checkReinstating(ctx, tx, instance); err != nil {
		return nil, err
	}
	if err := (access.Locks{
		Places:        []globalid.ID{id},
		Strength:      access.Exclusive,
		Spaces:        []globalid.ID{instance.Space.ID},
		Organizations: []globalid.ID{instance.Space.Organization.ID},
		Accounts:      []globalid.ID{actor.ID, user},
	}).Take(ctx, tx); err != nil {
		return nil, err
	}
	if instance, err = tenant.FindInstance(ctx, tx, actor, id); err != nil {
		return nil, err
	}
	return instance, checkReinstating(ctx, tx, instance)
}

// checkReinstating is access.CheckRole for the rule, also for an instance that was not found.
func checkReinstating(ctx context.Context, q postgres.Querier, instance *tenant.Instance) error {
	if instance == nil {
		return access.NotFound()
	}
	return access.CheckRole(ctx, q, instance, access.ReinstateMember)
}

// lockFormerSpace decides whether the actor may give roles in a space back, and locks it, its
// instances, and the person's own role in the organization.
func lockFormerSpace(ctx context.Context, tx *postgres.Tx, actor access.Actor, id, user globalid.ID) (tenant.Place, error) {
	space, err := access.LockSpace(ctx, tx, actor, id, access.ReinstateMember)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `select from organization_member where organization_id = $1 and account_id = $2 for share`, space.Organization.ID.UUID, user.UUID)
	return space, err
}

// lockFormerOrganization decides whether the actor may give roles in an organization back, and
// locks the places in which the person gets them, and the organization.
func lockFormerOrganization(ctx context.Context, tx *postgres.Tx, actor access.Actor, id, user globalid.ID) (tenant.Place, error) {
	organization, err := tenant.FindOrganization(ctx, tx, actor, id)
	if err != nil {
		return nil, err
	}
	if err := access.CheckRole(ctx, tx, organization, access.ReinstateMember); err != nil {
		return nil, err
	}
	if err := access.LockSelected(ctx, tx, access.Exclusive, `
		select e.instance_id, e.space_id, null::uuid as organization_id
		from ended_membership h join ended_membership e on e.account_id = h.account_id and e.removal = h.removal and e.organization_id is null
		where h.account_id = $2 and h.place_id = $1
		union select null, null, $1`, id.UUID, user.UUID); err != nil {
		return nil, err
	}
	return access.LockAndCheckRole[*tenant.Organization](ctx, tx, actor, id, access.ReinstateMember, access.Exclusive)
}

// endedRole is a row of ended_membership, with its space.
type endedRole struct {
	ID           uuid.UUID     `db:"id"`
	Place        uuid.UUID     `db:"place_id"`
	Organization uuid.NullUUID `db:"organization_id"`
	Space        uuid.NullUUID `db:"space_id"` // also of an instance
	SpaceName    *string       `db:"space_name"`
	Instance     uuid.NullUUID `db:"instance_id"`
	Role         *string       `db:"role"`
	Left         bool          `db:"has_left"`
}

// endedRoles reads the roles that the last removal of a person from a place has ended there,
// if that is not too long ago.
func (s *Service) endedRoles(ctx context.Context, tx *postgres.Tx, user globalid.ID, place globalid.ID) (rows []endedRole, err error) {
	err = tx.Select(ctx, &rows, `
		select e.id, e.place_id, e.organization_id, coalesce(e.space_id, i.space_id) as space_id, s.name as space_name, e.instance_id, e.role,
		       h.reason = 'LEFT' as has_left
		from ended_membership h
		join ended_membership e on e.account_id = h.account_id and e.removal = h.removal
		left join lateral (select space_id from instance where id = e.instance_id limit 1) i on true
		left join lateral (select name from space where id = coalesce(e.space_id, i.space_id) limit 1) s on true
		where h.account_id = $1 and h.place_id = $2 and h.ended_at > clock_timestamp() - $3 * interval '1 second'
		and (e.place_id = $2 or i.space_id = $2 or h.organization_id is not null)
		order by e.id`, user.UUID, place.UUID, s.Kept.Seconds())
	return rows, err
}

func (s *Service) reinstate(ctx context.Context, tx *postgres.Tx, actor access.Actor, place tenant.Place, user globalid.ID, until *time.Time) (payload ReinstateMemberPayload, err error) {
	id := placeID(place)
	rows, err := s.endedRoles(ctx, tx, user, id)
	if err != nil {
		return payload, err
	}
	if len(rows) == 0 {
		belongs, err := hasRole(ctx, tx, user, id)
		if err == nil && !belongs {
			err = s.noFormerMember(place)
		}
		return payload, err
	}
	if err := first(s.reinstatementObstacles(ctx, tx, place, rows[0].Left)); err != nil {
		return payload, err
	}
	// A merger of the account, or its erasure, has locked it. What they leave is read again.
	var person struct {
		Name   string        `db:"name"`
		Merged uuid.NullUUID `db:"merged_into"`
	}
	if err := tx.Get(ctx, &person, `select name, merged_into from account where id = $1 for share`, user.UUID); err != nil {
		return payload, err
	}
	if rows, err = s.endedRoles(ctx, tx, user, id); err != nil {
		return payload, err
	}
	if len(rows) == 0 || person.Merged.Valid {
		return payload, s.noFormerMember(place)
	}
	if payload.Restored, err = restore(ctx, tx, user, rows, until); err != nil || payload.Restored == 0 {
		return payload, err
	}
	payload.Reinstated = true
	var in postgres.UUIDs
	for _, r := range rows {
		if r.Role != nil {
			in = append(in, r.Place)
		}
	}
	if s.RevokeInvitations != nil {
		if err := s.RevokeInvitations(ctx, tx, actor, postgres.UUIDs{user.UUID}, place, in); err != nil {
			return payload, err
		}
	}
	return payload, audit.Write(ctx, tx, reinstatements(actor, place, &tenant.User{ID: user, Name: person.Name}, rows)...)
}

// restore gives an account the roles of some rows back, and forgets the rows. It returns the
// number of roles that the account did not have, or only a lower one. Everybody with a role
// inside of an organization belongs to it.
func restore(ctx context.Context, tx *postgres.Tx, user globalid.ID, rows []endedRole, until *time.Time) (restored int, err error) {
	ids := make(postgres.UUIDs, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	for _, query := range []string{restoreInOrganizations, restoreInSpaces, restoreInInstances} {
		var args []any
		switch query {
		case restoreInOrganizations:
			args = []any{ids, ranked(globalid.Organization)}
		case restoreInSpaces:
			args = []any{ids}
		case restoreInInstances:
			args = []any{ids, ranked(globalid.Instance), until}
		}
		n, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return 0, err
		}
		restored += int(n)
	}
	if err := tx.Later(ctx, restoreBelonging, ids, user.UUID); err != nil {
		return 0, err
	}
	return restored, tx.Later(ctx, `delete from ended_membership where id = any ($1::uuid[])`, ids)
}

// ranked returns the roles in a kind of place as they are stored, the highest first.
func ranked(kind globalid.Kind) pq.StringArray {
	return pq.StringArray(tenant.RolesOf(tenant.AllRoles()...).Stored(kind))
}

// The queries that give back the roles of the rows $1 of ended_membership. $2 are the roles
// of that kind of place, the highest first. They write in the order in which others lock.
const (
	restoreInOrganizations = `
		insert into organization_member as m (organization_id, account_id, role, since, guest)
		select organization_id, account_id, role, since, guest from ended_membership
		where id = any ($1::uuid[]) and organization_id is not null and role is not null
		on conflict (organization_id, account_id) do update
		set role = case when array_position($2::text[], excluded.role) < array_position($2::text[], m.role) then excluded.role else m.role end,
		    guest = m.guest and excluded.guest
		where array_position($2::text[], excluded.role) < array_position($2::text[], m.role) or m.guest and not excluded.guest`

	restoreInSpaces = `
		insert into space_administrator (space_id, account_id, since)
		select space_id, account_id, since from ended_membership
		where id = any ($1::uuid[]) and space_id is not null and role is not null order by space_id
		on conflict do nothing`

	restoreInInstances = `
		insert into instance_member as m (instance_id, account_id, role, since, until)
		select instance_id, account_id, role, since, coalesce($3::timestamptz, case when until > clock_timestamp() then until end) from ended_membership
		where id = any ($1::uuid[]) and instance_id is not null order by instance_id
		on conflict (instance_id, account_id) do update set role = excluded.role, until = excluded.until
		where array_position($2::text[], excluded.role) < array_position($2::text[], m.role) or m.until <= statement_timestamp()`

	restoreBelonging = `
		insert into organization_member (organization_id, account_id, role, guest)
		select distinct s.organization_id, $2::uuid, 'MEMBER', true
		from ended_membership e
		left join lateral (select space_id from instance where id = e.instance_id limit 1) i on true
		cross join lateral (select organization_id from space where id = coalesce(e.space_id, i.space_id) limit 1) s
		where e.id = any ($1::uuid[]) and e.role is not null
		on conflict (organization_id, account_id) do nothing`
)

// reinstatements are the records of the trail: of the place and, of an organization, also of
// each of its spaces.
func reinstatements(actor access.Actor, place tenant.Place, user *tenant.User, rows []endedRole) (records []audit.Record) {
	record := audit.Record{Action: audit.MemberReinstated, Actor: actor, Details: about(user, audit.Details{})}
	switch place := place.(type) {
	case *tenant.Instance:
		record.Target = audit.OnInstance(place)
		record.Role = new(tenant.InstanceRole(*rows[0].Role))
	case *tenant.Space:
		record.Target = audit.OnSpace(place)
	case *tenant.Organization:
		record.Target = audit.OnOrganization(place)
		spaces := map[uuid.UUID]bool{}
		for _, r := range rows {
			if r.Space.Valid && !spaces[r.Space.UUID] {
				spaces[r.Space.UUID] = true
				inside := record
				inside.Target = audit.Target{Space: audit.Name{ID: r.Space.UUID, Name: *r.SpaceName}}
				records = append(records, inside)
			}
		}
	}
	return append(records, record)
}

// reinstatementObstacles returns the reasons why nobody can give a person roles back in a
// place, in order: its state, and CONFLICT where the person has left by themselves.
func (s *Service) reinstatementObstacles(ctx context.Context, q postgres.Querier, place tenant.Place, left bool) (fault.List, error) {
	obstacles, err := access.Obstacles(ctx, q, place, access.ReinstateMember)
	if err != nil || !left {
		return obstacles, err
	}
	invite := map[globalid.Kind]string{
		globalid.Instance: "inviteUsers", globalid.Space: "inviteUsers or inviteSpaceAdministrators", globalid.Organization: "inviteOrganizationMembers",
	}[placeID(place).Kind]
	return append(obstacles, &fault.Fault{
		Code:    fault.Conflict,
		Reason:  fault.MemberLeft,
		Message: fmt.Sprintf("The person has left %s by themselves, and does not come back without being asked. Nothing was changed.", place.Title()),
		Remedy:  "Invite them, with " + invite + ": they come back when they accept.",
	}), nil
}

// noFormerMember is the refusal where a person has had no role in a place that can be given
// back. It is the same where there is no such person.
func (s *Service) noFormerMember(place tenant.Place) *fault.Fault {
	f := noMember()
	f.Message = fmt.Sprintf("Nobody with this id was removed from %s in the last %d days.", place.Title(), int(s.Kept/(24*time.Hour)))
	f.Remedy = "Check the id, or invite the person."
	return f
}

// hasRole reports whether an account has a role of its own in a place, or inside of a space.
func hasRole(ctx context.Context, q postgres.Querier, user, place globalid.ID) (has bool, err error) {
	err = q.Get(ctx, &has, `select `+map[globalid.Kind]string{
		globalid.Instance: postgres.Found(`instance_member m where instance_id = $1 and account_id = $2 and ` + tenant.Current("m")),
		globalid.Space: postgres.Found(`space_administrator where space_id = $1 and account_id = $2`) + ` or ` +
			postgres.Found(`instance_member m where space_id = $1 and account_id = $2 and `+tenant.Current("m")),
		globalid.Organization: postgres.Found(`organization_member where organization_id = $1 and account_id = $2`),
	}[place.Kind], place.UUID, user.UUID)
	return has, err
}

// placeID returns the id of a place.
func placeID(p tenant.Place) globalid.ID {
	switch p := p.(type) {
	case *tenant.Instance:
		return p.ID
	case *tenant.Space:
		return p.ID
	case *tenant.Organization:
		return p.ID
	}
	return globalid.ID{}
}
