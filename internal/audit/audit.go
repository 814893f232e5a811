// Package audit keeps the trail: who did what in a space or an organization, and when.
// The trail is append-only. Its rows hold names beside ids, so that they stay readable when the
// people and places are gone.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Action is the kind of thing that was done.
type Action string

// The actions.
const (
	SpaceCreated          Action = "SPACE_CREATED"
	SpaceDeleted          Action = "SPACE_DELETED"
	SpaceRestored         Action = "SPACE_RESTORED"
	SpacePurged           Action = "SPACE_PURGED"
	InstanceCreated       Action = "INSTANCE_CREATED"
	InstanceDeleted       Action = "INSTANCE_DELETED"
	InstanceRestored      Action = "INSTANCE_RESTORED"
	InstancePurged        Action = "INSTANCE_PURGED"
	InvitationSent        Action = "INVITATION_SENT"
	InvitationRoleChanged Action = "INVITATION_ROLE_CHANGED"
	InvitationResent      Action = "INVITATION_RESENT"
	InvitationRevoked     Action = "INVITATION_REVOKED"
	InvitationTakenOver   Action = "INVITATION_TAKEN_OVER"
	InvitationAccepted    Action = "INVITATION_ACCEPTED"
	InvitationDeclined    Action = "INVITATION_DECLINED"
	MemberRoleChanged     Action = "MEMBER_ROLE_CHANGED"
	MemberRemoved         Action = "MEMBER_REMOVED"
	MemberLeft            Action = "MEMBER_LEFT"
	MemberReinstated      Action = "MEMBER_REINSTATED"
	MemberEndChanged      Action = "MEMBER_END_CHANGED"
	MemberExpired         Action = "MEMBER_EXPIRED"
	RoleGranted           Action = "ROLE_GRANTED"
	RosterSynced          Action = "ROSTER_SYNCED"
	LinkCreated           Action = "LINK_CREATED"
	LinkRefreshed         Action = "LINK_REFRESHED"
	LinkRevoked           Action = "LINK_REVOKED"
	LinkUsed              Action = "LINK_USED"
	RequestMade           Action = "REQUEST_MADE"
	RequestApproved       Action = "REQUEST_APPROVED"
	RequestDeclined       Action = "REQUEST_DECLINED"
	RequestWithdrawn      Action = "REQUEST_WITHDRAWN"
	RequestExpired        Action = "REQUEST_EXPIRED"
)

// Actions are all actions.
var Actions = []Action{
	SpaceCreated, SpaceDeleted, SpaceRestored, SpacePurged, InstanceCreated, InstanceDeleted, InstanceRestored, InstancePurged,
	InvitationSent, InvitationRoleChanged, InvitationResent, InvitationRevoked, InvitationTakenOver, InvitationAccepted, InvitationDeclined,
	MemberRoleChanged, MemberRemoved, MemberLeft, MemberReinstated, MemberEndChanged, MemberExpired, RoleGranted, RosterSynced,
	LinkCreated, LinkRefreshed, LinkRevoked, LinkUsed,
	RequestMade, RequestApproved, RequestDeclined, RequestWithdrawn, RequestExpired,
}

// Record is a line that is to be added to the trail.
type Record struct {
	Action Action
	Actor  access.Actor // zero: the gateway itself, because time has passed
	Target
	Details
}

// Target is the space in which something was done and, if it was done to one, the
// instance. What was done in an organization itself has the organization instead of a
// space. A record with both is in the trail of each.
type Target struct{ Space, Instance, Organization Name }

// Name is the id of a place with its name at the time.
type Name struct {
	ID   uuid.UUID
	Name string
}

// OnSpace returns the target of what was done to a whole space.
func OnSpace(s *tenant.Space) Target { return Target{Space: Name{s.ID.UUID, s.Name}} }

// OnInstance returns the target of what was done to an instance.
func OnInstance(i *tenant.Instance) Target {
	return Target{Space: Name{i.Space.ID.UUID, i.Space.Name}, Instance: Name{i.ID.UUID, i.Name}}
}

