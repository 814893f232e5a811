package invitation

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// columns and tables are an invitation v as people see it. Which of two rows of
// the outbox is the later one, their time decides.
const (
	columns = `
		v.id, v.instance_id, v.space_id, v.email, v.email_key, v.role, v.message, v.created_at, v.expires_at,
		` + status + ` as status, a.name as inviter_name, a.email as inviter_email,
		q.name as requester_name, q.email as requester_email,
		i.name as instance_name, i.deleted_at is not null as instance_deleted,
		coalesce(i.restorable_until > clock_timestamp(), false) as instance_restorable, s.id as of_space, s.name as space_name, o.name as organization_name,
		m.state as mail_state, m.attempts as mail_attempts, m.last_error is not null as mail_failed, m.reply as mail_reply,
		m.attempted_at as mail_attempted_at, m.next_attempt_at as mail_next_attempt_at`
	tables = `
		join account a on a.id = v.invited_by
		left join account q on q.id = v.requested_by
		left join instance i on i.id = v.instance_id
		join space s on s.id = coalesce(v.space_id, i.space_id)
		join organization o on o.id = s.organization_id
		left join lateral (
			select * from outbox where subject_id = v.id order by created_at desc, id desc limit 1) m on true`
	status = `case when v.status = 'PENDING' and v.expires_at <= clock_timestamp() then 'EXPIRED' else v.status end`
)

type row struct {
	ID               uuid.UUID            `db:"id"`
	InstanceID       uuid.NullUUID        `db:"instance_id"`
	SpaceID          uuid.NullUUID        `db:"space_id"`
	Email            string               `db:"email"`
	EmailKey         string               `db:"email_key"`
	Role             *tenant.InstanceRole `db:"role"`
	Message          *string              `db:"message"`
	CreatedAt        time.Time            `db:"created_at"`
	ExpiresAt        time.Time            `db:"expires_at"`
	Status           Status               `db:"status"`
	InviterName      string               `db:"inviter_name"`
	InviterEmail     string               `db:"inviter_email"`
	RequesterName    *string              `db:"requester_name"`
	RequesterEmail   *string              `db:"requester_email"`
	InstanceName     *string              `db:"instance_name"`
	InstanceDeleted  bool                 `db:"instance_deleted"`
	Restorable       bool                 `db:"instance_restorable"`
	OfSpace          uuid.UUID            `db:"of_space"`
	SpaceName        string               `db:"space_name"`
	OrganizationName string               `db:"organization_name"`
	mailRow
}

// place is where the invitation leads.
func (r *row) place() globalid.ID {
	if r.SpaceID.Valid {
		return globalid.ID{Kind: globalid.Space, UUID: r.SpaceID.UUID}
	}
	return globalid.ID{Kind: globalid.Instance, UUID: r.InstanceID.UUID}
}

// where is the same, as the trail names it.
func (r *row) where() audit.Target {
	w := audit.Target{Space: audit.Name{ID: r.OfSpace, Name: r.SpaceName}}
	if r.InstanceName != nil {
		w.Instance = audit.Name{ID: r.InstanceID.UUID, Name: *r.InstanceName}
	}
	return w
}

// invitation is the invitation as the invited person sees it.
func (r *row) invitation() *Invitation {
	var requestedBy *fault.Contact
	if r.RequesterName != nil {
		requestedBy = &fault.Contact{Name: *r.RequesterName, Email: *r.RequesterEmail}
	}
	return &Invitation{
		ID:           globalid.ID{Kind: globalid.Invitation, UUID: r.ID},
		Email:        r.Email,
		Role:         r.Role,
		Status:       r.Status,
		Message:      r.Message,
		InvitedBy:    &fault.Contact{Name: r.InviterName, Email: r.InviterEmail},
		RequestedBy:  requestedBy,
		CreatedAt:    r.CreatedAt,
		ExpiresAt:    r.ExpiresAt,
		Space:        &SpaceSummary{r.SpaceName, r.OrganizationName},
		InstanceName: r.InstanceName,
		row:          r,
	}
}

