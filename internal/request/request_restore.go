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

// RequestRestoreInput asks for a deleted instance or space to be restored.
type RequestRestoreInput struct {
	// SpaceID is left out of remembered inputs where it is not given: gateways that did not
	// know it remembered none.
	SpaceID        *globalid.ID `json:"spaceId,omitempty"`
	InstanceID     *globalid.ID `json:"instanceId,omitempty"`
	Message        *string      `json:"message"`
	IdempotencyKey *string      `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in RequestRestoreInput) Validate(l invitation.Limits) (faults fault.List) {
	if (in.SpaceID == nil) == (in.InstanceID == nil) {
		faults = append(faults, fault.Input("Give either spaceId or instanceId, and not both.", "input"))
	}
	return append(faults, validateMessageAndKey(l, in.Message, in.IdempotencyKey)...)
}

// RequestRestore asks the editors of a deleted instance and the administrators of its
// space to restore it, or the administrators of a deleted space and the managers of its
// organization to restore that. It fails with NOT_FOUND, SPACE_DELETED for an instance of a
// deleted space, RESTORE_WINDOW_EXPIRED, CONFLICT (NOT_NEEDED) where the place is not
// deleted or the actor can restore it, or RATE_LIMITED.
func (s *Service) RequestRestore(ctx context.Context, actor access.Actor, in RequestRestoreInput) (RequestPayload, error) {
	var placeID globalid.ID
	if in.SpaceID != nil {
		placeID = in.SpaceID.As(globalid.Space)
	} else {
		placeID = in.InstanceID.As(globalid.Instance)
	}
	return s.ask(ctx, actor, draft{
		key:     idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.RequestRestore.Field, Input: in},
		rule:    access.RequestRestore,
		kind:    Restore,
		placeID: placeID,
		message: text.CleanMessage(in.Message),
	})
}
