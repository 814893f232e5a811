package membership

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

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
	// RevokedInvitationCount is the number of pending invitations that were revoked.
	RevokedInvitationCount int `json:"revokedInvitationCount,omitempty"`
}

// Reinstate gives a person back the roles that their last removal from an instance, from a
// space or from an organization has ended, as they were, and revokes the pending invitations
// to them there that give no more. A role that they have got since stays. Nothing is done
// where they have a role there and there is nothing to give back. It fails with NOT_FOUND,
// also where the person has no role there that ended in the time Kept, with FORBIDDEN, also
// where a manager has removed the person from the whole organization, with SPACE_DELETED or
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
	Restorable   bool          `db:"restorable"`
}

// restorable returns the SQL condition that a row of ended_membership, by its alias, has a
// role to give back: the person has none in that very place now. What gave them one is
// newer than the end.
func restorable(row string) string {
	held := func(role string) string {
		return ` and not ` + postgres.Found(strings.ReplaceAll(role, "ROW", row)+` and m.account_id = `+row+`.account_id`)
	}
	return row + `.role is not null` + held(`organization_member m where m.organization_id = ROW.organization_id`) +
		held(`space_administrator m where m.space_id = ROW.space_id`) +
		held(`instance_member m where m.instance_id = ROW.instance_id and `+tenant.Current("m"))
}

// endedRoles reads what the last removal of a person from a place has ended there, if that is
// not too long ago and there is anything to give back.
func (s *Service) endedRoles(ctx context.Context, tx *postgres.Tx, user globalid.ID, place globalid.ID) (rows []endedRole, err error) {
	err = tx.Select(ctx, &rows, `
		select e.id, e.place_id, e.organization_id, coalesce(e.space_id, i.space_id) as space_id, s.name as space_name, e.instance_id, e.role,
		       `+restorable("e")+` as restorable
		from ended_membership h
		join ended_membership e on e.account_id = h.account_id and e.removal = h.removal
		left join lateral (select space_id from instance where id = e.instance_id limit 1) i on true
		left join lateral (select name from space where id = coalesce(e.space_id, i.space_id) limit 1) s on true
		where h.account_id = $1 and h.place_id = $2 and h.ended_at > clock_timestamp() - $3 * interval '1 second'
		and (e.place_id = $2 or i.space_id = $2 or h.organization_id is not null)
		order by e.id`, user.UUID, place.UUID, s.Kept.Seconds())
	if !slices.ContainsFunc(rows, func(r endedRole) bool { return r.Restorable }) {
		return nil, err
	}
	return rows, err
}

// standing is what decides whether a former member of a place comes back to it.
type standing struct {
	Reason       EndReason `db:"reason"`
	FormerHolder bool      `db:"former_holder"` // invitations to the address reach somebody else
	Administers  bool      `db:"administers"`   // the space of the place
	Belongs      bool      `db:"belongs"`       // to the organization of the place
	Expelled     bool      `db:"expelled"`      // a manager removed them from that organization
}

// standingColumns are the columns of standing, of row e of ended_membership and account a.
// PLACE is the id of the place.
var standingColumns = map[globalid.Kind]string{
	globalid.Instance:     newStandingColumns(`(select space_id from instance where id = PLACE)`, `(select s.organization_id from instance i join space s on s.id = i.space_id where i.id = PLACE)`),
	globalid.Space:        newStandingColumns(`PLACE`, `(select organization_id from space where id = PLACE)`),
	globalid.Organization: newStandingColumns(`null::uuid`, `PLACE`),
}

func newStandingColumns(space, organization string) string {
	return `e.reason, ` + tenant.FormerHolder + ` as former_holder,
		` + postgres.Found(`space_administrator m where m.space_id = `+space+` and m.account_id = e.account_id`) + ` as administers,
		` + postgres.Found(`organization_member m where m.organization_id = `+organization+` and m.account_id = e.account_id`) + ` as belongs,
		` + postgres.Found(`ended_membership o where o.account_id = e.account_id and o.place_id = `+organization+` and o.reason = 'REMOVED'`) + ` as expelled`
}

