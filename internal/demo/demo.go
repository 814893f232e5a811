// Package demo loads the demo world that a developer finds in a new database: people and
// places, and examples of what happens there. world.go and examples.go have them as data.
package demo

import (
	"context"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/organization"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/space"
)

// Load loads the demo world into a database, once: where it has been loaded, Load
// changes nothing. Callers that load at the same time wait for one of them.
func Load(ctx context.Context, db *postgres.DB) error {
	return load(ctx, db, func(l loader) []func(context.Context) error { return append(l.world(), l.examples()...) })
}

// LoadWorld is Load without the examples.
func LoadWorld(ctx context.Context, db *postgres.DB) error { return load(ctx, db, loader.world) }

func load(ctx context.Context, db *postgres.DB, steps func(loader) []func(context.Context) error) error {
	return db.InTx(ctx, func(tx *postgres.Tx) error {
		if n, err := tx.Exec(ctx, `insert into demo_world default values on conflict do nothing`); err != nil || n == 0 {
			return err
		}
		l := loader{tx: tx, people: map[string]uuid.UUID{}, places: map[string]globalid.ID{}}
		for _, step := range steps(l) {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// Loaded reports whether the demo world has been loaded into a database.
func Loaded(ctx context.Context, q postgres.Querier) (loaded bool, err error) {
	err = q.Get(ctx, &loaded, `select exists (select from demo_world)`)
	return loaded, err
}

// loader loads the tables of world.go and examples.go, one after the other.
type loader struct {
	tx     *postgres.Tx
	people map[string]uuid.UUID   // accounts by address
	places map[string]globalid.ID // organizations, spaces and working instances by name
}

// world returns the steps that load world.go.
func (l loader) world() []func(context.Context) error {
	return []func(context.Context) error{l.loadPeople, l.loadSpaces, l.loadInstances, l.loadRoles, l.loadDeletions}
}

func (l loader) loadPeople(ctx context.Context) error {
	for _, p := range People {
		email, problem := address.Parse(p.Email)
		if problem != nil {
			return problem
		}
		id, err := account.Provision(ctx, l.tx, email, account.NameFrom(email))
		if err != nil {
			return err
		}
		l.people[p.Email] = id
	}
	return nil
}

func (l loader) loadSpaces(ctx context.Context) error {
	for _, s := range spaces {
		id, _, err := organization.Ensure(ctx, l.tx, s.organization)
		if err != nil {
			return err
		}
		l.places[s.organization] = id
		if err := l.loadSpace(ctx, s.organization, s.name); err != nil {
			return err
		}
	}
	return nil
}

func (l loader) loadSpace(ctx context.Context, organization, name string) (err error) {
	l.places[name], err = space.Insert(ctx, l.tx, l.places[organization].UUID, name)
	return err
}

func (l loader) loadInstances(ctx context.Context) error {
	for _, i := range instances {
		id, _, err := instance.Insert(ctx, l.tx, l.places[i.space].UUID, i.name)
		if err != nil {
			return err
		}
		l.places[i.name] = id
	}
	return nil
}

func (l loader) loadRoles(ctx context.Context) error {
	for _, r := range roles {
		if _, err := membership.Grant(ctx, l.tx, l.people[r.person], l.places[r.place], r.role); err != nil {
			return err
		}
	}
	return nil
}

func (l loader) loadDeletions(ctx context.Context) error {
	for _, d := range deletions {
		if err := l.loadDeletion(ctx, "instance", d); err != nil {
			return err
		}
	}
	return nil
}

func (l loader) loadDeletion(ctx context.Context, table string, d deletion) error {
	_, err := l.tx.Exec(ctx, `
		update `+table+` p
		set deleted_at = t.at, deleted_by = $2, restorable_until = t.at + interval '24 hours'
		from (select clock_timestamp() - $3 * interval '1 second' as at) t where p.id = $1`,
		l.places[d.place].UUID, l.people[d.by], d.ago.Seconds())
	return err
}
