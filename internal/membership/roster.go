package membership

import (
	"context"

	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Many members at once. Each function is one statement for any number of them; the caller
// has locked the instances exclusively, checks that the actor may do it, and writes the
// trail.

// FindOthers reads the members of some instances of a space who are not among those that
// are named: of the instance and the account at the same index. It returns most of them,
// and leaves out administrators of the space, and those who held one of the addresses that
// are named in the instance at the same index: when the provider issues new subjects, the
// older account keeps its roles until it is merged. OFFSET has PostgreSQL look into the index
// for each instance.
func FindOthers(ctx context.Context, q postgres.Querier, space globalid.ID, instances postgres.UUIDs, named []*Holder, namedInstances []globalid.ID, namedKeys []string, most int) ([]*Holder, error) {
	in, accounts := idsOf(named)
	var rows []holderRow
	err := q.Select(ctx, &rows, `
		select m.instance_id, coalesce(h.email_key, '') as email_key, m.account_id, a.name, a.email, h.email_key is null as former_holder,
		       false as administrator, m.role, m.since, m.until
		from unnest($2::uuid[]) as i (id)
		cross join lateral (select * from instance_member where instance_id = i.id and `+tenant.Current("instance_member")+` offset 0) m
		cross join lateral (select * from account where id = m.account_id limit 1) a
		left join lateral (select email_key from address_holder where account_id = m.account_id limit 1) h on true
		where (m.instance_id, m.account_id) not in (select n.instance_id, n.account_id from unnest($3::uuid[], $4::uuid[]) as n (instance_id, account_id))
		  and not `+postgres.Found(`space_administrator sa where sa.space_id = $1 and sa.account_id = m.account_id`)+`
		  and not (h.email_key is null and (m.instance_id, a.email_key) in (select n.instance_id, n.email_key from unnest($6::uuid[], $7::text[]) as n (instance_id, email_key)))
		order by m.account_id, m.instance_id limit $5`,
		space.UUID, instances, in, accounts, most, postgres.IDs(namedInstances), pq.StringArray(namedKeys))
	return holdersOf(rows), err
}

// FindFormerHolders reads the members of instances whose accounts had an address that they do
// not hold any more: of the instance and the address at the same index.
func FindFormerHolders(ctx context.Context, q postgres.Querier, instances []globalid.ID, emailKeys []string) ([]*Holder, error) {
	if len(instances) == 0 {
		return nil, nil
	}
	var rows []holderRow
	err := q.Select(ctx, &rows, `
		select n.instance_id, n.email_key, a.id as account_id, a.name, a.email, true as former_holder, false as administrator, m.role, m.since, m.until
		from unnest($1::uuid[], $2::text[]) as n (instance_id, email_key)
		cross join lateral (select * from account where email_key = n.email_key offset 0) a
		cross join lateral (select role, since, until from instance_member where instance_id = n.instance_id and account_id = a.id and `+tenant.Current("instance_member")+` limit 1) m
		where `+tenant.FormerHolder+`
		order by a.id`,
		postgres.IDs(instances), pq.StringArray(emailKeys))
	return holdersOf(rows), err
}

// SetRoles gives members the roles that they have now in Role.
func SetRoles(ctx context.Context, tx *postgres.Tx, members []*Holder) error {
	if len(members) == 0 {
		return nil
	}
	instances, accounts := idsOf(members)
	roles := make(pq.StringArray, len(members))
	for i, m := range members {
		roles[i] = string(*m.Role)
	}
	_, err := tx.Exec(ctx, `
		update instance_member m set role = n.role
		from unnest($1::uuid[], $2::uuid[], $3::text[]) as n (instance_id, account_id, role)
		where m.instance_id = n.instance_id and m.account_id = n.account_id and m.instance_id = any ($1::uuid[])`, instances, accounts, roles)
	return err
}

// EndAll ends memberships of others. Each can be given back by itself: see Reinstate.
func EndAll(ctx context.Context, tx *postgres.Tx, actor access.Actor, members []*Holder) error {
	if len(members) == 0 {
		return nil
	}
	instances, accounts := idsOf(members)
	_, err := tx.Exec(ctx, endAll, instances, accounts, actor.ID.UUID, string(Removed))
	return err
}

var endAll = `
	with ended as (
		delete from instance_member m using unnest($1::uuid[], $2::uuid[]) as n (instance_id, account_id)
		where m.instance_id = n.instance_id and m.account_id = n.account_id and m.instance_id = any ($1::uuid[])
		returning m.*)` +
	recordEnded(`gen_random_uuid()`, `ended.account_id`, ofInstance, `$3::uuid`, `$4::text`)

func idsOf(members []*Holder) (instances, accounts postgres.UUIDs) {
	instances, accounts = make(postgres.UUIDs, len(members)), make(postgres.UUIDs, len(members))
	for i, m := range members {
		instances[i], accounts[i] = m.InstanceID.UUID, m.User.ID.UUID
	}
	return instances, accounts
}

// Find reads members of instances: those of the instance and the account at the same
// index.
func Find(ctx context.Context, q postgres.Querier, instances, accounts []globalid.ID) ([]*Holder, error) {
	var rows []holderRow
	err := q.Select(ctx, &rows, `
		select m.instance_id, '' as email_key, m.account_id, a.name, a.email, `+tenant.FormerHolder+` as former_holder, false as administrator, m.role, m.since, m.until
		from unnest($1::uuid[], $2::uuid[]) as n (instance_id, account_id)
		cross join lateral (select * from instance_member where instance_id = n.instance_id and account_id = n.account_id limit 1) m
		cross join lateral (select * from account where id = m.account_id limit 1) a`,
		postgres.IDs(instances), postgres.IDs(accounts))
	return holdersOf(rows), err
}

// FindUsers reads people by the ids of their accounts.
func FindUsers(ctx context.Context, q postgres.Querier, ids []globalid.ID) (map[globalid.ID]*tenant.User, error) {
	var rows []holderRow
	err := q.Select(ctx, &rows, `
		select null::uuid as instance_id, '' as email_key, a.id as account_id, a.name, a.email, `+tenant.FormerHolder+` as former_holder,
		       false as administrator, null as role, null::timestamptz as since, null::timestamptz as until
		from account a where a.id = any ($1::uuid[])`, postgres.IDs(ids))
	users := make(map[globalid.ID]*tenant.User, len(rows))
	for _, r := range rows {
		user := r.holder().User
		users[user.ID] = user
	}
	return users, err
}

// SpaceMembers joins memberships in instances of one space to one entry for each person,
// in the order in which the people come first.
func SpaceMembers(members []*Holder) (people []*SpaceMember) {
	byID := map[globalid.ID]*SpaceMember{}
	for _, m := range members {
		p := byID[m.User.ID]
		if p == nil {
			p = &SpaceMember{User: m.User, Since: m.Since}
			byID[m.User.ID] = p
			people = append(people, p)
		}
		p.Held |= tenant.RolesOf(m.Role.Role())
		if m.Since.Before(p.Since) {
			p.Since = m.Since
		}
	}
	return people
}
