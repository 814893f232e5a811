package audit

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Entry is a line of the trail.
type Entry struct {
	ID           globalid.ID
	At           time.Time
	Action       Action
	ActorID      *globalid.ID // nil: the gateway itself
	ActorName    string
	SpaceName    string
	InstanceID   *globalid.ID // nil: it was done to the space
	InstanceName *string
	UserID       *globalid.ID // the member to whom it was done
	UserName     *string
	Emails       []string
	MoreEmails   int // that are not named
	Role         *tenant.InstanceRole
	PreviousRole *tenant.InstanceRole
	Request      *string // its kind
}

// List reads a page of the trail of each space, newest first.
func List(ctx context.Context, q postgres.Querier, spaces []globalid.ID, page relay.Page) (map[globalid.ID]relay.List[*Entry], error) {
	totals, err := postgres.Counts(ctx, q, page.Total, `
		select space_id as id, count(*) as n from audit_log where space_id = any ($1::uuid[]) group by space_id`, postgres.IDs(spaces))
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
		ActorID:      optional(globalid.User, r.ActorID),
		ActorName:    r.ActorName,
		SpaceName:    r.SpaceName,
		InstanceID:   optional(globalid.Instance, r.InstanceID),
		InstanceName: r.InstanceName,
		UserID:       optional(globalid.User, d.UserID),
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

func optional(kind globalid.Kind, id uuid.NullUUID) *globalid.ID {
	if !id.Valid {
		return nil
	}
	return &globalid.ID{Kind: kind, UUID: id.UUID}
}

// sentences say what was done. What stands in braces is replaced: see Summary.
var sentences = map[Action]string{
	SpaceCreated:          "{actor} made the space {space}.",
	InstanceCreated:       "{actor} made {where}.",
	InstanceDeleted:       "{actor} deleted {where}.",
	InstanceRestored:      "{actor} restored {where}.",
	InstancePurged:        "{actor} removed {where} for good.",
	InvitationSent:        "{actor} invited {emails} to {where} as {role}.",
	InvitationRoleChanged: "{actor} changed the role in the {invitation} of {emails} to {where}, to {role}.",
	InvitationResent:      "{actor} sent the {invitation} of {emails} to {where} again.",
	InvitationRevoked:     "{actor} revoked the {invitation} of {emails} to {where}.",
	InvitationAccepted:    "{actor} accepted the {invitation} of {emails} to {where} as {role}.",
	InvitationDeclined:    "{actor} declined the {invitation} of {emails} to {where}.",
	MemberRoleChanged:     "{actor} changed {user} from {previous} to {role} of {where}.",
	MemberRemoved:         "{actor} removed {user} from {where}.",
	MemberLeft:            "{actor} left {where}.",
	RoleGranted:           "{actor} made {user} {role} of {where}.",
	RequestMade:           "{actor} asked {request}.",
	RequestApproved:       "{actor} approved the request of {user} {request}.",
	RequestDeclined:       "{actor} declined the request of {user} {request}.",
	RequestWithdrawn:      "{actor} withdrew the request {request}.",
	RequestExpired:        "Nobody answered in time the request of {user} {request}.",
}

// asked says what was asked for by each kind of request.
var asked = map[string]string{
	"ROLE":        "to be {role} of {where}",
	"INVITATIONS": "to have {emails} invited to {where} as {role}",
	"RESTORE":     "to have {where} restored",
}

// Summary says what was done in a sentence.
func (e *Entry) Summary() string {
	const most = 3 // addresses that are named
	emails, invitation := e.Emails, "invitation"
	if len(emails) > 1 {
		invitation = "invitations"
	}
	if n := len(e.Emails) + e.MoreEmails; n > most {
		emails = append(emails[:most:most], strconv.Itoa(n-most)+" more")
	}
	where, user := e.SpaceName, ""
	if e.InstanceName != nil {
		where = *e.InstanceName
	}
	if e.UserName != nil {
		user = *e.UserName
	}
	sentence := sentences[e.Action]
	if e.Request != nil {
		sentence = strings.ReplaceAll(sentence, "{request}", asked[*e.Request])
	}
	return strings.NewReplacer(
		"{actor}", e.ActorName,
		"{space}", e.SpaceName,
		"{where}", where,
		"{user}", user,
		"{emails}", strings.Join(emails, ", "),
		"{invitation}", invitation,
		"{role}", called(e.Role),
		"{previous}", called(e.PreviousRole),
	).Replace(sentence)
}

// called says what somebody in a role is; nil: an administrator of the space.
func called(role *tenant.InstanceRole) string {
	if role == nil {
		return tenant.SpaceAdministrator.Noun()
	}
	return role.Role().Noun()
}

// The Relay connections of the package's lists, named for gqlgen.
type (
	EntryConnection = relay.Connection[*Entry]

	EntryEdge = relay.Edge[*Entry]
)
