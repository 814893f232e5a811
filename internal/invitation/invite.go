package invitation

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// InviteOutcome says what inviting an address came to.
type InviteOutcome string

// The outcomes.
const (
	Invited        InviteOutcome = "INVITED"
	AlreadyInvited InviteOutcome = "ALREADY_INVITED"
	AlreadyMember  InviteOutcome = "ALREADY_MEMBER"
	RoleChanged    InviteOutcome = "ROLE_CHANGED"
	Duplicate      InviteOutcome = "DUPLICATE"
)

// InviteResult is what came of one address.
type InviteResult struct {
	Index        int                  `json:"-"`
	Email        string               `json:"-"`
	Outcome      InviteOutcome        `json:"outcome"`
	Role         *tenant.InstanceRole `json:"role,omitempty"`
	PreviousRole *tenant.InstanceRole `json:"previousRole,omitempty"`
	InvitationID globalid.ID          `json:"invitationId,omitzero"`
	Invitation   *Invitation          `json:"-"`
}

// InviteUsersPayload are what came of a Request: one for each address, in its order.
type InviteUsersPayload struct {
	Instance *tenant.Instance
	Results  []*InviteResult
}

// InviteSpaceAdministratorsPayload are what came of an InviteSpaceAdministratorsInput.
type InviteSpaceAdministratorsPayload struct {
	Space   *tenant.Space
	Results []*InviteResult
}

// Invite invites people to an instance: all of them or, where one address is
// not valid, nobody. It fails with NOT_FOUND, FORBIDDEN,
// IDEMPOTENCY_KEY_REUSED, INSTANCE_DISTRIBUTED, INSTANCE_DELETED, a RATE_LIMITED
// for every limit that is reached, or an INVALID_EMAIL for every address that is
// not valid.
func (s *Service) Invite(ctx context.Context, actor access.Actor, r InviteUsersInput) (InviteUsersPayload, error) {
	place, results, err := s.invite(ctx, actor, call{
		key:     idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: "inviteUsers", Input: r},
		place:   r.InstanceID.As(globalid.Instance),
		rule:    access.Inviting,
		role:    &r.Role,
		emails:  r.Emails,
		message: text.CleanMessage(r.Message),
	})
	return InviteUsersPayload{place.Instance, results}, err
}

// InviteAdministrators invites people to administrate a space, by the rules of
// Invite.
func (s *Service) InviteAdministrators(ctx context.Context, actor access.Actor, r InviteSpaceAdministratorsInput) (InviteSpaceAdministratorsPayload, error) {
	place, results, err := s.invite(ctx, actor, call{
		key:     idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: "inviteSpaceAdministrators", Input: r},
		place:   r.SpaceID.As(globalid.Space),
		rule:    access.Administering,
		emails:  r.Emails,
		message: text.CleanMessage(r.Message),
	})
	return InviteSpaceAdministratorsPayload{place.Space, results}, err
}

// call is a request to invite, wherever it leads.
type call struct {
	key     idempotency.Request
	place   globalid.ID
	rule    access.Rule
	role    *tenant.InstanceRole // nil: administrators of the space
	emails  []string
	message *string
}

// destination is where invitations lead: to an instance or, without one, to its
// space.
type destination struct {
	Space    *tenant.Space
	Instance *tenant.Instance
}

func destinationOf(p tenant.Place) destination {
	switch p := p.(type) {
	case *tenant.Instance:
		return destination{p.Space, p}
	case *tenant.Space:
		return destination{Space: p}
	}
	return destination{}
}

func (d destination) place() tenant.Place {
	if d.Instance != nil {
		return d.Instance
	}
	return d.Space
}

func (d destination) id() globalid.ID {
	if d.Instance != nil {
		return d.Instance.ID
	}
	return d.Space.ID
}

func (d destination) where() audit.Target {
	if d.Instance != nil {
		return audit.OnInstance(d.Instance)
	}
	return audit.OnSpace(d.Space)
}

// admit decides about kind and state of an instance; a space has none.
func (d destination) admit(ctx context.Context, q postgres.Querier, r access.Rule) error {
	if d.Instance == nil {
		return nil
	}
	return access.CheckState(ctx, q, d.Instance, r)
}

