package link

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/mail"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Every query that reads links selects columns from a link l, joined with tables, into a
// row.
var (
	columns = `
		l.id, l.space_id, l.instance_id, l.own_name, l.own_number, l.role, l.token_hash, l.created_by, l.created_at, l.expires_at,
		l.max_uses, l.uses, l.allowed_domains, l.revoked_at,
		i.name as instance_name, s.name as space_name, o.name as organization_name, o.id as organization_id,
		a.name as inviter_name, ` + tenant.HeldEmail("a") + ` as inviter_email, ` + currentState + ` as state`

	// currentState decides by the time of the statement: a transaction that has waited for a lock
	// reads it in a later one.
	currentState = `case
		when l.revoked_at is not null then 'REVOKED'
		when s.deleted_at is not null then 'SPACE_DELETED'
		when i.deleted_at is not null then 'INSTANCE_DELETED'
		when l.expires_at <= clock_timestamp() then 'EXPIRED'
		when not case when l.instance_id is null then ` + tenant.HasRoleInSpace("l.created_by", mayInvite) + `
			else ` + tenant.HasRoleInInstance("l.created_by", mayInvite) + ` end then 'INVITER_LEFT'
		when l.uses >= l.max_uses then 'USED_UP'
		else 'OPEN' end`

	byID    = `select ` + columns + ` from invite_link l ` + tables + ` where l.id = $1`
	byToken = `select ` + columns + ` from invite_link l ` + tables + ` where l.token_hash = $1`
)

const tables = `
	cross join lateral (select * from space where id = l.space_id limit 1) s
	cross join lateral (select * from organization where id = s.organization_id limit 1) o
	left join lateral (select * from instance where id = l.instance_id limit 1) i on true
	cross join lateral (select * from account where id = l.created_by limit 1) a`

type row struct {
	ID             uuid.UUID           `db:"id"`
	SpaceID        uuid.UUID           `db:"space_id"`
	InstanceID     uuid.NullUUID       `db:"instance_id"` // not valid: everybody gets an own one
	OwnName        *string             `db:"own_name"`    // of these, without the number
	OwnNumber      int                 `db:"own_number"`  // that was given last
	Role           tenant.InstanceRole `db:"role"`
	TokenHash      []byte              `db:"token_hash"`
	CreatedBy      uuid.UUID           `db:"created_by"`
	CreatedAt      time.Time           `db:"created_at"`
	ExpiresAt      time.Time           `db:"expires_at"`
	MaxUses        int                 `db:"max_uses"`
	Uses           int                 `db:"uses"`
	AllowedDomains pq.StringArray      `db:"allowed_domains"`
	RevokedAt      *time.Time          `db:"revoked_at"`

	InstanceName     *string   `db:"instance_name"`
	SpaceName        string    `db:"space_name"`
	OrganizationName string    `db:"organization_name"`
	OrganizationID   uuid.UUID `db:"organization_id"`
	InviterName      string    `db:"inviter_name"`
	InviterEmail     string    `db:"inviter_email"` // see tenant.HeldEmail
	State            State     `db:"state"`
}

// findRow reads a link; nil where there is none.
func findRow(ctx context.Context, q postgres.Querier, query string, arg any) (*row, error) {
	var r row
	err := q.Get(ctx, &r, query, arg)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &r, err
}

func (r *row) linkID() globalid.ID { return globalid.ID{Kind: globalid.Link, UUID: r.ID} }

// placeID returns the id of the place that the link leads to.
func (r *row) placeID() globalid.ID {
	if r.InstanceID.Valid {
		return globalid.ID{Kind: globalid.Instance, UUID: r.InstanceID.UUID}
	}
	return globalid.ID{Kind: globalid.Space, UUID: r.SpaceID}
}

// inviter returns the person in whose name the link invites.
func (r *row) inviter() tenant.User {
	return tenant.User{ID: globalid.ID{Kind: globalid.User, UUID: r.CreatedBy}, Name: r.InviterName, Email: r.InviterEmail, FormerHolder: r.InviterEmail == ""}
}

// link returns the link as anyone sees it who has it.
func (r *row) link() *Link {
	l := &Link{
		ID:             r.linkID(),
		State:          r.State,
		Space:          &invitation.SpaceSummary{Name: r.SpaceName, OrganizationName: r.OrganizationName},
		InstanceName:   r.InstanceName,
		OwnInstance:    !r.InstanceID.Valid,
		Role:           r.Role,
		InviterName:    r.InviterName,
		AllowedDomains: slices.Clone(r.AllowedDomains),
		ExpiresAt:      r.ExpiresAt,
	}
	if r.InstanceID.Valid {
		l.instance = r.placeID()
	}
	group(l)
	return l
}

// administered returns the link as administrators of its space see it.
func (s *Service) administered(r *row) *Link {
	l := r.link()
	if token := s.token(l.ID); bytes.Equal(tokenHash(token), r.TokenHash) {
		l.URL = new(mail.Link(s.PublicURL, "join", token))
	}
	l.OwnInstanceName, l.MaxUses, l.Uses, l.CreatedAt, l.RevokedAt = r.OwnName, &r.MaxUses, &r.Uses, &r.CreatedAt, r.RevokedAt
	l.CreatedBy = &fault.Contact{Name: r.InviterName, Email: r.InviterEmail}
	return l
}

func tokenHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}
