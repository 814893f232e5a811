package request

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// columns are a request without its addresses, which may be many, whole is one
// with them, and tables are where both come from.
const (
	columns = `
		r.id, r.kind, r.space_id, r.instance_id, r.requested_by, r.role, r.message, r.created_at, r.expires_at, r.expires_at < r.lasts_until as lost,
		` + status + ` as status, case when ` + status + ` = 'EXPIRED' then r.expires_at else r.ended_at end as ended_at, r.answer,
		q.name as requester_name, q.email as requester_email, w.name as answerer_name, w.email as answerer_email,
		r.space_name, o.name as organization_name, r.instance_name`
	whole  = columns + `, r.emails, r.approved`
	tables = `
		join account q on q.id = r.requested_by
		left join account w on w.id = r.answered_by
		join space s on s.id = r.space_id
		join organization o on o.id = s.organization_id`
	status = `case when r.status = 'OPEN' and r.expires_at <= clock_timestamp() then 'EXPIRED' else r.status end`
)

type row struct {
	ID               uuid.UUID      `db:"id"`
	Kind             Kind           `db:"kind"`
	SpaceID          uuid.UUID      `db:"space_id"`
	InstanceID       uuid.NullUUID  `db:"instance_id"`
	RequestedBy      uuid.UUID      `db:"requested_by"`
	Role             *tenant.Role   `db:"role"` // wanted; nil where no role is
	Emails           pq.StringArray `db:"emails"`
	Approved         pq.StringArray `db:"approved"`
	Message          *string        `db:"message"`
	CreatedAt        time.Time      `db:"created_at"`
	ExpiresAt        time.Time      `db:"expires_at"`
	Lost             bool           `db:"lost"` // with its instance, before its time
	Status           Status         `db:"status"`
	EndedAt          *time.Time     `db:"ended_at"`
	Answer           *string        `db:"answer"`
	RequesterName    string         `db:"requester_name"`
	RequesterEmail   string         `db:"requester_email"`
	AnswererName     *string        `db:"answerer_name"`
	AnswererEmail    *string        `db:"answerer_email"`
	SpaceName        string         `db:"space_name"`
	OrganizationName string         `db:"organization_name"`
	InstanceName     *string        `db:"instance_name"`
}

func (r *row) id() globalid.ID { return globalid.ID{Kind: globalid.Request, UUID: r.ID} }

// place is what the request is about.
func (r *row) place() globalid.ID {
	if r.InstanceID.Valid {
		return globalid.ID{Kind: globalid.Instance, UUID: r.InstanceID.UUID}
	}
	return globalid.ID{Kind: globalid.Space, UUID: r.SpaceID}
}

// where is the same, as the trail names it.
func (r *row) where() audit.Target {
	w := audit.Target{Space: audit.Name{ID: r.SpaceID, Name: r.SpaceName}}
	if r.InstanceName != nil {
		w.Instance = audit.Name{ID: r.InstanceID.UUID, Name: *r.InstanceName}
	}
	return w
}

// requester is who asks.
func (r *row) requester() tenant.User {
	return tenant.User{ID: globalid.ID{Kind: globalid.User, UUID: r.RequestedBy}, Name: r.RequesterName, Email: r.RequesterEmail}
}

// instanceRole is the role in an instance that is wanted; nil where none is.
func (r *row) instanceRole() *tenant.InstanceRole {
	if r.Role == nil {
		return nil
	}
	role, inInstance := r.Role.InstanceRole()
	if !inInstance {
		return nil
	}
	return &role
}

func (r *row) request() *Request {
	v := &Request{
		ID:           r.id(),
		Kind:         r.Kind,
		Status:       r.Status,
		Role:         r.Role,
		Message:      r.Message,
		RequestedBy:  &fault.Contact{Name: r.RequesterName, Email: r.RequesterEmail},
		CreatedAt:    r.CreatedAt,
		ExpiresAt:    r.ExpiresAt,
		EndedAt:      r.EndedAt,
		Answer:       r.Answer,
		SpaceName:    r.SpaceName,
		InstanceName: r.InstanceName,
		row:          r,
	}
	if r.AnswererName != nil {
		v.AnsweredBy = &fault.Contact{Name: *r.AnswererName, Email: *r.AnswererEmail}
	}
	return v
}

// addresses reads the first n addresses that requests are about: of all that were
// asked for or, where approved, of those who were invited.
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
	found := make(map[globalid.ID][]string, len(rows))
	for _, r := range rows {
		found[globalid.ID{Kind: globalid.Request, UUID: r.ID}] = r.Emails
	}
	return found, nil
}

