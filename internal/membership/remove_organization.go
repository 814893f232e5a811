package membership

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// lockOrganization checks that a rule lets the actor end a person's roles in an
// organization. Then it locks, in the order in which everybody does, the places in which a
// person has a role, has asked for one, or pending invitations end, and the organization.
// Who gives the person a role in another place meanwhile locks the person's own role in
// the organization before: see request.row.lock and invitation.lockAnswerable.
// It fails with NOT_FOUND or FORBIDDEN.
func lockOrganization(ctx context.Context, tx *postgres.Tx, actor access.Actor, id, user globalid.ID, rule access.Rule) (*tenant.Organization, error) {
	organization, err := tenant.FindOrganization(ctx, tx, actor, id)
	if err != nil {
		return nil, err
	}
	if err := access.CheckRole(ctx, tx, organization, rule); err != nil {
		return nil, err
	}
	if err := access.LockSelected(ctx, tx, access.Exclusive, `
		select m.instance_id, null::uuid as space_id, null::uuid as organization_id
		from instance_member m join space s on s.id = m.space_id where m.account_id = $2 and s.organization_id = $1
		union select null, m.space_id, null
		from (select space_id from instance_member where account_id = $2 union select space_id from space_administrator where account_id = $2) m
		join space s on s.id = m.space_id where s.organization_id = $1
		union select r.instance_id, case when r.instance_id is null then r.space_id end, null
		from request r join space s on s.id = r.space_id
		where r.status = 'OPEN' and r.requested_by = $2 and s.organization_id = $1
		union select v.instance_id, v.space_id, v.organization_id
		from invitation v left join instance i on i.id = v.instance_id left join space s on s.id = coalesce(v.space_id, i.space_id)
		where v.status = 'PENDING' and coalesce(v.organization_id, s.organization_id) = $1 and v.id = any (array(
			select id from invitation where status = 'PENDING' and email_key = (select email_key from address_holder where account_id = $2)
			union all
			select id from invitation where status = 'PENDING' and invited_by = $2))
		union select null, null, $1`, organization.ID.UUID, user.UUID); err != nil {
		return nil, err
	}
	return access.LockAndCheckRole[*tenant.Organization](ctx, tx, actor, organization.ID, rule, access.Exclusive)
}

// endInOrganization ends a person's roles in an organization, its spaces and their
// instances; false where they have none.
func endInOrganization(ctx context.Context, tx *postgres.Tx, actor access.Actor, organization *tenant.Organization, user globalid.ID, action audit.Action) (bool, error) {
	id := organization.ID.UUID
	// In the order in which access.Lock locks roles.
	for _, query := range []string{
		`select from space_administrator m join space s on s.id = m.space_id where s.organization_id = $1 and m.account_id = $2 order by m.space_id for update of m`,
		`select from instance_member m join space s on s.id = m.space_id where s.organization_id = $1 and m.account_id = $2 order by m.instance_id for update of m`,
	} {
		if _, err := tx.Exec(ctx, query, id, user.UUID); err != nil {
			return false, err
		}
	}
	ending := newEnding(actor, user)
	belonged, err := ending.run(ctx, tx, endInOrganizations, user, id)
	if err != nil {
		return false, lastManagerOr(err)
	}
	var spaces []struct {
		ID   uuid.UUID `db:"id"`
		Name string    `db:"name"`
	}
	if err := tx.Select(ctx, &spaces, `
		select s.id, s.name
		from (select space_id from space_administrator where account_id = $2 union select space_id from instance_member where account_id = $2) r
		join space s on s.id = r.space_id
		where s.organization_id = $1
		order by s.name, s.id`, id, user.UUID); err != nil {
		return false, err
	}
	ids := make(postgres.UUIDs, len(spaces))
	for i, s := range spaces {
		ids[i] = s.ID
	}
	if belonged == 0 && spaces == nil {
		return false, nil
	}
	for _, query := range []string{endInSpaces, endInside} {
		if _, err := ending.run(ctx, tx, query, user, ids...); err != nil {
			return false, lastAdministratorOr(err, false) // of a space that they have come to meanwhile
		}
	}
	if err := ending.mark(ctx, tx, user, uuid.NullUUID{UUID: id, Valid: true}, ids...); err != nil {
		return false, err
	}
	if err := ending.cover(ctx, tx, user, organization.ID); err != nil {
		return false, err
	}
	person := tenant.User{ID: user}
	if err := tx.Get(ctx, &person.Name, `select name from account where id = $1`, user.UUID); err != nil {
		return false, err
	}
	record := audit.Record{Action: action, Actor: actor, Target: audit.OnOrganization(organization), Details: about(&person, audit.Details{})}
	records := []audit.Record{record}
	for _, s := range spaces {
		record.Target = audit.Target{Space: audit.Name{ID: s.ID, Name: s.Name}}
		records = append(records, record)
	}
	return true, audit.Write(ctx, tx, records...)
}

// lastAdministratorOf is the refusal to remove the last administrator of some spaces, which
// it names, from their organization, with people who could be appointed.
func lastAdministratorOf(spaces string, deleted bool, candidates []fault.Contact) *fault.Fault {
	f := lastAdministrator(false, candidates)
	f.Message = fmt.Sprintf("A space must have an administrator, and this is the last one of %s.", spaces)
	f.Remedy = "Appoint another administrator there first, with inviteSpaceAdministrators" + forExample(candidates) + "."
	if deleted {
		f.Remedy += " A deleted space must be restored before, with restoreSpace."
	}
	return f
}
