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
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Every query that reads requests selects columns or allColumns from a request r,
// joined with tables, into a row. Lists leave out the addresses, of which a request
// may have 1,000.
var (
	columns = `
		r.id, r.kind, r.space_id, r.instance_id, r.organization_id is not null as in_organization, r.requested_by, r.role, r.message, r.created_at, r.expires_at,
		r.expires_at < r.lasts_until as shortened,
		` + status + ` as status, case when ` + status + ` = 'EXPIRED' then r.expires_at else r.ended_at end as ended_at, r.answer,
		q.name as requester_name, ` + tenant.HeldEmail("q") + ` as requester_email, w.name as answerer_name, ` + tenant.HeldEmail("w") + ` as answerer_email,
		coalesce(r.space_name, r.organization_name) as space_name, o.id as organization_id, coalesce(r.organization_name, o.name) as organization_name, r.instance_name`

	allColumns = columns + `, r.emails, r.approved`
)

// The limits keep PostgreSQL from reading all accounts, which a plan that is made for any
// page of any list may do.
const (
	status = `case when r.status = 'OPEN' and r.expires_at <= clock_timestamp() then 'EXPIRED' else r.status end`

	tables = `
		cross join lateral (select * from account where id = r.requested_by limit 1) q
		left join lateral (select * from account where id = r.answered_by limit 1) w on true
		left join lateral (select * from space where id = r.space_id limit 1) s on true
		cross join lateral (select * from organization where id = coalesce(r.organization_id, s.organization_id) limit 1) o`
)

// row is a request with the names of those concerned.
type row struct {
	ID               uuid.UUID      `db:"id"`
	Kind             Kind           `db:"kind"`
	SpaceID          uuid.NullUUID  `db:"space_id"`
	InstanceID       uuid.NullUUID  `db:"instance_id"`
	InOrganization   bool           `db:"in_organization"` // about the organization itself
	RequestedBy      uuid.UUID      `db:"requested_by"`
	Role             *tenant.Role   `db:"role"` // nil: Restore
	Emails           pq.StringArray `db:"emails"`
	Approved         pq.StringArray `db:"approved"` // of Emails
	Message          *string        `db:"message"`
	CreatedAt        time.Time      `db:"created_at"`
	ExpiresAt        time.Time      `db:"expires_at"`
	Shortened        bool           `db:"shortened"` // because its instance or space was deleted
	Status           Status         `db:"status"`
	EndedAt          *time.Time     `db:"ended_at"`
	Answer           *string        `db:"answer"`
	RequesterName    string         `db:"requester_name"`
	RequesterEmail   string         `db:"requester_email"` // see tenant.HeldEmail
	AnswererName     *string        `db:"answerer_name"`
	AnswererEmail    *string        `db:"answerer_email"`
	SpaceName        string         `db:"space_name"` // the organization's name where InOrganization
	OrganizationID   uuid.UUID      `db:"organization_id"`
	OrganizationName string         `db:"organization_name"` // current, unless InOrganization
	InstanceName     *string        `db:"instance_name"`
}

func (r *row) requestID() globalid.ID { return globalid.ID{Kind: globalid.Request, UUID: r.ID} }

// placeID returns the id of the instance, space or organization that the request is about.
func (r *row) placeID() globalid.ID {
	switch {
	case r.InstanceID.Valid:
		return globalid.ID{Kind: globalid.Instance, UUID: r.InstanceID.UUID}
	case r.InOrganization:
		return globalid.ID{Kind: globalid.Organization, UUID: r.OrganizationID}
	}
	return globalid.ID{Kind: globalid.Space, UUID: r.SpaceID.UUID}
}

func (r *row) requester() tenant.User {
	return tenant.User{ID: globalid.ID{Kind: globalid.User, UUID: r.RequestedBy}, Name: r.RequesterName, Email: r.RequesterEmail, FormerHolder: r.RequesterEmail == ""}
}

// instanceRole returns the role where it is one in an instance; nil otherwise.
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