// together makes invitations of rows that were read together.
func together(rows []row) []*Invitation {
	leads := make([]globalid.ID, len(rows))
	for i := range rows {
		leads[i] = rows[i].place()
	}
	group := batch.NewGroup(leads...)
	invitations := make([]*Invitation, len(rows))
	for i := range rows {
		invitations[i] = rows[i].invitation()
		invitations[i].leads = group
	}
	return invitations
}

// byPlace makes a query of invitations to instances, and one to spaces, of a
// pattern in which PLACE stands for the column. Each is a constant, as
// postgres.Querier asks.
func byPlace(pattern string) map[globalid.Kind]string {
	return map[globalid.Kind]string{
		globalid.Instance: strings.ReplaceAll(pattern, "PLACE", "instance_id"),
		globalid.Space:    strings.ReplaceAll(pattern, "PLACE", "space_id"),
	}
}

// byID reads invitations.
func byID(ctx context.Context, q postgres.Querier, ids []globalid.ID) (map[globalid.ID]*Invitation, error) {
	var rows []row
	err := q.Select(ctx, &rows, `select `+columns+` from invitation v `+tables+` where v.id = any ($1::uuid[])`, postgres.IDs(ids))
	if err != nil {
		return nil, err
	}
	invitations := make(map[globalid.ID]*Invitation, len(rows))
	for i := range rows {
		v := rows[i].invitation()
		invitations[v.ID] = v
	}
	return invitations, nil
}

// The queries of the lists, of whatever status and of a certain one.
var (
	countQueries = byPlace(`
		select v.PLACE as id, count(*) as n from invitation v
		where v.PLACE = any ($1::uuid[]) group by v.PLACE`)
	countOfStatusQueries = byPlace(`
		select v.PLACE as id, count(*) as n from invitation v
		where v.PLACE = any ($1::uuid[]) and ` + status + ` = $2 group by v.PLACE`)
	listQueries         = byPlace(listWhere(`true`))
	listOfStatusQueries = byPlace(listWhere(status + ` = $4`))
)

func listWhere(condition string) string {
	return `
		select ` + columns + `
		from unnest($1::uuid[]) as p (id)
		cross join lateral (
			select * from invitation v
			where v.PLACE = p.id and v.id < $2 and ` + condition + ` order by v.id desc limit $3) v ` + tables + `
		order by p.id, v.id desc`
}

// List reads a page of the invitations to each of some instances or of some
// spaces, newest first; with one status, or with any (""). It is for their
// administrators; the caller puts in the places.
func (s *Service) List(ctx context.Context, places []globalid.ID, status Status, page relay.Page) (map[globalid.ID]relay.List[*Invitation], error) {
	count, list, of := countQueries, listQueries, []any{}
	if status != "" {
		count, list, of = countOfStatusQueries, listOfStatusQueries, []any{string(status)}
	}
	kind := places[0].Kind
	totals, err := postgres.Counts(ctx, s.DB, page.Total, count[kind], append([]any{postgres.IDs(places)}, of...)...)
	if err != nil {
		return nil, err
	}
	var rows []row
	err = s.DB.Select(ctx, &rows, list[kind], append([]any{postgres.IDs(places), page.Before(), page.Limit()}, of...)...)
	if err != nil {
		return nil, err
	}
	invitations := make(map[uuid.UUID][]*Invitation, len(places))
	for i := range rows {
		to := rows[i].place().UUID
		invitations[to] = append(invitations[to], rows[i].invitation())
	}
	return relay.CutEach(places, invitations, page, totals), nil
}

// PendingFor reads a page of the invitations that a person can accept, newest
// first.
func (s *Service) ListPendingFor(ctx context.Context, actor access.Actor, page relay.Page) (list relay.List[*Invitation], err error) {
	const from = ` from invitation v ` + tables + `
		where v.email_key = $1 and v.status = 'PENDING' and v.expires_at > clock_timestamp() and i.deleted_at is null`
	total := 0
	if page.Total {
		if err := s.DB.Get(ctx, &total, `select count(*)`+from, actor.EmailKey); err != nil {
			return list, err
		}
	}
	var rows []row
	err = s.DB.Select(ctx, &rows, `select `+columns+from+` and v.id < $2 order by v.id desc limit $3`,
		actor.EmailKey, page.Before(), page.Limit())
	if err != nil {
		return list, err
	}
	return relay.Cut(together(rows), page, total), nil
}
