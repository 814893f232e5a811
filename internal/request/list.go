package request

import (
	"context"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// The queries of a person's lists. $1 is the person, $2 the status ("": any), $3 the
// request to begin before, $4 the limit.
var (
	selectRequests = `select ` + columns + ` from request r ` + tables + ` where `

	countMadeBy   = `select ` + relay.CountSQL(`select from request r where `+madeByPerson+withStatus)
	countToAnswer = `select ` + relay.CountSQL(`select from request r where `+toAnswerByPerson+withStatus)

	countInSpaces = `
		select p.id, ` + relay.CountSQL(`select from request r where r.space_id = p.id`+withStatus) + ` as n
		from unnest($1::uuid[]) as p (id)`
)

const (
	madeByPerson = `r.requested_by = $1`
	// The status lets PostgreSQL use the indexes of open requests.
	toAnswerByPerson = `r.requested_by <> $1
		and r.id in (select request_id from request_answerers() where account_id = $1 and status = 'OPEN')`

	withStatus  = ` and ($2 = '' or ` + status + ` = $2)`
	newestFirst = ` and r.id < $3 order by r.id desc limit $4`
)

// ListMadeBy reads a page of the requests that the actor made, newest first: those
// of one status, or all ("").
func (s *Service) ListMadeBy(ctx context.Context, actor access.Actor, status Status, page relay.Page) (relay.List[*Request], error) {
	return s.list(ctx, countMadeBy, selectRequests+madeByPerson+withStatus+newestFirst, actor, status, page)
}

// ListToAnswer reads a page of the open requests of others that the actor can
// answer, newest first.
func (s *Service) ListToAnswer(ctx context.Context, actor access.Actor, page relay.Page) (relay.List[*Request], error) {
	return s.list(ctx, countToAnswer, selectRequests+toAnswerByPerson+withStatus+newestFirst, actor, Open, page)
}

func (s *Service) list(ctx context.Context, countQuery, pageQuery string, person access.Actor, status Status, page relay.Page) (list relay.List[*Request], err error) {
	total := 0
	if page.Total {
		if err := s.DB.Get(ctx, &total, countQuery, person.ID.UUID, string(status)); err != nil {
			return list, err
		}
	}
	var rows []row
	if err := s.DB.Select(ctx, &rows, pageQuery, person.ID.UUID, string(status), page.Before(), page.Limit()); err != nil {
		return list, err
	}
	return relay.Cut(requestsOf(rows), page, total), nil
}

// ListInSpaces reads a page of the requests in each of some spaces, newest first:
// those of one status, or all (""). The caller has checked that the actor is an
// administrator of the spaces.
func (s *Service) ListInSpaces(ctx context.Context, spaces []globalid.ID, status Status, page relay.Page) (map[globalid.ID]relay.List[*Request], error) {
	totals, err := postgres.Counts(ctx, s.DB, page.Total, countInSpaces, postgres.IDs(spaces), string(status))
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := s.DB.Select(ctx, &rows, `
		select `+columns+`
		from unnest($1::uuid[]) as p (id)
		cross join lateral (
			select * from request r where r.space_id = p.id`+withStatus+newestFirst+`) r `+tables+`
		order by p.id, r.id desc`, postgres.IDs(spaces), string(status), page.Before(), page.Limit()); err != nil {
		return nil, err
	}
	bySpace := map[uuid.UUID][]*Request{}
	for _, r := range requestsOf(rows) {
		bySpace[r.row.SpaceID] = append(bySpace[r.row.SpaceID], r)
	}
	return relay.CutEach(spaces, bySpace, page, totals), nil
}

// Addresses returns the first n addresses of a request for invitations: of all that
// it asks for or, where approved, of those that were invited. It reads them for all
// requests that were read together.
func (s *Service) Addresses(ctx context.Context, r *Request, approved bool, n int) ([]string, error) {
	type emailsQuery struct {
		approved bool
		n        int
	}
	emails, err := batch.Load(r.group, r.ID, emailsQuery{approved, n}, func(ids []globalid.ID) (map[globalid.ID][]string, error) {
		return s.addresses(ctx, ids, approved, n)
	})
	return append([]string{}, emails...), err
}

func (s *Service) addresses(ctx context.Context, ids []globalid.ID, approved bool, n int) (map[globalid.ID][]string, error) {
	var rows []struct {
		ID     uuid.UUID      `db:"id"`
		Emails pq.StringArray `db:"emails"`
	}
	err := s.DB.Select(ctx, &rows, `
		select id, (case when $2 then approved else emails end)[1:$3::int] as emails
		from request where id = any ($1::uuid[]) and kind = 'INVITATIONS'`, postgres.IDs(ids), approved, n)
	if err != nil {
		return nil, err
	}
	byID := make(map[globalid.ID][]string, len(rows))
	for _, r := range rows {
		byID[globalid.ID{Kind: globalid.Request, UUID: r.ID}] = r.Emails
	}
	return byID, nil
}
