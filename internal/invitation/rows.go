package invitation

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/batch"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Every query that reads invitations selects columns from an invitation v, joined
// with tables, into a row.
var (
	columns = storedColumns + `,
		a.name as inviter_name, ` + tenant.HeldEmail("a") + ` as inviter_email, ` + inviterMay + ` as inviter_may, q.name as requester_name, ` + tenant.HeldEmail("q") + ` as requester_email,
		i.name as instance_name, i.deleted_at is not null as instance_deleted,
		coalesce(i.restorable_until > clock_timestamp(), false) as instance_restorable,
		s.deleted_at is not null as space_deleted, coalesce(s.restorable_until > clock_timestamp(), false) as space_restorable,
		s.id as parent_space_id, coalesce(s.name, '') as space_name, o.id as organization_id, o.name as organization_name,
		m.state as mail_state, m.attempts as mail_attempts, m.last_error is not null as mail_failed, m.uncertain as mail_uncertain,
		m.reply as mail_reply, m.problem as mail_problem,
		m.attempted_at as mail_attempted_at, m.next_attempt_at as mail_next_attempt_at`

	// inviterMay is the condition that the inviter may still invite there, by the
	// roles that they hold now.
	inviterMay = mayInvite("v.invited_by")
)

// mayInvite returns the SQL condition that an account may invite where invitation v
// leads.
func mayInvite(account string) string {
	return `case
		when v.instance_id is not null then ` + tenant.HasRoleInInstance(account, access.InviteUsers.Roles) + `
		when v.space_id is not null then ` + tenant.HasRoleInSpace(account, access.InviteSpaceAdministrators.Roles) + `
		else ` + tenant.HasRoleInOrganization(account, "v.organization_id", access.InviteOrganizationMembers.Roles) + ` end`
}

const (
	storedColumns = `
		v.id, v.instance_id, v.space_id, v.organization_id as invited_organization_id, v.email, v.email_key, ` + roleName + ` as role,
		v.message, v.invited_by, v.created_at, v.until, v.expires_at, v.ended_at, v.mail_refused, ` + status + ` as status`

	// roleName is the name of the role among all roles.
	roleName = `case when v.space_id is not null then 'SPACE_ADMINISTRATOR'
		when v.organization_id is not null then 'ORGANIZATION_' || v.role else 'INSTANCE_' || v.role end`

	status = `case when v.status = 'PENDING' and v.expires_at <= clock_timestamp() then 'EXPIRED' else v.status end`

	// tables joins the newest mail: an older one says nothing about the link that
	// is valid now. The other limits keep PostgreSQL from a hash of all accounts.
	tables = `
		cross join lateral (select * from account where id = v.invited_by limit 1) a
		left join lateral (select * from account where id = v.requested_by limit 1) q on true
		left join instance i on i.id = v.instance_id
		left join space s on s.id = coalesce(v.space_id, i.space_id)
		join organization o on o.id = coalesce(v.organization_id, s.organization_id)
		left join lateral (
			select * from outbox where subject_id = v.id order by created_at desc, id desc limit 1) m on true`
)

// storedRow is a row of the table invitation, as storedColumns selects it. One of
// InstanceID, SpaceID and InvitedOrganizationID is valid.
type storedRow struct {
	ID         uuid.UUID     `db:"id"`
	InstanceID uuid.NullUUID `db:"instance_id"`
	SpaceID    uuid.NullUUID `db:"space_id"`
	// InvitedOrganizationID is the organization that the invitation itself leads to.
	InvitedOrganizationID uuid.NullUUID `db:"invited_organization_id"`

	Email     string      `db:"email"`
	EmailKey  string      `db:"email_key"`
	Role      tenant.Role `db:"role"`
	Message   *string     `db:"message"`
	InvitedBy uuid.UUID   `db:"invited_by"`
	CreatedAt time.Time   `db:"created_at"`
	Until     *time.Time  `db:"until"` // of the membership; nil: without an end
	ExpiresAt time.Time   `db:"expires_at"`
	EndedAt   *time.Time  `db:"ended_at"` // nil: it is pending, or was answered before times were stored
	// MailRefused says that no mail is sent, because the person refused invitations.
	MailRefused bool   `db:"mail_refused"`
	Status      Status `db:"status"`
}

// row is an invitation with the names of those concerned and its newest mail, as
// columns selects it.
type row struct {
	storedRow
	InviterName      string    `db:"inviter_name"`
	InviterEmail     string    `db:"inviter_email"` // see tenant.HeldEmail
	InviterMay       bool      `db:"inviter_may"`   // still invite there
	RequesterName    *string   `db:"requester_name"`
	RequesterEmail   *string   `db:"requester_email"`
	InstanceName     *string   `db:"instance_name"`
	InstanceDeleted  bool      `db:"instance_deleted"`
	Restorable       bool      `db:"instance_restorable"`
	SpaceDeleted     bool      `db:"space_deleted"`
	SpaceRestorable  bool      `db:"space_restorable"`
	ParentSpaceID    uuid.UUID `db:"parent_space_id"` // nil, as the name is "": it leads to an organization
	SpaceName        string    `db:"space_name"`
	OrganizationID   uuid.UUID `db:"organization_id"`
	OrganizationName string    `db:"organization_name"`
	mailRow
}

