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

// RequestRoleInput asks for a role: to administrate a space, or to be an editor or
// a viewer of an instance. A space can also be named by one of its instances.
type RequestRoleInput struct {
	SpaceID        *globalid.ID `json:"spaceId"`
	InstanceID     *globalid.ID `json:"instanceId"`
	Role           tenant.Role  `json:"role"`
	Message        *string      `json:"message"`
	IdempotencyKey *string      `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in RequestRoleInput) Validate(l invitation.Limits) (faults fault.List) {
	heldIn := in.Role.HeldIn()
	switch {
	case (in.SpaceID == nil) == (in.InstanceID == nil):
		faults = append(faults, fault.Input("Give either spaceId or instanceId, and not both.", "input"))
	case heldIn == globalid.Organization:
		faults = append(faults, fault.Input("Roles in an organization cannot be requested.", "input", "role"))
	case heldIn == globalid.Instance && in.InstanceID == nil:
		faults = append(faults, fault.Input("This is a role in an instance: give instanceId.", "input", "role"))
	}
	return append(faults, validateMessageAndKey(l, in.Message, in.IdempotencyKey)...)
}

// RequestRole asks the administrators of the space for a role. It fails with
// NOT_FOUND, INSTANCE_DISTRIBUTED, INSTANCE_DELETED, CONFLICT (NOT_NEEDED) where
// the actor has the role, or RATE_LIMITED.
func (s *Service) RequestRole(ctx context.Context, actor access.Actor, in RequestRoleInput) (RequestPayload, error) {
	var placeID globalid.ID
	if in.SpaceID != nil {
		placeID = in.SpaceID.As(globalid.Space)
	} else {
		placeID = in.InstanceID.As(globalid.Instance)
	}
	return s.ask(ctx, actor, draft{
		key:     idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.RequestRole.Field, Input: in},
		rule:    access.RequestRole,
		kind:    Role,
		placeID: placeID,
		role:    &in.Role,
		message: text.CleanMessage(in.Message),
	})
}
