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
)

// WithdrawRequestInput takes back a request of one's own.
type WithdrawRequestInput struct {
	RequestID      globalid.ID `json:"requestId"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in WithdrawRequestInput) Validate() fault.List {
	return idempotency.ValidateKey(in.IdempotencyKey)
}

// Withdraw ends a request that the actor made. It fails with NOT_FOUND, FORBIDDEN
// for those who can answer it, or CONFLICT where the request has ended.
func (s *Service) Withdraw(ctx context.Context, actor access.Actor, in WithdrawRequestInput) (AnswerPayload, error) {
	return s.answer(ctx, actor, answer{
		key:         idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.WithdrawRequest.Field, Input: in},
		rule:        access.WithdrawRequest,
		requestID:   in.RequestID,
		lock:        access.Shared,
		byRequester: true,
		run: func(ctx context.Context, tx *postgres.Tx, r *row, _ tenant.Place) ([]*invitation.InviteResult, error) {
			return nil, s.end(ctx, tx, actor, r, ending{status: Withdrawn, action: audit.RequestWithdrawn})
		},
	})
}
