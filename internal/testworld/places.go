package testworld

import (
	"strings"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Econometrics is the name of the demo world's space that most tests work in.
const Econometrics = "Econometrics 2026"

// User returns the person of an address, as the actor of a request. Without an
// @ it is one of the demo world, by the name before it ("ada"). Their account
// is made where there is none.
func (w *World) User(who string) tenant.User {
	w.t.Helper()
	if !strings.Contains(who, "@") {
		who += "@uni.example"
	}
	email, problem := address.Parse(who)
	if problem != nil {
		w.t.Fatal(problem)
	}
	user := tenant.User{ID: globalid.ID{Kind: globalid.User}, Name: account.NameFrom(email), Email: email.String(), EmailKey: email.Key()}
	w.inTx(func(tx *postgres.Tx) (err error) {
		user.ID.UUID, err = account.Provision(w.t.Context(), tx, email, user.Name)
		return err
	})
	return user
}

// Organization returns the id of an organization.
func (w *World) Organization(name string) globalid.ID {
	w.t.Helper()
	return w.id(globalid.Organization, `select id from organization where name = $1`, name)
}

// Space returns the id of a space.
func (w *World) Space(name string) globalid.ID {
	w.t.Helper()
	return w.id(globalid.Space, `select id from space where name = $1`, name)
}

// Instance returns the id of an instance of Econometrics.
func (w *World) Instance(name string) globalid.ID {
	w.t.Helper()
	return w.InstanceOf(w.Space(Econometrics), name)
}

// InstanceOf returns the id of an instance of a space.
func (w *World) InstanceOf(space globalid.ID, name string) globalid.ID {
	w.t.Helper()
	return w.id(globalid.Instance, `select id from instance where space_id = $1 and name = $2`, space.UUID, name)
}

// Invitation returns the id of the newest invitation of an address.
func (w *World) Invitation(email string) globalid.ID {
	w.t.Helper()
	return w.id(globalid.Invitation, `select id from invitation where email = $1 order by id desc limit 1`, email)
}

func (w *World) id(kind globalid.Kind, query string, args ...any) globalid.ID {
	w.t.Helper()
	id := globalid.ID{Kind: kind}
	w.get(&id.UUID, query, args...)
	return id
}

// NewOrganization makes an organization without people or spaces.
func (w *World) NewOrganization(name string) globalid.ID {
	w.t.Helper()
	id := globalid.New(globalid.Organization)
	w.Exec(`insert into organization (id, name) values ($1, $2)`, id.UUID, name)
	return id
}

// NewSpace makes a space without people, with its Master and Distributed
// instances.
func (w *World) NewSpace(organization globalid.ID, name string) (id globalid.ID) {
	w.t.Helper()
	w.inTx(func(tx *postgres.Tx) (err error) {
		id, err = space.Insert(w.t.Context(), tx, organization.UUID, name)
		return err
	})
	return id
}

// NewInstance makes a working instance without members.
func (w *World) NewInstance(space globalid.ID, name string) (id globalid.ID) {
	w.t.Helper()
	w.inTx(func(tx *postgres.Tx) (err error) {
		id, _, err = instance.Insert(w.t.Context(), tx, space.UUID, name)
		return err
	})
	return id
}

// DeleteInstance deletes a working instance at this moment, by somebody. It can
// be restored for 24 hours; see Advance.
func (w *World) DeleteInstance(id globalid.ID, by tenant.User) {
	w.t.Helper()
	w.Exec(`
		update instance set deleted_at = t.at, deleted_by = $2, restorable_until = t.at + interval '24 hours'
		from (select clock_timestamp() as at) t where id = $1`, id.UUID, by.ID.UUID)
}

// DeleteSpace deletes a space at this moment, by somebody, as DeleteInstance does with an
// instance: mails and requests stay as they are.
func (w *World) DeleteSpace(id globalid.ID, by tenant.User) {
	w.t.Helper()
	w.Exec(`
		update space set deleted_at = t.at, deleted_by = $2, restorable_until = t.at + interval '24 hours'
		from (select clock_timestamp() as at) t where id = $1`, id.UUID, by.ID.UUID)
}

// Grant makes somebody what a role says, in the organization, space or instance
// that the role is of. A role that they have there already is replaced.
func (w *World) Grant(user tenant.User, role tenant.Role, place globalid.ID) {
	w.t.Helper()
	switch {
	case place.Kind == globalid.Organization:
		w.Exec(`
			insert into organization_member (organization_id, account_id, role) values ($1, $2, $3)
			on conflict (organization_id, account_id) do update set role = excluded.role`,
			place.UUID, user.ID.UUID, strings.TrimPrefix(role.String(), "ORGANIZATION_"))
	case place.Kind == globalid.Space && role == tenant.SpaceAdministrator:
		w.Exec(`insert into space_administrator (space_id, account_id) values ($1, $2) on conflict do nothing`, place.UUID, user.ID.UUID)
	case place.Kind == globalid.Instance:
		w.Exec(`
			insert into instance_member (instance_id, account_id, role) values ($1, $2, $3)
			on conflict (instance_id, account_id) do update set role = excluded.role`,
			place.UUID, user.ID.UUID, strings.TrimPrefix(role.String(), "INSTANCE_"))
	default:
		w.t.Fatalf("nobody is %s in %s", role, place)
	}
}

// Revoke ends the role that somebody has in a place, derived roles aside.
func (w *World) Revoke(user tenant.User, place globalid.ID) {
	w.t.Helper()
	for kind, query := range map[globalid.Kind]string{
		globalid.Organization: `delete from organization_member where organization_id = $1 and account_id = $2`,
		globalid.Space:        `delete from space_administrator where space_id = $1 and account_id = $2`,
		globalid.Instance:     `delete from instance_member where instance_id = $1 and account_id = $2`,
	} {
		if kind == place.Kind {
			w.Exec(query, place.UUID, user.ID.UUID)
		}
	}
}

// RoleOf returns the role that somebody has in an organization, a space or an
// instance itself, derived roles aside; "" where they have none.
func (w *World) RoleOf(user tenant.User, place globalid.ID) string {
	w.t.Helper()
	return w.Text(`
		select coalesce((
			select 'ORGANIZATION_' || role from organization_member where organization_id = $1 and account_id = $2
			union all
			select 'SPACE_ADMINISTRATOR' from space_administrator where space_id = $1 and account_id = $2
			union all
			select 'INSTANCE_' || role from instance_member where instance_id = $1 and account_id = $2), '')`,
		place.UUID, user.ID.UUID)
}

// Trail returns the audit trail of all spaces, oldest first: of each entry
// actor, action and instance ("Ada INVITATION_SENT Group 1").
func (w *World) Trail() []string {
	w.t.Helper()
	return w.Lines(`select concat_ws(' ', nullif(actor_name, ''), action, instance_name) from audit_log order by id`)
}

func (w *World) inTx(do func(*postgres.Tx) error) {
	w.t.Helper()
	if err := w.admin.InTx(w.t.Context(), do); err != nil {
		w.t.Fatal(err)
	}
}
