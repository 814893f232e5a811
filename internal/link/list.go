package link

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// listQueries list the links to instances, and all those into spaces. The place is compared
// in a row with the id, and not for equality, to keep PostgreSQL from reading the primary
// key in its order instead.
var (
	listQueries = byPlace(`
		select ` + columns + `
		from unnest($1::uuid[]) as p (id)
		cross join lateral (select * from invite_link l where l.PLACE >= p.id and (l.PLACE, l.id) < (p.id, $2) order by l.PLACE desc, l.id desc limit $3) l
		` + tables + `
		order by p.id, l.id desc`)
	countQueries = byPlace(`
		select p.id, ` + relay.CountSQL(`select from invite_link l where l.PLACE = p.id`) + ` as n
		from unnest($1::uuid[]) as p (id)`)
)

func byPlace(pattern string) map[globalid.Kind]string {
	return map[globalid.Kind]string{
		globalid.Instance: strings.ReplaceAll(pattern, "PLACE", "instance_id"),
		globalid.Space:    strings.ReplaceAll(pattern, "PLACE", "space_id"),
	}
}

// List returns a page of the links to each of some places, newest first: to instances, or
// into spaces with their instances. Only administrators may see them: the caller checks
// that.
func (s *Service) List(ctx context.Context, places []globalid.ID, page relay.Page) (map[globalid.ID]relay.List[*Link], error) {
	kind := places[0].Kind
	totals, err := postgres.Counts(ctx, s.DB, page.Total, countQueries[kind], postgres.IDs(places))
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := s.DB.Select(ctx, &rows, listQueries[kind], postgres.IDs(places), page.Before(), page.Limit()); err != nil {
		return nil, err
	}
	links, all := map[uuid.UUID][]*Link{}, make([]*Link, len(rows))
	for i := range rows {
		place := rows[i].SpaceID
		if kind == globalid.Instance {
			place = rows[i].InstanceID.UUID
		}
		all[i] = s.administered(&rows[i])
		links[place] = append(links[place], all[i])
	}
	group(all...)
	return relay.CutEach(places, links, page, totals), nil
}

// DeleteEnded deletes links that have ended longer than a retention time ago, 500 at most,
// and returns their number. Invitations that they have sent stay. DeleteUses comes first.
func DeleteEnded(ctx context.Context, q postgres.Querier, retention time.Duration) (int64, error) {
	return q.Exec(ctx, `
		with due as materialized (
			select id from invite_link where `+ended+` order by least(expires_at, revoked_at) limit 500 for update skip locked)
		delete from invite_link where id = any (array(
			select d.id from due d
			left join lateral (select true as used from invite_link_use where link_id = d.id limit 1) u on true
			where u.used is null))`, retention.Seconds())
}
