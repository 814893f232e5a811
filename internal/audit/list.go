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
	SpaceName    string       // "": it was done in the organization itself
	InstanceID   *globalid.ID // nil: it was done to the whole space
	InstanceName *string
	UserID       *globalid.ID // the member or requester; nil: none
	UserName     *string
	Emails       []string
	MoreEmails   int // number of addresses that Emails leaves out
	Role         *tenant.InstanceRole
	PreviousRole *tenant.InstanceRole
	Request      *string // the kind of the request; nil: none

	OrganizationName         string // "": it was done in a space
	OrganizationRole         *tenant.OrganizationRole
	PreviousOrganizationRole *tenant.OrganizationRole

	Roster *Roster // nil: the action is another one
}

// RosterChanges are what a roster changed, as an entry lists it.
type RosterChanges struct {
	Changes          []*ListedRosterChange
	CreatedInstances []string
}

// ListedRosterChange is a RosterChange with the address of the person.
type ListedRosterChange struct {
	Kind         RosterChangeKind
	Email        string
	UserID       *globalid.ID // of a member; nil: the person was invited
	InstanceID   globalid.ID
	InstanceName string
	Role         tenant.InstanceRole
	PreviousRole *tenant.InstanceRole
}

// RosterChanges returns what a roster changed; nil for other actions.
func (e *Entry) RosterChanges() *RosterChanges {
	if e.Roster == nil {
		return nil
	}
	changes := &RosterChanges{CreatedInstances: e.Roster.CreatedInstances}
	for i, c := range e.Roster.Changes[:min(len(e.Roster.Changes), len(e.Emails))] {
		changes.Changes = append(changes.Changes, &ListedRosterChange{
			Kind: c.Kind, Email: e.Emails[i], UserID: optionalID(globalid.User, c.UserID), Role: c.Role, PreviousRole: c.PreviousRole,
			InstanceID: globalid.ID{Kind: globalid.Instance, UUID: c.InstanceID}, InstanceName: c.InstanceName,
		})
	}
	return changes
}

// listQueries count the records of places, and list them.
type listQueries struct{ count, list string }

// newListQueries makes the queries of the places that a column names.
func newListQueries(column string) listQueries {
	return listQueries{
		count: `
			select p.id, ` + relay.CountSQL(`select from audit_log where `+column+` = p.id`) + ` as n
			from unnest($1::uuid[]) as p (id)`,
		list: `
			select p.id as place_id, l.* from unnest($1::uuid[]) as p (id)
			cross join lateral (
				select id, at, action, actor_id, actor_name, coalesce(space_name, '') as space_name, instance_id, instance_name,
				       coalesce(organization_name, '') as organization_name, details
				from audit_log where ` + column + ` = p.id and id < $2 order by id desc limit $3) l
			order by p.id, l.id desc`,
	}
}

var ofPlaces = map[globalid.Kind]listQueries{
	globalid.Space:        newListQueries("space_id"),
	globalid.Organization: newListQueries("organization_id"),
}

// List reads a page of the trail of each of some places, newest first. The places are
// all spaces or all organizations.
func List(ctx context.Context, q postgres.Querier, places []globalid.ID, page relay.Page) (map[globalid.ID]relay.List[*Entry], error) {
	queries := ofPlaces[places[0].Kind]
	totals, err := postgres.Counts(ctx, q, page.Total, queries.count, postgres.IDs(places))
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := q.Select(ctx, &rows, queries.list, postgres.IDs(places), page.Before(), page.Limit()); err != nil {
		return nil, err
	}
	entries := make(map[uuid.UUID][]*Entry, len(places))
	for _, r := range rows {
		e, err := r.entry()
		if err != nil {
			return nil, err
		}
		entries[r.PlaceID] = append(entries[r.PlaceID], e)
	}
	return relay.CutEach(places, entries, page, totals), nil
}

type row struct {
	ID           uuid.UUID     `db:"id"`
	At           time.Time     `db:"at"`
	Action       Action        `db:"action"`
	ActorID      uuid.NullUUID `db:"actor_id"`
	ActorName    string        `db:"actor_name"`
	PlaceID      uuid.UUID     `db:"place_id"`
	SpaceName    string        `db:"space_name"`
	InstanceID   uuid.NullUUID `db:"instance_id"`
	InstanceName *string       `db:"instance_name"`
	Organization string        `db:"organization_name"`
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

		OrganizationName:         r.Organization,
		OrganizationRole:         d.OrganizationRole,
		PreviousOrganizationRole: d.PreviousOrganizationRole,

		Roster: d.Roster,
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
