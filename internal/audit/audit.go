// Package audit keeps the trail of who did what in a space, and when. The trail
// is append-only: its rows hold names beside ids, so that they outlive what
// they tell of.
package audit

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Action is what was done.
type Action string

// The actions.
const (
	SpaceCreated          Action = "SPACE_CREATED"
	InstanceCreated       Action = "INSTANCE_CREATED"
	InstanceDeleted       Action = "INSTANCE_DELETED"
	InstanceRestored      Action = "INSTANCE_RESTORED"
	InstancePurged        Action = "INSTANCE_PURGED"
	InvitationSent        Action = "INVITATION_SENT"
	InvitationRoleChanged Action = "INVITATION_ROLE_CHANGED"
	InvitationResent      Action = "INVITATION_RESENT"
	InvitationRevoked     Action = "INVITATION_REVOKED"
	InvitationAccepted    Action = "INVITATION_ACCEPTED"
	InvitationDeclined    Action = "INVITATION_DECLINED"
	MemberRoleChanged     Action = "MEMBER_ROLE_CHANGED"
	MemberRemoved         Action = "MEMBER_REMOVED"
	MemberLeft            Action = "MEMBER_LEFT"
	RoleGranted           Action = "ROLE_GRANTED"
	RequestMade           Action = "REQUEST_MADE"
	RequestApproved       Action = "REQUEST_APPROVED"
	RequestDeclined       Action = "REQUEST_DECLINED"
	RequestWithdrawn      Action = "REQUEST_WITHDRAWN"
	RequestExpired        Action = "REQUEST_EXPIRED"
)

// Actions are all of them.
var Actions = []Action{
	SpaceCreated, InstanceCreated, InstanceDeleted, InstanceRestored, InstancePurged,
	InvitationSent, InvitationRoleChanged, InvitationResent, InvitationRevoked, InvitationAccepted, InvitationDeclined,
	MemberRoleChanged, MemberRemoved, MemberLeft, RoleGranted,
	RequestMade, RequestApproved, RequestDeclined, RequestWithdrawn, RequestExpired,
}

// Record is what somebody did.
type Record struct {
	Action Action
	Actor  access.Actor // zero: the gateway itself, in the course of time
	Target
	Details
}

// Target is the space in which something was done and, where it was done to one,
// the instance.
type Target struct{ Space, Instance Name }

// Name is an id with the name that it had then.
type Name struct {
	ID   uuid.UUID
	Name string
}

// OnSpace is somewhere in a space.
func OnSpace(s *tenant.Space) Target { return Target{Space: Name{s.ID.UUID, s.Name}} }

// OnInstance is something done to an instance.
func OnInstance(i *tenant.Instance) Target {
	return Target{Name{i.Space.ID.UUID, i.Space.Name}, Name{i.ID.UUID, i.Name}}
}

// Details are what more there is to say.
type Details struct {
	Emails       []string             `json:"emails,omitempty"`     // of invitations
	MoreEmails   int                  `json:"moreEmails,omitempty"` // that are not named
	Role         *tenant.InstanceRole `json:"role,omitempty"`
	PreviousRole *tenant.InstanceRole `json:"previousRole,omitempty"`
	UserID       uuid.NullUUID        `json:"userId,omitzero"` // to whom it was done
	UserName     string               `json:"userName,omitempty"`
	Request      string               `json:"request,omitempty"` // its kind
}

// Write adds records to the trail, in the transaction that changes the data.
func Write(ctx context.Context, tx *postgres.Tx, deeds ...Record) error {
	if len(deeds) == 0 {
		return nil
	}
	var actors, spaces, instances postgres.UUIDs
	var actions, actorNames, spaceNames, instanceNames, details pq.StringArray
	for _, d := range deeds {
		if d.Actor.Name == "" {
			d.Actor.Name = "DataHub"
		}
		b, err := json.Marshal(d.Details)
		if err != nil {
			return err
		}
		actions, details = append(actions, string(d.Action)), append(details, string(b))
		actors, actorNames = append(actors, d.Actor.ID.UUID), append(actorNames, d.Actor.Name)
		spaces, spaceNames = append(spaces, d.Space.ID), append(spaceNames, d.Space.Name)
		instances, instanceNames = append(instances, d.Instance.ID), append(instanceNames, d.Instance.Name)
	}
	_, err := tx.Exec(ctx, `
		insert into audit_log (action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, details)
		select d.action, d.actor_id, d.actor_name, d.space_id, d.space_name, d.instance_id, nullif(d.instance_name, ''), d.details::jsonb
		from unnest($1::text[], $2::uuid[], $3::text[], $4::uuid[], $5::text[], $6::uuid[], $7::text[], $8::text[])
		     as d (action, actor_id, actor_name, space_id, space_name, instance_id, instance_name, details)`,
		actions, actors, actorNames, spaces, spaceNames, instances, instanceNames, details)
	return err
}
