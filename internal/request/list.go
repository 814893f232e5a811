package request

import (
	"context"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// The queries of the lists of the requests that people made, of those in spaces, and of
// those about organizations, by the status of the requests.
var (
	ofAnyStatus = newListQueries(ofEachStatus()...)
	ofOpen      = newListQueries(withStatus(`'OPEN'`, `r.expires_at > clock_timestamp()`))
	ofExpired   = newListQueries(withStatus(`'EXPIRED'`, `true`), dueButOpen)
	ofEnded     = newListQueries(withStatus(`STATUS`, `true`))
)

// listPart selects a part of a list: it returns conditions on request r, an order and a
// limit. Only requests whose id is less than before are wanted. An index has the part in
// this order; or the part is small, and needs no limit.
type listPart func(before, limit string) string

// withStatus selects the requests with a status, by the indexes request_space_status,
// request_organization_status, request_requested_by_status and request_instance_status. The comparison of rows keeps
// PostgreSQL from reading the primary key instead, which costs the same in a plan that is
// made while the table is empty.
func withStatus(status, condition string) listPart {
	return func(before, limit string) string {
		return `r.status >= ` + status + ` and (r.status, r.id) < (` + status + `, ` + before + `) and ` + condition + ` order by r.status desc, r.id desc limit ` + limit
	}
}

// ofEachStatus returns a part for each status: no index has all requests of a person or
// a space in the order of their ids, because PostgreSQL could not tell it from those with
// the status while the table is empty.
func ofEachStatus() (parts []listPart) {
	for _, status := range Statuses {
		parts = append(parts, withStatus(`'`+string(status)+`'`, `true`))
	}
	return parts
}

// dueButOpen has the requests of the last minute or so whose end is not stored yet.
func dueButOpen(before, _ string) string {
	return `r.id < ` + before + ` and r.status = 'OPEN' and r.expires_at <= statement_timestamp() order by r.expires_at`
}

// owner is the column of whose list a request is in.
type owner string

const (
	madeBy         owner = "requested_by"
	inSpace        owner = "space_id"
	inOrganization owner = "organization_id"
)

// listQueries count and list the requests of owners $1, by the column.
type listQueries struct{ count, list map[owner]string }

// newListQueries makes the queries of the requests in some parts of a list, which have
// none in common. STATUS stands for the parameter of the wanted status.
func newListQueries(parts ...listPart) listQueries {
	all := func(columns, before, limit string) string {
		selected := make([]string, len(parts))
		for i, part := range parts {
			selected[i] = `(select ` + columns + ` from request r where r.OWNER = p.id and ` + part(before, limit) + `)`
		}
		return strings.Join(selected, ` union all `)
	}
	queries := func(status, pattern string) map[owner]string {
		byOwner := map[owner]string{}
		for _, o := range []owner{madeBy, inSpace, inOrganization} {
			byOwner[o] = strings.NewReplacer("OWNER", string(o), "STATUS", status).Replace(pattern)
		}
		return byOwner
	}
	return listQueries{
		count: queries(`$2`, `
		select p.id, `+relay.CountSQL(`select from (`+all(``, anyID, maxTotal)+`) r`)+` as n
		from unnest($1::uuid[]) as p (id)`),
		list: queries(`$4`, `
		select `+columns+`
		from unnest($1::uuid[]) as p (id)
		cross join lateral (
			select * from (`+all(`*`, `$2`, `$3`)+`) r order by r.id desc limit $3) r `+tables+`
		order by p.id, r.id desc`),
	}
}

// maxTotal limits what is counted, as relay.CountSQL does.
var maxTotal = strconv.Itoa(relay.MaxTotal)

// anyID is after the id of every request, as at the beginning of a list.
var anyID = `'` + relay.Page{}.Before().String() + `'`

// queriesOf returns the queries of a status ("": any), and their arguments after the others.
func queriesOf(status Status) (queries listQueries, args []any) {
	switch status {
	case "":
		return ofAnyStatus, nil
	case Open:
		return ofOpen, nil
	case Expired:
		return ofExpired, nil
	}
	return ofEnded, []any{string(status)}
}

// ListMadeBy reads a page of the requests that the actor made, newest first: those
// of one status, or all ("").
func (s *Service) ListMadeBy(ctx context.Context, actor access.Actor, status Status, page relay.Page) (relay.List[*Request], error) {
	lists, err := s.list(ctx, madeBy, []globalid.ID{actor.ID}, status, page)
	return lists[actor.ID], err
}

// ListInSpaces reads a page of the requests in each of some spaces, newest first:
// those of one status, or all (""). The caller has checked that the actor is an
// administrator of the spaces.
func (s *Service) ListInSpaces(ctx context.Context, spaces []globalid.ID, status Status, page relay.Page) (map[globalid.ID]relay.List[*Request], error) {
	return s.list(ctx, inSpace, spaces, status, page)
}

// ListInOrganizations reads a page of the requests about each of some organizations
// themselves, newest first: those of one status, or all (""). The caller has checked that
// the actor is a manager of the organizations.
func (s *Service) ListInOrganizations(ctx context.Context, organizations []globalid.ID, status Status, page relay.Page) (map[globalid.ID]relay.List[*Request], error) {
	return s.list(ctx, inOrganization, organizations, status, page)
}

func (s *Service) list(ctx context.Context, of owner, ids []globalid.ID, status Status, page relay.Page) (map[globalid.ID]relay.List[*Request], error) {
	queries, args := queriesOf(status)
	totals, err := postgres.Counts(ctx, s.DB, page.Total, queries.count[of], append([]any{postgres.IDs(ids)}, args...)...)
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := s.DB.Select(ctx, &rows, queries.list[of], append([]any{postgres.IDs(ids), page.Before(), page.Limit()}, args...)...); err != nil {
		return nil, err
	}
	byOwner := map[uuid.UUID][]*Request{}
	for _, r := range requestsOf(rows) {
		id := r.row.SpaceID.UUID
		switch of {
		case madeBy:
			id = r.row.RequestedBy
		case inOrganization:
			id = r.row.OrganizationID
		}
		byOwner[id] = append(byOwner[id], r)
	}
	return relay.CutEach(ids, byOwner, page, totals), nil
}

// The queries of the requests that account $1 can answer: those of request_answerers_2, of
// which each place adds no more than a page.
var (
	countToAnswer = `select ` + relay.CountSQL(toAnswer(anyID, maxTotal))
	listToAnswer  = `
		select ` + columns + `
		from (select id from (` + toAnswer(`$2`, `$3`) + `) r order by id desc limit $3) page
		cross join lateral (select * from request where id = page.id limit 1) r ` + tables + `
		order by r.id desc`
)

func toAnswer(before, limit string) string {
	open := withStatus(`'OPEN'`, `r.requested_by <> $1 and r.expires_at > clock_timestamp()`)(before, limit)
	return `
		select r.id from space_administrator a
		cross join lateral (select r.id from request r where r.space_id = a.space_id and ` + open + `) r
		where a.account_id = $1
		union
		select r.id from instance_member m
		cross join lateral (select r.id from request r where r.instance_id = m.instance_id and r.kind = 'RESTORE' and ` + open + `) r
		where m.account_id = $1 and m.role = 'EDITOR' and ` + tenant.Current("m") + `
		union
		select r.id from organization_member m
		cross join lateral (select id from space where organization_id = m.organization_id and deleted_at is not null order by id) s
		cross join lateral (select r.id from request r where r.space_id = s.id and r.kind = 'RESTORE' and r.instance_id is null and ` + open + `) r
		where m.account_id = $1 and m.role = 'MANAGER'
		union
		select r.id from organization_member m
		cross join lateral (select r.id from request r where r.organization_id = m.organization_id and ` + open + `) r
		where m.account_id = $1 and m.role = 'MANAGER'`
}

// ListToAnswer reads a page of the open requests of others that the actor can
// answer, newest first.
func (s *Service) ListToAnswer(ctx context.Context, actor access.Actor, page relay.Page) (list relay.List[*Request], err error) {
	total := 0
	if page.Total {
		if err := s.DB.Get(ctx, &total, countToAnswer, actor.ID.UUID); err != nil {
			return list, err
		}
	}
	var rows []row
	if err := s.DB.Select(ctx, &rows, listToAnswer, actor.ID.UUID, page.Before(), page.Limit()); err != nil {
		return list, err
	}
	return relay.Cut(requestsOf(rows), page, total), nil
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