// OnOrganization returns the target of what was done in an organization itself.
func OnOrganization(o *tenant.Organization) Target {
	return Target{Organization: Name{o.ID.UUID, o.Name}}
}

// On returns the target of what was done to a place, which must be there.
func On(place tenant.Place) Target {
	switch p := place.(type) {
	case *tenant.Instance:
		return OnInstance(p)
	case *tenant.Space:
		return OnSpace(p)
	case *tenant.Organization:
		return OnOrganization(p)
	}
	panic(fmt.Sprintf("audit: there is no target of %T", place))
}

// OnSpaceOfOrganization returns the target of what is in the trail of a space and of its
// organization: that the space is there, or not any more.
func OnSpaceOfOrganization(s *tenant.Space) Target {
	return Target{Space: Name{s.ID.UUID, s.Name}, Organization: Name{s.Organization.ID.UUID, s.Organization.Name}}
}

// Details are what else a record says, stored as JSON. Each action has those that its
// sentence names: see sentences.
type Details struct {
	Emails       []string             `json:"emails,omitempty"`     // of invitations; the first of them
	MoreEmails   int                  `json:"moreEmails,omitempty"` // number of those left out
	Role         *tenant.InstanceRole `json:"role,omitempty"`       // nil, of a space: administrator
	PreviousRole *tenant.InstanceRole `json:"previousRole,omitempty"`
	// The same of what was done in an organization.
	OrganizationRole         *tenant.OrganizationRole `json:"organizationRole,omitempty"`
	PreviousOrganizationRole *tenant.OrganizationRole `json:"previousOrganizationRole,omitempty"`
	UserID                   uuid.NullUUID            `json:"userId,omitzero"` // the member or requester
	UserName                 string                   `json:"userName,omitempty"`
	Request                  string                   `json:"request,omitempty"` // the kind of the request
	Roster                   *Roster                  `json:"roster,omitempty"`
}

// Roster is what a roster changed.
type Roster struct {
	// Changes has a change for each address of Emails, in their order. The addresses are in a
	// list of their own, so that an erasure replaces them as in any other record.
	Changes []RosterChange `json:"changes,omitempty"`
	// CreatedInstances has the names of the instances that were created.
	CreatedInstances []string `json:"createdInstances,omitempty"`
}

// RosterChange is what a roster changed for one person in one instance.
type RosterChange struct {
	Kind         RosterChangeKind     `json:"kind"`
	InstanceID   uuid.UUID            `json:"instanceId"`
	InstanceName string               `json:"instanceName"` // at the time
	Role         tenant.InstanceRole  `json:"role"`         // of the membership or the invitation, also of one that ended
	PreviousRole *tenant.InstanceRole `json:"previousRole,omitempty"`
	UserID       uuid.NullUUID        `json:"userId,omitzero"` // of a member
}

// RosterChangeKind says what a roster changed for a person.
type RosterChangeKind string

// The kinds of changes.
const (
	RosterRemoved     RosterChangeKind = "REMOVED" // the membership ended
	RosterRevoked     RosterChangeKind = "REVOKED" // the invitation
	RosterRoleChanged RosterChangeKind = "ROLE_CHANGED"
	RosterTakenOver   RosterChangeKind = "TAKEN_OVER"
	RosterInvited     RosterChangeKind = "INVITED"
)

// MaxRosterChanges is how many changes one record has.
const MaxRosterChanges = 1000

// NewRosterRecords returns the records of a roster: one or, of more than MaxRosterChanges
// changes, several. Of the changes, each is about the address at the same index. There are
// none where the roster has changed nothing.
func NewRosterRecords(actor access.Actor, space *tenant.Space, emails []string, changes []RosterChange, created []string) (records []Record) {
	for first := 0; first < len(changes) || first == 0 && len(created) > 0; first += MaxRosterChanges {
		last := min(first+MaxRosterChanges, len(changes))
		records = append(records, Record{Action: RosterSynced, Actor: actor, Target: OnSpace(space),
			Details: Details{Emails: emails[first:last], Roster: &Roster{changes[first:last], created}}})
		created = nil
	}
	return records
}