func (s *Service) invite(ctx context.Context, actor access.Actor, c call) (to destination, results []*InviteResult, err error) {
	invitees, faults, err := checkAddresses(ctx, c.emails, nobodyInvited)
	if err != nil {
		return to, nil, err
	}
	if len(faults) > 0 {
		return to, nil, s.refuse(ctx, actor, c, invitees, faults)
	}
	mails := 0
	results, err = idempotency.Run(ctx, s.DB, c.key, idempotency.Steps[[]*InviteResult]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) error {
			place, err := access.LockAndCheckRole[tenant.Place](ctx, tx, actor, c.place, c.rule, access.Shared)
			to = destinationOf(place)
			return err
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, results *[]*InviteResult) error {
			return replay(ctx, tx, to, *results, invitees)
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (results []*InviteResult, err error) {
			if err := to.admit(ctx, tx, c.rule); err != nil {
				return nil, err
			}
			results, mails, err = s.write(ctx, insertion{tx: tx, actor: actor, to: to, role: c.role, message: c.message}, invitees)
			return results, err
		},
	})
	if mails > 0 && err == nil {
		s.Outbox.Wake()
	}
	return to, results, err
}

// write writes invitations with all that goes with them, and gives the number of
// their mails. It fails with RATE_LIMITED.
func (s *Service) write(ctx context.Context, w insertion, invitees []invitee) (results []*InviteResult, mails int, err error) {
	w.ttl = s.Limits.TTL
	if results, mails, err = w.invite(ctx, invitees); err != nil {
		return nil, 0, err
	}
	// At the end, because others wait for it.
	charges := append(s.Limits.charges(w.actor, w.to.Space, len(invitees)), s.Limits.mailing("emails", letters(w.to, invitees, results))...)
	if err := ratelimit.Take(ctx, w.tx, charges...); err != nil {
		return nil, 0, err
	}
	if err := audit.Write(ctx, w.tx, inviteDeeds(w.actor, w.to, w.role, results)...); err != nil {
		return nil, 0, err
	}
	if s.CountOutcome != nil {
		for _, r := range results {
			s.CountOutcome(r.Outcome)
		}
	}
	return results, mails, nil
}

// refuse decides which error a request with addresses that are not valid gets:
// whatever else is wrong comes first.
func (s *Service) refuse(ctx context.Context, actor access.Actor, c call, invitees []invitee, faults fault.List) error {
	places, err := tenant.FindPlaces(ctx, s.DB, actor, []globalid.ID{c.place})
	if err != nil {
		return err
	}
	if err := access.CheckRole(ctx, s.DB, places[c.place], c.rule); err != nil {
		return err
	}
	if err := idempotency.CheckReuse(ctx, s.DB, c.key); err != nil {
		return err
	}
	to := destinationOf(places[c.place])
	if err := to.admit(ctx, s.DB, c.rule); err != nil {
		return err
	}
	if err := s.refuseOver(ctx, insertion{actor: actor, to: to}, len(c.emails), invitees); err != nil {
		return err
	}
	return faults
}

// replay completes results that were carried out before.
func replay(ctx context.Context, q postgres.Querier, to destination, results []*InviteResult, invitees []invitee) error {
	var ids []globalid.ID
	for i, r := range results {
		r.Index, r.Email = i, invitees[i].address.String()
		if r.InvitationID.Kind != "" {
			ids = append(ids, r.InvitationID)
		}
	}
	invitations, err := byID(ctx, q, ids)
	if err != nil {
		return err
	}
	for _, r := range results {
		r.Invitation = invitations[r.InvitationID].At(to.place())
	}
	return nil
}

func inviteDeeds(actor access.Actor, to destination, role *tenant.InstanceRole, results []*InviteResult) (deeds []audit.Record) {
	for _, did := range []struct {
		outcome InviteOutcome
		action  audit.Action
	}{{Invited, audit.InvitationSent}, {RoleChanged, audit.InvitationRoleChanged}} {
		var emails []string
		for _, r := range results {
			if r.Outcome == did.outcome {
				emails = append(emails, r.Email)
			}
		}
		if emails != nil {
			deeds = append(deeds, audit.Record{Action: did.action, Actor: actor, Target: to.where(), Details: audit.Details{Emails: emails, Role: role}})
		}
	}
	return deeds
}