func (s *Service) reinstate(ctx context.Context, tx *postgres.Tx, actor access.Actor, place tenant.Place, user globalid.ID, until *time.Time) (payload ReinstateMemberPayload, err error) {
	id := place.PlaceID()
	// A merger of the account, or its erasure, locks it, too. What they leave is read then.
	// The account of somebody who never had a role here is not locked: nobody waits for a
	// person whom they may not know of.
	var person []struct {
		Name string `db:"name"`
		Gone bool   `db:"gone"`
	}
	if err := tx.Select(ctx, &person, `
		select name, merged_into is not null or erased_at is not null as gone from account
		where id = $1 and exists (select from ended_membership e where e.account_id = $1 and e.place_id = $2) for share`, user.UUID, id.UUID); err != nil {
		return payload, err
	}
	if len(person) > 0 && person[0].Gone {
		return payload, s.noFormerMember(ctx, tx, place)
	}
	var rows []endedRole
	if len(person) > 0 {
		if rows, err = s.endedRoles(ctx, tx, user, id); err != nil {
			return payload, err
		}
	}
	if len(rows) == 0 {
		has, err := hasRole(ctx, tx, user, id)
		if err == nil && !has {
			err = s.noFormerMember(ctx, tx, place)
		}
		return payload, err
	}
	var now standing
	if err := tx.Get(ctx, &now, `
		select `+strings.ReplaceAll(standingColumns[id.Kind], "PLACE", "$2")+`
		from ended_membership e cross join lateral (select * from account where id = e.account_id limit 1) a
		where e.account_id = $1 and e.place_id = $2`, user.UUID, id.UUID); err != nil {
		return payload, err
	}
	if err := first(s.reinstatementObstacles(ctx, tx, actor, place, user, now)); err != nil {
		return payload, err
	}
	restored, err := restore(ctx, tx, user, rows, until)
	if err != nil || len(restored) == 0 {
		return payload, err
	}
	payload.Reinstated, payload.Restored = true, len(restored)
	in := make(postgres.UUIDs, len(restored))
	for i, r := range restored {
		in[i] = r.Place
	}
	if s.RevokeInvitations != nil {
		if payload.RevokedInvitationCount, err = s.RevokeInvitations(ctx, tx, actor, postgres.UUIDs{user.UUID}, place, in); err != nil {
			return payload, err
		}
	}
	return payload, audit.Write(ctx, tx, reinstatements(actor, place, &tenant.User{ID: user, Name: person[0].Name}, restored)...)
}

// restore gives an account the roles of some rows back, and forgets the rows. It returns
// those whose roles the account did not have. Everybody with a role inside of an organization
// belongs to it.
func restore(ctx context.Context, tx *postgres.Tx, user globalid.ID, rows []endedRole, until *time.Time) (restored []endedRole, err error) {
	var ids, all postgres.UUIDs
	for _, r := range rows {
		all = append(all, r.ID)
		if r.Restorable {
			ids = append(ids, r.ID)
		}
	}
	got := map[uuid.UUID]bool{}
	for _, q := range []struct {
		query string
		args  []any
	}{
		{restoreInOrganizations, []any{ids}},
		{restoreInSpaces, []any{ids}},
		{restoreInInstances, []any{ids, until}},
	} {
		var places []uuid.UUID
		if err := tx.Select(ctx, &places, q.query, q.args...); err != nil {
			return nil, err
		}
		for _, p := range places {
			got[p] = true
		}
	}
	if err := tx.Later(ctx, restoreBelonging, ids, user.UUID); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if got[r.Place] {
			restored = append(restored, r)
		}
	}
	return restored, tx.Later(ctx, `delete from ended_membership where id = any ($1::uuid[])`, all)
}

// The queries that give back the roles of the rows $1 of ended_membership, and return the
// places. They write in the order in which others lock.
var (
	restoreInOrganizations = `
		insert into organization_member (organization_id, account_id, role, since, guest)
		select organization_id, account_id, role, since, guest from ended_membership
		where id = any ($1::uuid[]) and organization_id is not null
		on conflict do nothing
		returning organization_id`

	restoreInSpaces = `
		insert into space_administrator (space_id, account_id, since)
		select space_id, account_id, since from ended_membership
		where id = any ($1::uuid[]) and space_id is not null order by space_id
		on conflict do nothing
		returning space_id`

	// $2 is when the roles end.
	restoreInInstances = `
		insert into instance_member as m (instance_id, account_id, role, since, until)
		select instance_id, account_id, role, since, coalesce($2::timestamptz, case when until > clock_timestamp() then until end) from ended_membership
		where id = any ($1::uuid[]) and instance_id is not null order by instance_id
		on conflict (instance_id, account_id) do update set role = excluded.role, since = excluded.since, until = excluded.until
		where not ` + tenant.Current("m") + `
		returning instance_id`

	restoreBelonging = `
		insert into organization_member (organization_id, account_id, role, guest)
		select distinct s.organization_id, $2::uuid, 'MEMBER', true
		from ended_membership e
		left join lateral (select space_id from instance where id = e.instance_id limit 1) i on true
		cross join lateral (select organization_id from space where id = coalesce(e.space_id, i.space_id) limit 1) s
		where e.id = any ($1::uuid[])
		on conflict (organization_id, account_id) do nothing`
)

