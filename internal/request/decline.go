package request

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// DeclineRequestInput declines a request.
type DeclineRequestInput struct {
	RequestID      globalid.ID `json:"requestId"`
	Message        *string     `json:"message"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in DeclineRequestInput) Validate(l invitation.Limits) fault.List {
	return validateMessageAndKey(l, in.Message, in.IdempotencyKey)
}

// Decline ends a request without doing what it asks for. It fails with NOT_FOUND,
// FORBIDDEN, or CONFLICT where the request has ended.
func (s *Service) Decline(ctx context.Context, actor access.Actor, in DeclineRequestInput) (AnswerPayload, error) {
	return s.answer(ctx, actor, answer{
		key:       idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.DeclineRequest.Field, Input: in},
		rule:      access.DeclineRequest,
		requestID: in.RequestID,
		lock:      access.Shared,
		run: func(ctx context.Context, tx *postgres.Tx, r *row, _ tenant.Place) ([]*invitation.InviteResult, error) {
			return nil, s.end(ctx, tx, actor, r, ending{status: Declined, action: audit.RequestDeclined, answer: text.CleanMessage(in.Message)})
		},
	})
}
