// Package demo loads the demo world: the people, places and requests that a
// developer finds in a new database. world.go has them as data.
package demo

import (
	"context"

	"github.com/google/uuid"
	"github.com/lib/pq"

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
	return db.InTx(ctx, func(tx *postgres.Tx) error {
		if n, err := tx.Exec(ctx, `insert into demo_world default values on conflict do nothing`); err != nil || n == 0 {
			return err
		}
		l := loader{tx: tx, people: map[string]uuid.UUID{}, places: map[string]globalid.ID{}}
		for _, load := range []func(context.Context) error{l.loadPeople, l.loadSpaces, l.loadInstances, l.loadRoles, l.loadDeletions, l.loadRequests} {
			if err := load(ctx); err != nil {
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

// loader loads the tables of world.go, one after the other.
type loader struct {
	tx     *postgres.Tx
	people map[string]uuid.UUID   // accounts by address
	places map[string]globalid.ID // organizations, spaces and working instances by name
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
		if l.places[s.name], err = space.Insert(ctx, l.tx, id.UUID, s.name); err != nil {
			return err
		}
	}
	return nil
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
		if _, err := l.tx.Exec(ctx, `
			update instance i
			set deleted_at = t.at, deleted_by = $2, restorable_until = t.at + interval '24 hours'
			from (select clock_timestamp() - $3 * interval '1 second' as at) t where i.id = $1`,
			l.places[d.instance].UUID, l.people[d.by], d.ago.Seconds()); err != nil {
			return err
		}
	}
	return nil
}

func (l loader) loadRequests(ctx context.Context) error {
	for _, r := range requests {
		if _, err := l.tx.Exec(ctx, `
			insert into request (id, kind, space_id, space_name, instance_id, instance_name, requested_by, role, emails, message, lasts_until, expires_at)
			select $1, $2, s.id, s.name, i.id, i.name, $3, nullif($4, ''), $5, $6, clock_timestamp() + interval '14 days',
			       least(clock_timestamp() + interval '14 days', i.restorable_until)
			from space s left join instance i on i.space_id = s.id and i.name = $8 where s.id = $7`,
			globalid.New(globalid.Request).UUID, r.kind, l.people[r.by], r.role, pq.StringArray(r.emails), r.message, l.places[r.space].UUID, r.instance); err != nil {
			return err
		}
	}
	return nil
}