// reinstatements are the records of the trail about roles that were given back: of the place
// and, of an organization, also of each of the spaces in which there are any.
func reinstatements(actor access.Actor, place tenant.Place, user *tenant.User, restored []endedRole) (records []audit.Record) {
	record := audit.Record{Action: audit.MemberReinstated, Actor: actor, Target: audit.On(place), Details: about(user, audit.Details{})}
	switch place.(type) {
	case *tenant.Instance:
		record.Role = new(tenant.InstanceRole(*restored[0].Role))
	case *tenant.Organization:
		spaces := map[uuid.UUID]bool{}
		for _, r := range restored {
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

// inviting returns the rule of inviting people to a place, and the mutations that do.
func inviting(place tenant.Place) (access.Rule, string) {
	switch place.(type) {
	case *tenant.Organization:
		return access.InviteOrganizationMembers, access.InviteOrganizationMembers.Field
	case *tenant.Space:
		return access.InviteSpaceAdministrators, access.InviteUsers.Field + " or " + access.InviteSpaceAdministrators.Field
	}
	return access.InviteUsers, access.InviteUsers.Field
}

// reinstatementObstacles returns the reasons why the actor, who reinstates people in a place,
// cannot give a person roles back there, in order: FORBIDDEN for a person who was removed from
// the whole organization, the state of the place, and CONFLICT where the person has left by
// themselves. Those who left come back without being asked where they are the actor, or
// administrate the space by now: inviting them would lead to nothing.
func (s *Service) reinstatementObstacles(ctx context.Context, q postgres.Querier, actor access.Actor, place tenant.Place, user globalid.ID, now standing) (fault.List, error) {
	obstacles, err := access.Obstacles(ctx, q, place, access.ReinstateMember)
	if err != nil {
		return nil, err
	}
	_, invite := inviting(place)
	invite = "invite them, with " + invite + ": they come back when they accept."
	if now.FormerHolder { // the address is another person's
		invite = "ask them which address is theirs now, and " + invite
	}
	if organization := organizationOf(place); organization != nil && now.Expelled && !now.Belongs && now.Reason != Left && !access.ReinstateMember.Allows(organization) {
		contacts, err := organization.Contacts(ctx, q, access.Managers)
		if err != nil {
			return nil, err
		}
		f := &fault.Fault{
			Code:     fault.Forbidden,
			Message:  fmt.Sprintf("The person was removed from %s as a whole. Only %s can undo that.", organization.Title(), organization.HolderName(tenant.OrganizationManager)),
			Remedy:   "Ask " + fault.NamesOr(contacts, organization.HolderName(tenant.OrganizationManager)) + " to reinstate them in the organization first",
			Contacts: contacts,
		}
		if len(obstacles) == 0 {
			f.Remedy += ", or " + invite
		} else {
			f.Remedy += "."
		}
		return append(fault.List{f}, obstacles...), nil
	}
	if now.Reason != Left || actor.ID == user || now.Administers {
		return obstacles, nil
	}
	f := &fault.Fault{
		Code:    fault.Conflict,
		Reason:  fault.MemberLeft,
		Message: fmt.Sprintf("The person has left %s by themselves, and does not come back without being asked.", place.Title()),
		Remedy:  strings.ToUpper(invite[:1]) + invite[1:],
	}
	if _, whole := place.(*tenant.Organization); whole && now.Belongs {
		f.Message = fmt.Sprintf("The person had left %s by themselves, and does not get roles inside back without being asked.", place.Title())
		f.Remedy = "Invite them to its spaces, with inviteSpaceAdministrators, or ask the spaces' administrators to invite them."
	}
	return append(obstacles, f), nil
}

// organizationOf returns the organization of a space or an instance; nil of an organization.
func organizationOf(place tenant.Place) *tenant.Organization {
	switch p := place.(type) {
	case *tenant.Instance:
		return p.Space.Organization
	case *tenant.Space:
		return p.Organization
	}
	return nil
}

// noFormerMember is the refusal where a person has had no role in a place that can be given
// back. It is the same where there is no such person.
func (s *Service) noFormerMember(ctx context.Context, q postgres.Querier, place tenant.Place) error {
	f := noMember()
	f.Message = fmt.Sprintf("Nobody with this id was removed from %s in the last %d days.", place.Title(), int(s.Kept/(24*time.Hour)))
	f.Remedy = "Check the id."
	rule, invite := inviting(place)
	obstacles, err := access.Obstacles(ctx, q, place, rule)
	if err != nil {
		return err
	}
	if len(obstacles) == 0 {
		f.Remedy = "Check the id, or invite the person, with " + invite + "."
	}
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
