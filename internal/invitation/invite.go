package invitation

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/outbox"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// InviteUsersInput asks to invite people to an instance.
type InviteUsersInput struct {
	InstanceID     globalid.ID         `json:"instanceId"`
	Role           tenant.InstanceRole `json:"role"`
	Emails         []string            `json:"emails"` // as people type or paste them
	Message        *string             `json:"message"`
	Until          *time.Time          `json:"until,omitempty"` // of the memberships; nil: without an end
	IdempotencyKey *string             `json:"-"`
}

// InviteSpaceAdministratorsInput asks to invite people to administrate a space.
type InviteSpaceAdministratorsInput struct {
	SpaceID        globalid.ID `json:"spaceId"`
	Emails         []string    `json:"emails"` // as people type or paste them
	Message        *string     `json:"message"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in InviteUsersInput) Validate(l Limits) fault.List {
	return append(membership.ValidateUntil(in.Until), validateInvite(l, in.Emails, in.Message, in.IdempotencyKey)...)
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in InviteSpaceAdministratorsInput) Validate(l Limits) fault.List {
	return validateInvite(l, in.Emails, in.Message, in.IdempotencyKey)
}

func validateInvite(l Limits, emails []string, message, key *string) (faults fault.List) {
	faults = append(faults, l.ValidateEmails(emails, "input", "emails")...)
	faults = append(faults, text.CheckMessage(message, l.Message, "input", "message")...)
	return append(faults, idempotency.ValidateKey(key)...)
}

// InviteOutcome says what happened to one address of a request to invite.
type InviteOutcome string

// The outcomes.
const (
	Invited        InviteOutcome = "INVITED"
	AlreadyInvited InviteOutcome = "ALREADY_INVITED"
	AlreadyMember  InviteOutcome = "ALREADY_MEMBER"
	RoleChanged    InviteOutcome = "ROLE_CHANGED"
	Duplicate      InviteOutcome = "DUPLICATE"
	LeftAlone      InviteOutcome = "DECLINED" // of rosters: the person declined an invitation there
)

// InviteResult is the result for one address. The fields with a JSON name are
// remembered for repeated requests.
type InviteResult struct {
	Index        int                  `json:"-"`
	Email        string               `json:"-"`
	Outcome      InviteOutcome        `json:"outcome"`
	Role         *tenant.InstanceRole `json:"role,omitempty"`
	PreviousRole *tenant.InstanceRole `json:"previousRole,omitempty"`
	// The same where people are invited to an organization.
	OrganizationRole         *tenant.OrganizationRole `json:"organizationRole,omitempty"`
	PreviousOrganizationRole *tenant.OrganizationRole `json:"previousOrganizationRole,omitempty"`

	InvitationID globalid.ID `json:"invitationId,omitzero"`
	Invitation   *Invitation `json:"-"`
}

// InviteUsersPayload has one result for each address, in the order of the input.
type InviteUsersPayload struct {
	Instance *tenant.Instance
	Results  []*InviteResult
}

// InviteSpaceAdministratorsPayload has one result for each address, in the order
// of the input.
type InviteSpaceAdministratorsPayload struct {
	Space   *tenant.Space
	Results []*InviteResult
}

// Invite invites people to an instance: all of them or, where one address is not
// valid, nobody. It fails with NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED,
// SPACE_DELETED, INSTANCE_DISTRIBUTED, INSTANCE_DELETED, a RATE_LIMITED for every exceeded
// limit, or an INVALID_EMAIL for every address that is not valid; in this order.
func (s *Service) Invite(ctx context.Context, actor access.Actor, in InviteUsersInput) (InviteUsersPayload, error) {
	to, results, err := s.invite(ctx, inviteCall{
		actor:   actor,
		key:     idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.InviteUsers.Field, Input: in},
		placeID: in.InstanceID.As(globalid.Instance),
		rule:    access.InviteUsers,
		role:    in.Role.Role(),
		emails:  in.Emails,
		message: text.CleanMessage(in.Message),
		until:   in.Until,
	})
	return InviteUsersPayload{to.Instance, results}, err
}

// InviteAdministrators invites people to administrate a space. It fails as Invite
// does, except for the codes about instances.
func (s *Service) InviteAdministrators(ctx context.Context, actor access.Actor, in InviteSpaceAdministratorsInput) (InviteSpaceAdministratorsPayload, error) {
	to, results, err := s.invite(ctx, inviteCall{
		actor:   actor,
		key:     idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.InviteSpaceAdministrators.Field, Input: in},
		placeID: in.SpaceID.As(globalid.Space),
		rule:    access.InviteSpaceAdministrators,
		role:    tenant.SpaceAdministrator,
		emails:  in.Emails,
		message: text.CleanMessage(in.Message),
	})
	return InviteSpaceAdministratorsPayload{to.Space, results}, err
}

// inviteCall is a call of Invite, InviteAdministrators or InviteOrganizationMembers.
type inviteCall struct {
	actor   access.Actor
	key     idempotency.Request
	placeID globalid.ID
	rule    access.Rule
	role    tenant.Role
	emails  []string
	message *string
	until   *time.Time
}

func (s *Service) invite(ctx context.Context, c inviteCall) (to destination, results []*InviteResult, err error) {
	checked, err := checkOnce(ctx, c.placeID, c.emails)
	if err != nil {
		return to, nil, err
	}
	invitees := checked.invitees
	if len(checked.invalid) > 0 {
		return to, nil, s.refuseInvalid(ctx, c, checked)
	}
	// The function in the schema knows no end of memberships, which are rare.
	if c.placeID.Kind != globalid.Organization && c.until == nil {
		to, results, done, err := s.inviteNew(ctx, c, invitees)
		if done {
			s.count(results)
		}
		if done || err != nil {
			return to, results, err
		}
	}
	mailed := false
	results, err = idempotency.Run(ctx, s.DB, c.key, idempotency.Steps[[]*InviteResult]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) error {
			// Shared: others can invite here at the same time. Changes of members, and
			// the end of an invitation, lock the place exclusively and wait.
			place, err := access.LockAndCheckRole[tenant.Place](ctx, tx, c.actor, c.placeID, c.rule, access.Shared)
			to = destinationOf(place)
			return err
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, results *[]*InviteResult) error {
			return completeResults(ctx, tx, to, *results, invitees)
		},
		Do: func(ctx context.Context, tx *postgres.Tx) ([]*InviteResult, error) {
			if err := membership.CheckUntil(ctx, tx, c.until); err != nil {
				return nil, err
			}
			if err := to.checkState(ctx, tx, c.rule); err != nil {
				return nil, err
			}
			results, err := s.inviteTx(ctx, tx, s.newTerms(c), offer{to, c.role}, invitees)
			mailed = slices.ContainsFunc(results, (*InviteResult).mailed)
			return results, err
		},
	})
	if mailed && err == nil {
		s.queue(c.placeID.Kind).Wake()
	}
	return to, results, err
}

func (s *Service) newTerms(c inviteCall) terms {
	return terms{actor: c.actor, message: c.message, until: c.until, ttl: s.Limits.TTL}
}

// inviteTx invites people in a transaction that has locked the place and checked
// that the actor may invite there. It fails with RATE_LIMITED.
func (s *Service) inviteTx(ctx context.Context, tx *postgres.Tx, t terms, o offer, invitees []invitee) ([]*InviteResult, error) {
	members, err := findMembers(ctx, tx, o.to, invitees)
	if err != nil {
		return nil, err
	}
	candidates := newCandidates(o, invitees, members)
	for _, c := range candidates {
		c.refusalHash = refusalHash(s.HashKey, c.key)
	}
	if err := insertRows(ctx, tx, t, candidates); err != nil {
		return nil, err
	}
	if err := replaceRows(ctx, tx, t, candidates); err != nil {
		return nil, err
	}
	if err := enqueueMails(ctx, tx, candidates); err != nil {
		return nil, err
	}
	results := inviteResults(o.to, invitees, members, candidates)
	if err := audit.Write(ctx, tx, inviteRecords(t, o, results, candidates)...); err != nil {
		return nil, err
	}
	// Charge last: the counter rows stay locked until commit, and every other
	// invitation of the space queues behind them.
	charges := s.inviteCharges(t.actor, o.to.Space, len(invitees), "emails", recipientsOf(candidates))
	if t.link != uuid.Nil {
		charges = s.linkCharges(o, candidates)
	}
	if err := ratelimit.Take(ctx, tx, charges...); err != nil {
		return nil, err
	}
	s.count(results)
	return results, nil
}

// count counts outcomes.
func (s *Service) count(results []*InviteResult) {
	if s.CountOutcome != nil {
		for _, r := range results {
			s.CountOutcome(r.Outcome)
		}
	}
}

// findMembers returns the roles of those who are members of the instance, administrators
// of the space, or members of the organization, by the keys of the addresses that they
// hold.
func findMembers(ctx context.Context, q postgres.Querier, to destination, invitees []invitee) (map[string]tenant.Role, error) {
	if to.Space == nil {
		return findOrganizationMembers(ctx, q, to.Organization.ID, invitees)
	}
	keys := keysOf(invitees)
	held, err := membership.FindHolders(ctx, q, to.Space.ID, slices.Repeat(postgres.UUIDs{to.instanceID().UUID}, len(keys)), keys)
	if err != nil {
		return nil, err
	}
	members := make(map[string]tenant.Role, len(held))
	for _, h := range held {
		switch role := h.InstanceRole(); {
		case to.Instance == nil && h.Administrator:
			members[h.EmailKey] = tenant.SpaceAdministrator
		case to.Instance != nil && role != nil:
			members[h.EmailKey] = role.Role()
		}
	}
	return members, nil
}

// newCandidates returns a candidate for each address without membership.
func newCandidates(o offer, invitees []invitee, members map[string]tenant.Role) (candidates []*candidate) {
	for _, in := range distinct(invitees) {
		if _, member := members[in.key]; !member {
			candidates = append(candidates, newCandidate(in, o))
		}
	}
	return candidates
}

// enqueueMails queues a mail for each new or renewed invitation, except to people
// who refused invitations. The invitations lead to places of one kind.
func enqueueMails(ctx context.Context, tx *postgres.Tx, candidates []*candidate) error {
	var tasks []outbox.Task
	for _, c := range candidates {
		if c.mailed() {
			tasks = append(tasks, outbox.Task{Subject: c.row.ID, Instance: c.to.instanceID().UUID, Secret: c.token})
			c.row.mailRow = queuedMail
		}
	}
	if len(tasks) == 0 {
		return nil
	}
	return outbox.Enqueue(ctx, tx, mailKind(candidates[0].to.id().Kind), tasks)
}

// mailed reports whether a mail is sent.
func (c *candidate) mailed() bool { return c.outcome == Invited && !c.row.MailRefused }

// recipientsOf returns the addresses that enqueueMails queued a mail to.
func recipientsOf(candidates []*candidate) (mails []recipient) {
	for _, c := range candidates {
		if c.mailed() {
			mails = append(mails, recipient{c.to.Organization.ID, c.address.String(), c.key, c.first})
		}
	}
	return mails
}

func inviteResults(to destination, invitees []invitee, members map[string]tenant.Role, candidates []*candidate) []*InviteResult {
	byKey := make(map[string]*candidate, len(candidates))
	for _, c := range candidates {
		byKey[c.key] = c
	}
	results := make([]*InviteResult, len(invitees))
	for i, in := range invitees {
		r := &InviteResult{Index: i, Email: in.address.String()}
		results[i] = r
		if c := byKey[in.key]; c != nil {
			r.Outcome = c.outcome
			r.Role, r.OrganizationRole = instanceRole(c.row.Role), organizationRole(c.row.Role)
			if c.outcome == RoleChanged {
				r.PreviousRole, r.PreviousOrganizationRole = instanceRole(c.previousRole), organizationRole(c.previousRole)
			}
			r.InvitationID, r.Invitation = c.row.invitationID(), c.row.invitation()
			r.Invitation.place = to.place()
		} else {
			r.Outcome = AlreadyMember
			r.Role, r.OrganizationRole = instanceRole(members[in.key]), organizationRole(members[in.key])
		}
		if in.first < i {
			r.Outcome, r.PreviousRole, r.PreviousOrganizationRole = Duplicate, nil, nil
		}
	}
	return results
}

// mailed reports whether the address may be sent a mail.
func (r *InviteResult) mailed() bool { return r.Outcome == Invited }

// inviteRecords returns the audit records of a request: one for all new
// invitations, one for all changed ones, and one for all that were taken over.
func inviteRecords(t terms, o offer, results []*InviteResult, candidates []*candidate) (records []audit.Record) {
	if t.link != uuid.Nil {
		if results[0].Outcome == Invited {
			records = append(records, linkRecord(t, o, results[0].Email))
		}
		return records
	}
	for _, of := range []struct {
		outcome InviteOutcome
		action  audit.Action
	}{{Invited, audit.InvitationSent}, {RoleChanged, audit.InvitationRoleChanged}} {
		var emails []string
		for _, r := range results {
			if r.Outcome == of.outcome {
				emails = append(emails, r.Email)
			}
		}
		records = appendRecord(records, t, o, of.action, emails)
	}
	var takenOver []string
	for _, c := range candidates {
		if c.takenOver {
			takenOver = append(takenOver, c.row.Email)
		}
	}
	return appendRecord(records, t, o, audit.InvitationTakenOver, takenOver)
}

// appendRecord adds a record about some addresses; none where there are none.
func appendRecord(records []audit.Record, t terms, o offer, action audit.Action, emails []string) []audit.Record {
	if emails == nil {
		return records
	}
	return append(records, audit.Record{Action: action, Actor: t.actor, Target: o.to.auditTarget(), Details: details(o.role, emails...)})
}

// completeResults adds what is not remembered to the results of an earlier
// request.
func completeResults(ctx context.Context, q postgres.Querier, to destination, results []*InviteResult, invitees []invitee) error {
	var ids []globalid.ID
	for i, r := range results {
		r.Index, r.Email = i, invitees[i].address.String()
		if r.InvitationID.Kind != "" {
			ids = append(ids, r.InvitationID)
		}
	}
	invitations, err := findInvitations(ctx, q, ids)
	if err != nil {
		return err
	}
	for _, r := range results {
		r.Invitation = invitations[r.InvitationID].WithPlace(to.place())
	}
	return nil
}

// RequestedInvitations are invitations that a person without the right to invite
// has requested.
type RequestedInvitations struct {
	Requester tenant.User
	Instance  *tenant.Instance
	Role      tenant.InstanceRole
	Emails    []string
	Message   *string // from the requester; nil: none
}

// InviteOnBehalf invites, in the actor's name, the people of an approved request.
// The transaction has locked the instance and checked that the actor may invite.
// Wake Outbox after its commit. It fails with INSTANCE_DISTRIBUTED, SPACE_DELETED,
// INSTANCE_DELETED, INVALID_EMAIL or RATE_LIMITED.
func (s *Service) InviteOnBehalf(ctx context.Context, tx *postgres.Tx, actor access.Actor, r RequestedInvitations) ([]*InviteResult, error) {
	if err := access.CheckState(ctx, tx, r.Instance, access.InviteUsers); err != nil {
		return nil, err
	}
	invitees, invalid, err := checkAddresses(ctx, r.Emails, nobodyInvited)
	if err != nil {
		return nil, err
	}
	if len(invalid) > 0 {
		return nil, invalid
	}
	t := terms{actor: actor, requester: &r.Requester, message: r.Message, ttl: s.Limits.TTL}
	return s.inviteTx(ctx, tx, t, offer{destinationOf(r.Instance), r.Role.Role()}, invitees)
}

// ReplayOnBehalf adds what is not remembered to the results of an earlier
// InviteOnBehalf.
func (s *Service) ReplayOnBehalf(ctx context.Context, q postgres.Querier, r RequestedInvitations, results []*InviteResult) error {
	invitees, _, err := checkAddresses(ctx, r.Emails, nobodyInvited)
	if err != nil {
		return err
	}
	return completeResults(ctx, q, destinationOf(r.Instance), results, invitees)
}

func keysOf(invitees []invitee) pq.StringArray {
	keys := make(pq.StringArray, len(invitees))
	for i, in := range invitees {
		keys[i] = in.key
	}
	return keys
}