// organizationRole returns the role where it is one in an organization; nil otherwise.
func (r *row) organizationRole() *tenant.OrganizationRole {
	if r.Role == nil {
		return nil
	}
	role, inOrganization := r.Role.OrganizationRole()
	if !inOrganization {
		return nil
	}
	return &role
}

// endsWithPlace reports whether the request expires because its instance or space can no
// longer be restored.
func (r *row) endsWithPlace() bool { return r.Shortened || r.Kind == Restore }

// auditRecord returns a record of the trail about the request.
func (r *row) auditRecord(action audit.Action, actor access.Actor) audit.Record {
	const maxNamed = 10 // addresses
	target := audit.Target{Space: audit.Name{ID: r.SpaceID.UUID, Name: r.SpaceName}}
	if r.InOrganization {
		target = audit.Target{Organization: audit.Name{ID: r.OrganizationID, Name: r.OrganizationName}}
	} else if r.InstanceName != nil {
		target.Instance = audit.Name{ID: r.InstanceID.UUID, Name: *r.InstanceName}
	}
	return audit.Record{Action: action, Actor: actor, Target: target, Details: audit.Details{
		Request:          string(r.Kind),
		Role:             r.instanceRole(),
		OrganizationRole: r.organizationRole(),
		Emails:           r.Emails[:min(len(r.Emails), maxNamed)],
		MoreEmails:       max(0, len(r.Emails)-maxNamed),
		UserID:           uuid.NullUUID{UUID: r.RequestedBy, Valid: true},
		UserName:         r.RequesterName,
	}}
}

func (r *row) request() *Request {
	v := &Request{
		ID:           r.requestID(),
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
	if r.InOrganization {
		v.OrganizationName = &r.OrganizationName
	}
	if r.AnswererName != nil {
		v.AnsweredBy = &fault.Contact{Name: *r.AnswererName, Email: *r.AnswererEmail}
	}
	return v
}

// requestsOf returns the requests of rows that were read together. Their places and
// addresses are read together, too.
func requestsOf(rows []row) []*Request {
	ids, placeIDs := make([]globalid.ID, len(rows)), make([]globalid.ID, len(rows))
	for i := range rows {
		ids[i], placeIDs[i] = rows[i].requestID(), rows[i].placeID()
	}
	group, places := batch.NewGroup(ids...), batch.NewGroup(placeIDs...)
	requests := make([]*Request, len(rows))
	for i := range rows {
		requests[i] = rows[i].request()
		requests[i].group, requests[i].places = group, places
	}
	return requests
}

func requestOf(r *row) *Request { return requestsOf([]row{*r})[0] }

// findRow reads a request with its addresses; nil where there is none.
func findRow(ctx context.Context, q postgres.Querier, id uuid.UUID) (*row, error) {
	var r row
	err := q.Get(ctx, &r, `select `+allColumns+` from request r `+tables+` where r.id = $1`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

// findKnown reads a request, without its addresses, that an account made or can answer,
// and says whether it can answer it; nil where there is none.
func findKnown(ctx context.Context, q postgres.Querier, id globalid.ID, actor access.Actor) (*row, bool, error) {
	var r struct {
		row
		CanAnswer bool `db:"can_answer"`
	}
	err := q.Get(ctx, &r, `
		select `+columns+`, may.can_answer from request r `+tables+`
		cross join lateral (select `+canAnswer("$2")+` as can_answer) may
		where r.id = $1 and (r.requested_by = $2 or may.can_answer)`, id.UUID, actor.ID.UUID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return &r.row, r.CanAnswer, err
}

// canAnswer returns the condition that an account, an SQL expression, can answer
// request r.
func canAnswer(account string) string {
	return `exists (select from request_answerers_2(r.kind, r.space_id, r.instance_id, r.organization_id) a where a.account_id = ` + account + `)`
}

// nullableArray returns an array of texts; null where there are none.
func nullableArray(texts []string) any {
	if len(texts) == 0 {
		return nil
	}
	return pq.StringArray(texts)
}
