package audit

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Entry is a line of the trail, with the names at the time.
type Entry struct {
	ID           globalid.ID
	At           time.Time
	Action       Action
	ActorID      *globalid.ID // nil: the gateway itself
	ActorName    string
	SpaceName    string
	InstanceID   *globalid.ID // nil: it was done to the whole space
	InstanceName *string
	UserID       *globalid.ID // the member or requester; nil: none
	UserName     *string
	Emails       []string
	MoreEmails   int // number of addresses that Emails leaves out
	Role         *tenant.InstanceRole
	PreviousRole *tenant.InstanceRole
	Request      *string // the kind of the request; nil: none
}

var countEntries = `
	select s.id, ` + relay.CountSQL(`select from audit_log where space_id = s.id`) + ` as n
	from unnest($1::uuid[]) as s (id)`

// List reads a page of the trail of each of some spaces, newest first.
func List(ctx context.Context, q postgres.Querier, spaces []globalid.ID, page relay.Page) (map[globalid.ID]relay.List[*Entry], error) {
	totals, err := postgres.Counts(ctx, q, page.Total, countEntries, postgres.IDs(spaces))
	if err != nil {
		return nil, err
	}
	var rows []row
	err = q.Select(ctx, &rows, `
		select l.* from unnest($1::uuid[]) as s (id)
		cross join lateral (
			select id, at, action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, details
			from audit_log where space_id = s.id and id < $2 order by id desc limit $3) l
		order by l.space_id, l.id desc`, postgres.IDs(spaces), page.Before(), page.Limit())
	if err != nil {
		return nil, err
	}
	entries := make(map[uuid.UUID][]*Entry, len(spaces))
	for _, r := range rows {
		e, err := r.entry()
		if err != nil {
			return nil, err
		}
		entries[r.SpaceID] = append(entries[r.SpaceID], e)
	}
	return relay.CutEach(spaces, entries, page, totals), nil
}

type row struct {
	ID           uuid.UUID     `db:"id"`
	At           time.Time     `db:"at"`
	Action       Action        `db:"action"`
	ActorID      uuid.NullUUID `db:"actor_id"`
	ActorName    string        `db:"actor_name"`
	SpaceID      uuid.UUID     `db:"space_id"`
	SpaceName    string        `db:"space_name"`
	InstanceID   uuid.NullUUID `db:"instance_id"`
	InstanceName *string       `db:"instance_name"`
	Details      []byte        `db:"details"`
}

func (r row) entry() (*Entry, error) {
	var d Details
	if err := json.Unmarshal(r.Details, &d); err != nil {
		return nil, err
	}
	e := &Entry{
		ID:           globalid.ID{Kind: globalid.AuditEntry, UUID: r.ID},
		At:           r.At,
		Action:       r.Action,
		ActorID:      optionalID(globalid.User, r.ActorID),
		ActorName:    r.ActorName,
		SpaceName:    r.SpaceName,
		InstanceID:   optionalID(globalid.Instance, r.InstanceID),
		InstanceName: r.InstanceName,
		UserID:       optionalID(globalid.User, d.UserID),
		Emails:       d.Emails,
		MoreEmails:   d.MoreEmails,
		Role:         d.Role,
		PreviousRole: d.PreviousRole,
	}
	if d.UserName != "" {
		e.UserName = &d.UserName
	}
	if d.Request != "" {
		e.Request = &d.Request
	}
	return e, nil
}

func optionalID(kind globalid.Kind, id uuid.NullUUID) *globalid.ID {
	if !id.Valid {
		return nil
	}
	return &globalid.ID{Kind: kind, UUID: id.UUID}
}

// The Relay connections of the package's lists, named for gqlgen.
type (
	EntryConnection = relay.Connection[*Entry]

	EntryEdge = relay.Edge[*Entry]
)
