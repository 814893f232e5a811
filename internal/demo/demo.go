// Package demo is the world that development begins with.
package demo

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// People are the addresses of the demo world's people, each with what she is
// in it.
var People = []struct{ Email, Is string }{
	{"ada@uni.example", "administrator of Econometrics 2026"},
	{"ed@uni.example", "editor of Groups 1, 2 and 3"},
	{"vic@uni.example", "viewer of Groups 1 and 2"},
	{"mia@uni.example", "manager of University of Example"},
	{"sam@uni.example", "no role at all"},
	{"rita@uni.example", "administrator of Private Research"},
}

// Load puts the demo world into a database, unless it has been put there
// before.
func Load(ctx context.Context, db *postgres.DB) error {
	return db.InTx(ctx, func(tx *postgres.Tx) error {
		if n, err := tx.Exec(ctx, `insert into demo_world default values on conflict do nothing`); err != nil || n == 0 {
			return err
		}
		people, err := makePeople(ctx, tx)
		if err != nil {
			return err
		}
		w := world{ctx, tx, people}
		if err := w.econometrics(); err != nil {
			return err
		}
		_, err = w.space("Private Institute", "Private Research", "rita@uni.example")
		return err
	})
}

// Loaded reports whether the demo world has been put into a database.
func Loaded(ctx context.Context, q postgres.Querier) (loaded bool, err error) {
	err = q.Get(ctx, &loaded, `select exists (select from demo_world)`)
	return loaded, err
}

func makePeople(ctx context.Context, tx *postgres.Tx) (map[string]uuid.UUID, error) {
	people := make(map[string]uuid.UUID, len(People))
	for _, p := range People {
		email, problem := address.Parse(p.Email)
		if problem != nil {
			return nil, problem
		}
		id, err := account.Provision(ctx, tx, email, account.NameFrom(email))
		if err != nil {
			return nil, err
		}
		people[p.Email] = id
	}
	return people, nil
}

type world struct {
	ctx    context.Context
	tx     *postgres.Tx
	people map[string]uuid.UUID
}

func (w world) econometrics() error {
	id, err := w.space("University of Example", "Econometrics 2026", "ada@uni.example")
	if err != nil {
		return err
	}
	organization := globalid.ID{Kind: globalid.Organization}
	if err := w.tx.Get(w.ctx, &organization.UUID, `select organization_id from space where id = $1`, id.UUID); err != nil {
		return err
	}
	if err := w.grant("mia@uni.example", organization, tenant.OrganizationManager); err != nil {
		return err
	}
	groups := []struct {
		name       string
		deletedFor time.Duration
		members    map[string]tenant.Role
	}{
		{"Group 1", 0, map[string]tenant.Role{"ed@uni.example": tenant.InstanceEditor, "vic@uni.example": tenant.InstanceViewer}},
		{"Group 2", 2 * time.Hour, map[string]tenant.Role{"ed@uni.example": tenant.InstanceEditor, "vic@uni.example": tenant.InstanceViewer}},
		{"Group 3", 30 * time.Hour, map[string]tenant.Role{"ed@uni.example": tenant.InstanceEditor}},
	}
	for _, g := range groups {
		instance := globalid.New(globalid.Instance)
		if err := w.exec(`insert into instance (id, space_id, name, kind) values ($1, $2, $3, 'WORKING')`, instance.UUID, id.UUID, g.name); err != nil {
			return err
		}
		for email, role := range g.members {
			if err := w.grant(email, instance, role); err != nil {
				return err
			}
		}
		if g.deletedFor == 0 {
			continue
		}
		if err := w.exec(`
			update instance i
			set deleted_at = t.at, deleted_by = $2, restorable_until = t.at + interval '24 hours'
			from (select clock_timestamp() - $3 * interval '1 second' as at) t where i.id = $1`,
			instance.UUID, w.people["ada@uni.example"], g.deletedFor.Seconds()); err != nil {
			return err
		}
	}
	return w.requests(id.UUID)
}

// requests are what Mia, who only sees, asks Ada for: one open request of each
// kind.
func (w world) requests(space uuid.UUID) error {
	for _, r := range []struct {
		kind, instance string
		role           *string
		emails         pq.StringArray
		message        string
	}{
		{"ROLE", "", new("SPACE_ADMINISTRATOR"), nil, "I look after this course while you are away."},
		{"INVITATIONS", "Master", new("INSTANCE_VIEWER"), pq.StringArray{"noah@uni.example", "lea@uni.example"}, "They help with the exercises."},
		{"RESTORE", "Group 2", nil, nil, "The group still needs it."},
	} {
		if err := w.exec(`
			insert into request (id, kind, space_id, space_name, instance_id, instance_name, requested_by, role, emails, message, lasts_until, expires_at)
			select $1, $2, s.id, s.name, i.id, i.name, $3, $4, $5, $6, clock_timestamp() + interval '14 days',
			       least(clock_timestamp() + interval '14 days', i.restorable_until)
			from space s left join instance i on i.space_id = s.id and i.name = $8 where s.id = $7`,
			globalid.New(globalid.Request).UUID, r.kind, w.people["mia@uni.example"], r.role, r.emails, r.message, space, r.instance); err != nil {
			return err
		}
	}
	return nil
}

func (w world) space(organization, name, administrator string) (globalid.ID, error) {
	of, err := space.Organization(w.ctx, w.tx, organization)
	if err != nil {
		return globalid.ID{}, err
	}
	id, err := space.Make(w.ctx, w.tx, of, name)
	if err != nil {
		return globalid.ID{}, err
	}
	return id, w.grant(administrator, id, tenant.SpaceAdministrator)
}

func (w world) grant(email string, place globalid.ID, role tenant.Role) error {
	_, err := membership.Grant(w.ctx, w.tx, w.people[email], place, role)
	return err
}

func (w world) exec(query string, args ...any) error {
	_, err := w.tx.Exec(w.ctx, query, args...)
	return err
}