// String says what a roster changed, in English.
func (r *Roster) String() string {
	n := map[RosterChangeKind]int{}
	for _, c := range r.Changes {
		n[c.Kind]++
	}
	var changes []string
	for _, c := range []struct {
		n         int
		one, many string
	}{
		{n[RosterInvited], "1 invitation sent", "%d invitations sent"},
		{n[RosterRoleChanged], "1 role changed", "%d roles changed"},
		{n[RosterRemoved], "1 membership ended", "%d memberships ended"},
		{n[RosterRevoked], "1 invitation revoked", "%d invitations revoked"},
		{n[RosterTakenOver], "1 invitation taken over", "%d invitations taken over"},
		{len(r.CreatedInstances), "1 instance created", "%d instances created"},
	} {
		switch {
		case c.n == 1:
			changes = append(changes, c.one)
		case c.n > 1:
			changes = append(changes, fmt.Sprintf(c.many, c.n))
		}
	}
	return strings.Join(changes, ", ")
}

// Write adds records to the trail, in the transaction that changes the data. It
// fails where a record lacks something that its sentence names.
func Write(ctx context.Context, tx *postgres.Tx, records ...Record) error {
	if len(records) == 0 {
		return nil
	}
	var actors, spaces, instances, organizations postgres.UUIDs
	var actions, actorNames, spaceNames, instanceNames, organizationNames, details pq.StringArray
	for _, r := range records {
		text, err := r.DetailsJSON()
		if err != nil {
			return err
		}
		if r.Actor.Name == "" {
			r.Actor.Name = "DataHub"
		}
		actions, details = append(actions, string(r.Action)), append(details, text)
		actors, actorNames = append(actors, r.Actor.ID.UUID), append(actorNames, r.Actor.Name)
		spaces, spaceNames = append(spaces, r.Space.ID), append(spaceNames, r.Space.Name)
		instances, instanceNames = append(instances, r.Instance.ID), append(instanceNames, r.Instance.Name)
		organizations, organizationNames = append(organizations, r.Organization.ID), append(organizationNames, r.Organization.Name)
	}
	return tx.Later(ctx, `
		insert into audit_log (action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, organization_id, organization_name, details)
		select r.action, r.actor_id, r.actor_name, r.space_id, nullif(r.space_name, ''), r.instance_id, nullif(r.instance_name, ''),
		       r.organization_id, nullif(r.organization_name, ''), r.details::jsonb
		from unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::uuid[], $9::text[], $10::text[])
		     as r (action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, organization_id, organization_name, details)`,
		actions, actors, actorNames, spaces, spaceNames, instances, instanceNames, organizations, organizationNames, details)
}

// DetailsJSON returns the details as they are stored, for a statement that writes the
// record itself. It fails as Write does.
func (r Record) DetailsJSON() (string, error) {
	if err := r.validate(); err != nil {
		return "", err
	}
	text, err := json.Marshal(r.Details)
	return string(text), err
}

// validate fails where the trail has no sentence for the record, or the record lacks
// something that the sentence names.
func (r Record) validate() error {
	sentence, known := sentenceOf(r.Action, r.Request)
	if !known {
		return fmt.Errorf("audit: there is no sentence for %s %s: add it to sentences", r.Action, r.Request)
	}
	inOrganization := r.Space.Name == ""
	for placeholder, missing := range map[string]bool{
		"{space}":    r.Space.Name == "",
		"{place}":    r.Space.Name == "" && r.Organization.Name == "",
		"{user}":     r.UserName == "",
		"{emails}":   len(r.Emails) == 0,
		"{changes}":  r.Roster == nil,
		"{role}":     r.Role == nil && r.Instance.Name != "" || r.OrganizationRole == nil && inOrganization,
		"{previous}": r.PreviousRole == nil && r.PreviousOrganizationRole == nil,
	} {
		if missing && strings.Contains(sentence, placeholder) {
			return fmt.Errorf("audit: a record of %s %s lacks its %s", r.Action, r.Request, placeholder)
		}
	}
	return nil
}
