package request

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// RequestInvitationsInput asks for people to be invited to an instance.
type RequestInvitationsInput struct {
	InstanceID     globalid.ID         `json:"instanceId"`
	Role           tenant.InstanceRole `json:"role"`
	Emails         []string            `json:"emails"` // as people type or paste them
	Message        *string             `json:"message"`
	IdempotencyKey *string             `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in RequestInvitationsInput) Validate(l invitation.Limits) fault.List {
	return append(l.ValidateEmails(in.Emails, "input", "emails"), validateMessageAndKey(l, in.Message, in.IdempotencyKey)...)
}

// RequestInvitations asks the administrators of the space to invite people. It
// fails with NOT_FOUND, INSTANCE_DISTRIBUTED, INSTANCE_DELETED, CONFLICT
// (NOT_NEEDED) where the actor can invite people, RATE_LIMITED, or an
// INVALID_EMAIL for every address that is not valid.
func (s *Service) RequestInvitations(ctx context.Context, actor access.Actor, in RequestInvitationsInput) (RequestPayload, error) {
	emails, invalid, err := invitation.CheckAddresses(ctx, in.Emails, nobodyAsked)
	if err != nil {
		return RequestPayload{}, err
	}
	return s.ask(ctx, actor, draft{
		key:     idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.RequestInvitations.Field, Input: in},
		rule:    access.RequestInvitations,
		kind:    Invitations,
		placeID: in.InstanceID.As(globalid.Instance),
		role:    new(in.Role.Role()),
		emails:  emails,
		invalid: invalid,
		message: text.CleanMessage(in.Message),
	})
}
