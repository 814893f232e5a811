package request

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// RequestRestoreInput asks for a deleted instance to be restored.
type RequestRestoreInput struct {
	InstanceID     globalid.ID `json:"instanceId"`
	Message        *string     `json:"message"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in RequestRestoreInput) Validate(l invitation.Limits) fault.List {
	return validateMessageAndKey(l, in.Message, in.IdempotencyKey)
}

// RequestRestore asks the editors of a deleted instance and the administrators of
// its space to restore it. It fails with NOT_FOUND, RESTORE_WINDOW_EXPIRED,
// CONFLICT (NOT_NEEDED) where the instance is not deleted or the actor can restore
// it, or RATE_LIMITED.
func (s *Service) RequestRestore(ctx context.Context, actor access.Actor, in RequestRestoreInput) (RequestPayload, error) {
	return s.ask(ctx, actor, draft{
		key:     idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.RequestRestore.Field, Input: in},
		rule:    access.RequestRestore,
		kind:    Restore,
		placeID: in.InstanceID.As(globalid.Instance),
		message: text.CleanMessage(in.Message),
	})
}
