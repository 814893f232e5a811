package request

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// RequestReaddressingInput asks for an invitation at the address of the actor's account.
type RequestReaddressingInput struct {
	Token          string  `json:"token"`
	Message        *string `json:"message"`
	IdempotencyKey *string `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in RequestReaddressingInput) Validate(l invitation.Limits) fault.List {
	return validateMessageAndKey(l, in.Message, in.IdempotencyKey)
}

// RequestReaddressing asks the administrators of the space to send the invitation of a
// mail's token to the address of the actor's account, which was not invited. The request
// ends with the invitation. It fails with INVITATION_NOT_USABLE, CONFLICT (NOT_NEEDED)
// where the actor needs no other invitation, or RATE_LIMITED.
func (s *Service) RequestReaddressing(ctx context.Context, actor access.Actor, in RequestReaddressingInput) (payload RequestPayload, err error) {
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.RequestReaddressing.Field, Input: in}
	read := func(ctx context.Context, tx *postgres.Tx, result *remembered) (err error) {
		payload, err = result.read(ctx, tx)
		return err
	}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[remembered]{
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (result remembered, err error) {
			wanted, err := s.Invitations.FindReaddressing(ctx, tx, actor, in.Token)
			if err != nil {
				return result, err
			}
			result.RequestID, result.Created, err = s.findOrInsert(ctx, tx, actor, wanted.Place, draft{
				kind: Address, emails: []string{wanted.From, wanted.To}, invitation: &wanted.InvitationID, message: text.CleanMessage(in.Message)})
			if err != nil {
				return result, err
			}
			if err := read(ctx, tx, &result); err != nil || !result.Created {
				return result, err
			}
			r := payload.Request.row
			notified, err := notifyAnswerers(ctx, tx, r)
			if err != nil {
				return result, err
			}
			if notified == 0 {
				return result, s.Invitations.AskToInvite(ctx, tx, actor, wanted)
			}
			return result, audit.Write(ctx, tx, r.auditRecord(audit.RequestMade, actor))
		},
	})
	if err = s.Invitations.ChargeUnknownToken(ctx, actor, err); err != nil {
		return RequestPayload{}, err
	}
	if payload.Created {
		s.Outbox.Wake()
	}
	return payload, nil
}