func (r *row) invitationID() globalid.ID {
	return globalid.ID{Kind: globalid.Invitation, UUID: r.ID}
}

// placeID returns the id of the place that the invitation leads to.
func (r *row) placeID() globalid.ID {
	switch {
	case r.SpaceID.Valid:
		return globalid.ID{Kind: globalid.Space, UUID: r.SpaceID.UUID}
	case r.InvitedOrganizationID.Valid:
		return globalid.ID{Kind: globalid.Organization, UUID: r.InvitedOrganizationID.UUID}
	}
	return globalid.ID{Kind: globalid.Instance, UUID: r.InstanceID.UUID}
}

func (r *row) inviter() fault.Contact {
	return fault.Contact{Name: r.InviterName, Email: r.InviterEmail}
}

func (r *row) placeName() string {
	switch {
	case r.InstanceName != nil:
		return *r.InstanceName
	case r.SpaceName != "":
		return r.SpaceName
	}
	return r.OrganizationName
}

// placesName says among what the invited person finds the place afterwards.
func (r *row) placesName() string {
	if r.SpaceName == "" {
		return "organizations"
	}
	return "spaces"
}

// whoMayInvite says who else may invite there: "an administrator of the space
// Econometrics".
func (r *row) whoMayInvite() string {
	if r.SpaceName == "" {
		return tenant.OrganizationManager.Noun() + " of " + r.OrganizationName
	}
	return "an administrator of the space " + r.SpaceName
}

func (r *row) spaceID() globalid.ID {
	return globalid.ID{Kind: globalid.Space, UUID: r.ParentSpaceID}
}

func (r *row) auditTarget() audit.Target {
	if r.InvitedOrganizationID.Valid {
		return audit.Target{Organization: audit.Name{ID: r.OrganizationID, Name: r.OrganizationName}}
	}
	target := audit.Target{Space: audit.Name{ID: r.ParentSpaceID, Name: r.SpaceName}}
	if r.InstanceName != nil {
		target.Instance = audit.Name{ID: r.InstanceID.UUID, Name: *r.InstanceName}
	}
	return target
}

// invitation returns the invitation as the invited person sees it.
func (r *row) invitation() *Invitation {
	inviter := r.inviter()
	var requestedBy *fault.Contact
	if r.RequesterName != nil {
		requestedBy = &fault.Contact{Name: *r.RequesterName, Email: *r.RequesterEmail}
	}
	space := SpaceSummary{cmp.Or(r.SpaceName, r.OrganizationName), r.OrganizationName}
	return &Invitation{
		ID:               r.invitationID(),
		Email:            r.Email,
		Role:             instanceRole(r.Role),
		OrganizationRole: organizationRole(r.Role),
		Status:           r.Status,
		Message:          r.Message,
		InvitedBy:        &inviter,
		RequestedBy:      requestedBy,
		CreatedAt:        r.CreatedAt,
		Until:            r.Until,
		ExpiresAt:        r.ExpiresAt,
		Space:            &space,
		InstanceName:     r.InstanceName,
		row:              r,
	}
}

// invitationsOf returns the invitations of rows that were read together. Their
// places are read together, too.
func invitationsOf(rows []row) []*Invitation {
	places := make([]globalid.ID, len(rows))
	for i := range rows {
		places[i] = rows[i].placeID()
	}
	group := batch.NewGroup(places...)
	invitations := make([]*Invitation, len(rows))
	for i := range rows {
		invitations[i] = rows[i].invitation()
		invitations[i].group = group
	}
	return invitations
}

var (
	byToken     = `select ` + columns + ` from invitation v ` + tables + ` where v.token_hash = $1`
	byID        = `select ` + columns + ` from invitation v ` + tables + ` where v.id = $1`
	byPastToken = `select ` + columns + ` from invitation v ` + tables + ` where v.id = (select invitation_id from invitation_past_token where token_hash = $1)`
	byIDAndKey  = byID + ` and v.email_key = $2`
	byIDs       = `select ` + columns + ` from invitation v ` + tables + ` where v.id = any ($1::uuid[])`
)

// findRow reads an invitation; nil where there is none.
func findRow(ctx context.Context, q postgres.Querier, query string, args ...any) (*row, error) {
	var r row
	err := q.Get(ctx, &r, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

func findInvitations(ctx context.Context, q postgres.Querier, ids []globalid.ID) (map[globalid.ID]*Invitation, error) {
	var rows []row
	if err := q.Select(ctx, &rows, byIDs, postgres.IDs(ids)); err != nil {
		return nil, err
	}
	invitations := make(map[globalid.ID]*Invitation, len(rows))
	for _, v := range invitationsOf(rows) {
		invitations[v.ID] = v
	}
	return invitations, nil
}

// byPlace returns a query about invitations to instances, one about those to spaces, and
// one about those to organizations, from a pattern in which PLACE stands for the column. It is called once
// for each query, when the program starts, because queries must be constants
// (postgres.Querier).
func byPlace(pattern string) map[globalid.Kind]string {
	return map[globalid.Kind]string{
		globalid.Instance:     strings.ReplaceAll(pattern, "PLACE", "instance_id"),
		globalid.Space:        strings.ReplaceAll(pattern, "PLACE", "space_id"),
		globalid.Organization: strings.ReplaceAll(pattern, "PLACE", "organization_id"),
	}
}
