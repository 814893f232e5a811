package account

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/cache"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

const (
	domainsCacheSize = 200 // organizations
	domainsCacheTime = 10 * time.Minute
	maxOrganizations = 100   // of a person, the newest
	maxDomains       = 1_000 // of an organization, the most frequent
	// minMembers is how many members of an organization must have a domain before
	// anyone else is told it: a suggestion must not reveal who is a member, and a
	// domain of few people may be a person's own.
	minMembers = 5
)

// Colleagues reads the e-mail domains of the people with whom a person shares an
// organization. It is safe for concurrent use.
type Colleagues struct {
	db    *postgres.DB
	known *otter.Cache[uuid.UUID, reading]
}

type reading struct {
	domains *address.Domains
	at      time.Time
}

// NewColleagues returns the colleagues among the accounts of a database.
func NewColleagues(db *postgres.DB) *Colleagues {
	return &Colleagues{db, cache.BySize[uuid.UUID, reading](domainsCacheSize)}
}

// Domains returns the domains of the members of the actor's organizations, at
// most ten minutes old: those that at least five members of one organization have,
// and the actor's own. A member belongs to the organization, or holds a role in one
// of its spaces.
func (c *Colleagues) Domains(ctx context.Context, actor access.Actor) ([]*address.Domains, error) {
	var organizations []uuid.UUID
	err := c.db.Select(ctx, &organizations, `
		select organization_id from organization_member where account_id = $1
		union
		select s.organization_id from space_administrator a join space s on s.id = a.space_id where a.account_id = $1
		union
		select s.organization_id
		from (select distinct space_id from instance_member where account_id = $1) m join space s on s.id = m.space_id
		order by organization_id desc limit $2`, actor.ID.UUID, maxOrganizations)
	if err != nil {
		return nil, err
	}
	_, own, _ := strings.Cut(actor.EmailKey, "@")
	domains := []*address.Domains{address.NewDomains(map[string]int{own: 1})}
	var unknown postgres.UUIDs
	for _, id := range organizations {
		if r, ok := c.known.GetIfPresent(id); ok && time.Since(r.at) < domainsCacheTime {
			domains = append(domains, r.domains)
		} else {
			unknown = append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return domains, nil
	}
	read, err := c.read(ctx, unknown)
	return append(domains, read...), err
}

func (c *Colleagues) read(ctx context.Context, organizations postgres.UUIDs) ([]*address.Domains, error) {
	var rows []struct {
		Organization uuid.UUID `db:"id"`
		Domain       string    `db:"domain"`
		Members      int       `db:"members"`
	}
	at := time.Now()
	// The key holds the domain in the form in which domains are compared.
	err := c.db.Select(ctx, &rows, `
		select o.id, d.domain, d.members
		from unnest($1::uuid[]) as o (id)
		cross join lateral (
			select split_part(a.email_key, '@', 2) collate "C" as domain, count(*) as members
			from account a join (
				select account_id from organization_member where organization_id = o.id
				union
				select sa.account_id from space s join space_administrator sa on sa.space_id = s.id
				where s.organization_id = o.id
				union
				select im.account_id
				from space s join instance_member im on im.space_id = s.id
				where s.organization_id = o.id
			) m on m.account_id = a.id
			group by domain having count(*) >= $3 order by members desc, domain limit $2) d`, organizations, maxDomains, minMembers)
	if err != nil {
		return nil, err
	}
	frequencies := make(map[uuid.UUID]map[string]int, len(organizations))
	for _, id := range organizations {
		frequencies[id] = map[string]int{}
	}
	for _, row := range rows {
		frequencies[row.Organization][row.Domain] = row.Members
	}
	domains := make([]*address.Domains, len(organizations))
	for i, id := range organizations {
		domains[i] = address.NewDomains(frequencies[id])
		c.known.Set(id, reading{domains[i], at})
	}
	return domains, nil
}
