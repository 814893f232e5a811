package invitation

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// InviteOrganizationMembersInput asks to invite people to an organization.
type InviteOrganizationMembersInput struct {
	OrganizationID globalid.ID             `json:"organizationId"`
	Role           tenant.OrganizationRole `json:"role"`
	Emails         []string                `json:"emails"` // as people type or paste them
	Message        *string                 `json:"message"`
	IdempotencyKey *string                 `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in InviteOrganizationMembersInput) Validate(l Limits) fault.List {
	return validateInvite(l, in.Emails, in.Message, in.IdempotencyKey)
}

// InviteOrganizationMembersPayload has one result for each address, in the order of the
// input.
type InviteOrganizationMembersPayload struct {
	Organization *tenant.Organization
	Results      []*InviteResult
}

// InviteOrganizationMembers invites people to an organization, as managers, faculty or
// members. It fails as Invite does, except for the codes about instances.
func (s *Service) InviteOrganizationMembers(ctx context.Context, actor access.Actor, in InviteOrganizationMembersInput) (InviteOrganizationMembersPayload, error) {
	to, results, err := s.invite(ctx, inviteCall{
		actor:   actor,
		key:     idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.InviteOrganizationMembers.Field, Input: in},
		placeID: in.OrganizationID.As(globalid.Organization),
		rule:    access.InviteOrganizationMembers,
		role:    in.Role.Role(),
		emails:  in.Emails,
		message: text.CleanMessage(in.Message),
	})
	return InviteOrganizationMembersPayload{to.Organization, results}, err
}

// findOrganizationMembers returns the roles of those who are members of an organization,
// by the keys of the addresses that they hold.
func findOrganizationMembers(ctx context.Context, q postgres.Querier, organization globalid.ID, invitees []invitee) (map[string]tenant.Role, error) {
	var rows []struct {
		EmailKey string                  `db:"email_key"`
		Role     tenant.OrganizationRole `db:"role"`
	}
	err := q.Select(ctx, &rows, `
		select e.email_key, m.role
		from unnest($2::text[]) as e (email_key)
		cross join lateral (select h.account_id from address_holder h where h.email_key = e.email_key limit 1) h
		cross join lateral (select m.role from organization_member m where m.organization_id = $1 and m.account_id = h.account_id limit 1) m`,
		organization.UUID, keysOf(invitees))
	members := make(map[string]tenant.Role, len(rows))
	for _, r := range rows {
		members[r.EmailKey] = r.Role.Role()
	}
	return members, err
}

// readInvalidInOrganization is readInvalid for an organization, in three statements.
func (s *Service) readInvalidInOrganization(ctx context.Context, actor access.Actor, checked checkedAddresses, key *string) (tenant.Place, *invalidReading, error) {
	var reading invalidReading
	place, err := access.FindPlace(ctx, s.DB, actor, checked.placeID)
	if err != nil || !access.InviteOrganizationMembers.Allows(place) {
		return place, &reading, err
	}
	if key != nil {
		if reading.KeyKnown, err = idempotency.Known(ctx, s.DB, actor, *key); err != nil {
			return nil, nil, err
		}
	}
	mails := possibleMails(checked.placeID, checked.invitees)
	reading.Excess, err = ratelimit.FindExcess(ctx, s.DB, s.inviteCharges(actor, nil, len(checked.invitees), "emails", mails)...)
	return place, &reading, err
}