// Addresses gives the first n addresses that a request is about: of all that it
// asks for or, where approved, of those who were invited.
func (s *Service) Addresses(ctx context.Context, r *Request, approved bool, n int) ([]string, error) {
	type emailsQuery struct {
		approved bool
		n        int
	}
	emails, err := batch.Load(r.siblings, r.ID, emailsQuery{approved, n}, func(ids []globalid.ID) (map[globalid.ID][]string, error) {
		return s.addresses(ctx, ids, approved, n)
	})
	return append([]string{}, emails...), err
}

// together makes requests of rows that were read together.
func together(rows []row) []*Request {
	ids, places := make([]globalid.ID, len(rows)), make([]globalid.ID, len(rows))
	for i := range rows {
		ids[i], places[i] = rows[i].id(), rows[i].place()
	}
	siblings, leads := batch.NewGroup(ids...), batch.NewGroup(places...)
	requests := make([]*Request, len(rows))
	for i := range rows {
		requests[i] = rows[i].request()
		requests[i].siblings, requests[i].leads = siblings, leads
	}
	return requests
}

// one makes a request of a row.
func one(r *row) *Request { return together([]row{*r})[0] }

// find reads a request with its addresses; nil where there is none.
func find(ctx context.Context, q postgres.Querier, id uuid.UUID) (*row, error) {
	var r row
	err := q.Get(ctx, &r, `select `+whole+` from request r `+tables+` where r.id = $1`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

// canAnswer is the condition that an account, an expression of SQL, can answer
// request r. Its OFFSET keeps PostgreSQL from reading everything that the account
// can answer: few requests are asked about at once.
func canAnswer(account string) string {
	return `exists (select from request_answerers() a where a.request_id = r.id and a.account_id = ` + account + ` offset 0)`
}

// The queries of lists, newest first: of which requests, of what status, and up
// to which.
const (
	ofPerson = `r.requested_by = $1`
	ofOthers = `r.requested_by <> $1 and r.id in (select request_id from request_answerers() where account_id = $1 and status = 'OPEN')`
	wanted   = ` and ($2 = '' or ` + status + ` = $2)`
	countOf  = `select count(*) from request r where `
	listOf   = `select ` + columns + ` from request r ` + tables + ` where `
	ofPage   = ` and r.id < $3 order by r.id desc limit $4`
)

// MadeBy reads a page of the requests that a person has made, newest first;
// with one status, or with any ("").
func (s *Service) ListMadeBy(ctx context.Context, actor access.Actor, status Status, page relay.Page) (relay.List[*Request], error) {
	return s.list(ctx, countOf+ofPerson+wanted, listOf+ofPerson+wanted+ofPage, actor.ID, status, page)
}

// ToAnswer reads a page of the open requests of others that a person can answer,
// newest first.
func (s *Service) ListToAnswer(ctx context.Context, actor access.Actor, page relay.Page) (relay.List[*Request], error) {
	return s.list(ctx, countOf+ofOthers+wanted, listOf+ofOthers+wanted+ofPage, actor.ID, Open, page)
}

func (s *Service) list(ctx context.Context, count, list string, of globalid.ID, status Status, page relay.Page) (found relay.List[*Request], err error) {
	total := 0
	if page.Total {
		if err := s.DB.Get(ctx, &total, count, of.UUID, string(status)); err != nil {
			return found, err
		}
	}
	var rows []row
	if err := s.DB.Select(ctx, &rows, list, of.UUID, string(status), page.Before(), page.Limit()); err != nil {
		return found, err
	}
	return relay.Cut(together(rows), page, total), nil
}

// OfSpaces reads a page of the requests in each of some spaces, newest first;
// with one status, or with any (""). It is for their administrators.
func (s *Service) ListInSpaces(ctx context.Context, spaces []globalid.ID, status Status, page relay.Page) (map[globalid.ID]relay.List[*Request], error) {
	totals, err := postgres.Counts(ctx, s.DB, page.Total, `
		select r.space_id as id, count(*) as n from request r
		where r.space_id = any ($1::uuid[])`+wanted+` group by r.space_id`, postgres.IDs(spaces), string(status))
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := s.DB.Select(ctx, &rows, `
		select `+columns+`
		from unnest($1::uuid[]) as p (id)
		cross join lateral (
			select * from request r where r.space_id = p.id`+wanted+ofPage+`) r `+tables+`
		order by p.id, r.id desc`, postgres.IDs(spaces), string(status), page.Before(), page.Limit()); err != nil {
		return nil, err
	}
	of := map[uuid.UUID][]*Request{}
	for _, r := range together(rows) {
		of[r.row.SpaceID] = append(of[r.row.SpaceID], r)
	}
	return relay.CutEach(spaces, of, page, totals), nil
}
