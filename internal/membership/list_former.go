package membership

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// FormerMember is a person whose roles in a place have ended, and can be given back.
type FormerMember struct {
	ID       globalid.ID
	User     *tenant.User
	Held     tenant.Roles // what can be given back
	Since    time.Time    // when they got the first of them
	EndedAt  time.Time
	EndedBy  *fault.Contact // nil: the time of the membership was over
	Reason   EndReason
	KeptTill time.Time // until when the roles can be given back

	now   standing
	place tenant.Place
}

// Roles lists Held.
func (m *FormerMember) Roles() []tenant.Role { return m.Held.List() }

// At returns the former member of a place as one person sees it.
func (m *FormerMember) At(place tenant.Place) *FormerMember {
	at := *m
	at.place = place
	return &at
}

// Reinstating returns everything that prevents the actor, who has read the list, from giving
// a former member their roles back, in the order in which Reinstate would fail with it.
func (s *Service) Reinstating(ctx context.Context, actor access.Actor, m *FormerMember) (fault.List, error) {
	return s.reinstatementObstacles(ctx, s.DB, actor, m.place, m.User.ID, m.now)
}

// formerQueries count the former members of places of each kind, and list them.
var formerQueries = map[globalid.Kind]struct{ count, list string }{
	globalid.Instance:     newFormerQueries(globalid.Instance, "instance_id", `o.id = e.id`),
	globalid.Space:        newFormerQueries(globalid.Space, "space_id", `(o.place_id = e.space_id or (select space_id from instance where id = o.instance_id) = e.space_id)`),
	globalid.Organization: newFormerQueries(globalid.Organization, "organization_id", `true`),
}

// newFormerQueries makes the queries of the places of a kind, which a column names. Of the
// roles o that the removal e has ended, those count that meet a condition and that the person
// has not got again. Accounts that were merged or erased by commands of an older release
// left rows behind, and are left out. The address is shown while it is the one that the
// person had at the end: who has no role here any more does not tell these people a new one.
// $2 is how long the roles are kept, in seconds.
func newFormerQueries(kind globalid.Kind, column, condition string) (q struct{ count, list string }) {
	ended := `ended_membership o where o.account_id = e.account_id and o.removal = e.removal and ` + condition + ` and ` + restorable("o")
	rows := `ended_membership e where e.` + column + ` = p.id and e.ended_at > clock_timestamp() - $2 * interval '1 second'
		and ` + postgres.Found(ended) + `
		and ` + postgres.Found(`account a where a.id = e.account_id and a.merged_into is null and a.erased_at is null`)
	q.count = `
		select p.id, ` + relay.CountSQL(`select from `+rows) + ` as n
		from unnest($1::uuid[]) as p (id)`
	q.list = `
		select p.id as place_id, e.id, e.account_id, a.name, case when ` + emailHash("a.id") + ` = e.email_hash then a.email else '' end as email,
		       r.since, e.ended_at, ` + strings.ReplaceAll(standingColumns[kind], "PLACE", "p.id") + `,
		       e.ended_at + $2 * interval '1 second' as kept_till, b.name as ended_by_name, b.email as ended_by_email,
		       r.instance_roles, r.administrator, r.organization_roles
		from unnest($1::uuid[]) as p (id)
		cross join lateral (select * from ` + rows + ` and e.id < $3 order by e.id desc limit $4) e
		cross join lateral (
			select min(o.since) as since, coalesce(bool_or(o.space_id is not null), false) as administrator,
			       string_agg(distinct o.role, ',') filter (where o.instance_id is not null) as instance_roles,
			       string_agg(distinct o.role, ',') filter (where o.organization_id is not null) as organization_roles
			from ` + ended + `) r
		cross join lateral (select * from account where id = e.account_id limit 1) a
		left join lateral (select b.name, ` + tenant.HeldEmail("b") + ` as email from account b where b.id = e.ended_by limit 1) b on true
		order by p.id, e.id desc`
	return q
}

// ListFormer reads a page of the former members of each of some places of one kind, newest
// first: of an instance, whose role there has ended; of a space or of an organization, who
// were removed from it as a whole.
func (s *Service) ListFormer(ctx context.Context, places []globalid.ID, page relay.Page) (map[globalid.ID]relay.List[*FormerMember], error) {
	queries := formerQueries[places[0].Kind]
	totals := map[uuid.UUID]int{}
	if page.Total {
		var rows []struct {
			ID uuid.UUID `db:"id"`
			N  int       `db:"n"`
		}
		if err := s.DB.Select(ctx, &rows, queries.count, postgres.IDs(places), s.Kept.Seconds()); err != nil {
			return nil, err
		}
		for _, r := range rows {
			totals[r.ID] = r.N
		}
	}
	var rows []struct {
		PlaceID       uuid.UUID                `db:"place_id"`
		ID            uuid.UUID                `db:"id"`
		AccountID     uuid.UUID                `db:"account_id"`
		Name          string                   `db:"name"`
		Email         string                   `db:"email"`
		Since         time.Time                `db:"since"`
		EndedAt       time.Time                `db:"ended_at"`
		KeptTill      time.Time                `db:"kept_till"`
		EndedByName   *string                  `db:"ended_by_name"`
		EndedByEmail  *string                  `db:"ended_by_email"`
		InInstances   tenant.InstanceRoles     `db:"instance_roles"`
		Administrator bool                     `db:"administrator"`
		InOrg         tenant.OrganizationRoles `db:"organization_roles"`
		standing
	}
	if err := s.DB.Select(ctx, &rows, queries.list, postgres.IDs(places), s.Kept.Seconds(), page.Before(), page.Limit()); err != nil {
		return nil, err
	}
	members := make(map[uuid.UUID][]*FormerMember, len(places))
	for _, r := range rows {
		m := &FormerMember{
			ID:       globalid.ID{Kind: globalid.FormerMember, UUID: r.ID},
			User:     &tenant.User{ID: globalid.ID{Kind: globalid.User, UUID: r.AccountID}, Name: r.Name, Email: r.Email, FormerHolder: r.FormerHolder},
			Held:     tenant.Roles(r.InInstances) | tenant.Roles(r.InOrg),
			Since:    r.Since,
			EndedAt:  r.EndedAt,
			Reason:   r.Reason,
			KeptTill: r.KeptTill,
			now:      r.standing,
		}
		if r.Administrator {
			m.Held |= tenant.RolesOf(tenant.SpaceAdministrator)
		}
		if r.EndedByName != nil {
			m.EndedBy = &fault.Contact{Name: *r.EndedByName, Email: *r.EndedByEmail}
		}
		members[r.PlaceID] = append(members[r.PlaceID], m)
	}
	return relay.CutEach(places, members, page, totals), nil
}

// The Relay connection of former members, named for gqlgen.
type (
	FormerMemberConnection = relay.Connection[*FormerMember]

	FormerMemberEdge = relay.Edge[*FormerMember]
)
