// Package invitation invites people to instances by e-mail.
package invitation

import (
	"context"
	"io"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/enum"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// Status says what has become of an invitation.
type Status string

// The statuses. An expired invitation is a pending one whose time is over.
const (
	Pending  Status = "PENDING"
	Accepted Status = "ACCEPTED"
	Declined Status = "DECLINED"
	Revoked  Status = "REVOKED"
	Expired  Status = "EXPIRED"
)

// MarshalGQL writes the schema's enum InvitationStatus.
func (s Status) MarshalGQL(w io.Writer) { enum.Write(w, s) }

// UnmarshalGQL reads the schema's enum InvitationStatus.
func (s *Status) UnmarshalGQL(v any) (err error) {
	*s, err = enum.Read(v, Pending, Accepted, Declined, Revoked, Expired)
	return err
}

// Invitation asks the person of an address to become a member.
type Invitation struct {
	ID        globalid.ID
	Email     string
	Role      access.InstanceRole
	Status    Status
	Instance  *access.Instance
	Message   *string
	InvitedBy *fault.Contact
	CreatedAt time.Time
	ExpiresAt time.Time
}

// InstanceName is the name of the instance that the invitation is for.
func (i *Invitation) InstanceName() *string { return &i.Instance.Name }

// Space tells of the space what an invited person may know.
func (i *Invitation) Space() *SpaceSummary {
	return &SpaceSummary{i.Instance.Space.Name, i.Instance.Space.Organization.Name}
}

// SpaceSummary is a space as somebody sees it who has no role in it yet.
type SpaceSummary struct{ Name, OrganizationName string }

// Outcome says what inviting an address came to.
type Outcome string

// The outcomes.
const (
	Invited        Outcome = "INVITED"
	AlreadyInvited Outcome = "ALREADY_INVITED"
	AlreadyMember  Outcome = "ALREADY_MEMBER"
	RoleChanged    Outcome = "ROLE_CHANGED"
	Duplicate      Outcome = "DUPLICATE"
)

// Result is what came of one address.
type Result struct {
	Index        int                  `json:"-"`
	Email        string               `json:"-"`
	Outcome      Outcome              `json:"outcome"`
	Role         *access.InstanceRole `json:"role,omitempty"`
	PreviousRole *access.InstanceRole `json:"previousRole,omitempty"`
	InvitationID globalid.ID          `json:"invitationId,omitzero"`
	Invitation   *Invitation          `json:"-"`
}

// Results are what came of a Request: one for each address, in its order.
type Results struct {
	Instance *access.Instance
	Results  []*Result
}

// Service invites people.
type Service struct {
	DB     *postgres.DB
	Outbox *outbox.Queue // of mails
	Limits Limits
}

// Limits bound a request.
type Limits struct {
	Emails  int           // addresses in a request
	Message int           // characters of a message
	TTL     time.Duration // of an invitation
}

// Invite invites people to an instance: all of them or, where one address is
// not valid, nobody. It fails with NOT_FOUND, FORBIDDEN,
// IDEMPOTENCY_KEY_REUSED, INSTANCE_DISTRIBUTED, INSTANCE_DELETED, or an
// INVALID_EMAIL for every address that is not valid.
func (s *Service) Invite(ctx context.Context, actor access.Actor, r Request) (Results, error) {
	key := idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: "inviteUsers", Input: r}
	invitees, faults, err := judge(ctx, r.Emails)
	if err != nil {
		return Results{}, err
	}
	if len(faults) > 0 {
		return Results{}, s.refuse(ctx, actor, r, key, faults)
	}

	var results Results
	mails := 0
	err = s.DB.InTx(ctx, func(tx *postgres.Tx) error {
		claim, err := idempotency.NewClaim(ctx, tx, key)
		if err != nil {
			return err
		}
		instance, err := access.Hold(ctx, tx, actor, r.InstanceID, access.Inviting, access.Shared)
		if err != nil {
			return err
		}
		results = Results{instance, nil}
		if answered, err := claim.Answered(&results.Results); err != nil {
			return err
		} else if answered {
			return recall(ctx, tx, &results, invitees)
		}
		if err := access.Admit(ctx, tx, instance, access.Inviting); err != nil {
			return err
		}
		w := writing{tx, actor, instance, r, s.Limits.TTL}
		if results.Results, mails, err = w.invite(ctx, invitees); err != nil {
			return err
		}
		if err := audit.Record(ctx, tx, trail(actor, instance, r, results.Results)); err != nil {
			return err
		}
		return claim.Record(ctx, tx, results.Results)
	})
	if err != nil {
		return Results{}, err
	}
	if mails > 0 {
		s.Outbox.Wake()
	}
	return results, nil
}

// refuse decides which error a request with addresses that are not valid gets:
// whatever else is wrong comes first.
func (s *Service) refuse(ctx context.Context, actor access.Actor, r Request, key idempotency.Request, faults fault.List) error {
	instance, err := access.FindInstance(ctx, s.DB, actor, r.InstanceID)
	if err != nil {
		return err
	}
	if err := access.Permit(ctx, s.DB, instance, access.Inviting); err != nil {
		return err
	}
	if err := idempotency.Refuse(ctx, s.DB, key); err != nil {
		return err
	}
	if err := access.Admit(ctx, s.DB, instance, access.Inviting); err != nil {
		return err
	}
	return faults
}

// recall completes results that were carried out before.
func recall(ctx context.Context, q postgres.Querier, results *Results, invitees []invitee) error {
	var ids []globalid.ID
	for k, r := range results.Results {
		r.Index, r.Email = k, invitees[k].address.String()
		if r.InvitationID.Kind != "" {
			ids = append(ids, r.InvitationID)
		}
	}
	invitations, err := byID(ctx, q, results.Instance, ids)
	if err != nil {
		return err
	}
	for _, r := range results.Results {
		r.Invitation = invitations[r.InvitationID]
	}
	return nil
}

func trail(actor access.Actor, instance *access.Instance, r Request, results []*Result) audit.Entry {
	emails := map[Outcome][]string{}
	for _, result := range results {
		emails[result.Outcome] = append(emails[result.Outcome], result.Email)
	}
	return audit.Entry{
		Action:   "invitation.sent",
		Actor:    actor,
		Instance: instance,
		Details:  map[string]any{"role": r.Role, "invited": emails[Invited], "roleChanged": emails[RoleChanged]},
	}
}
