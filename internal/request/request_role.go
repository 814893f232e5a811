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
	SpaceID    *globalid.ID `json:"spaceId"`
	InstanceID *globalid.ID `json:"instanceId"`
	// OrganizationID is left out of remembered inputs where it is not given: gateways that
	// did not know it remembered none.
	OrganizationID *globalid.ID `json:"organizationId,omitempty"`
	Role           tenant.Role  `json:"role"`
	Message        *string      `json:"message"`
	IdempotencyKey *string      `json:"-"`
}

// placeID returns the id of the place, of the kind that the input says; false where not
// exactly one is given.
func (in RequestRoleInput) placeID() (id globalid.ID, one bool) {
	given := 0
	for kind, place := range map[globalid.Kind]*globalid.ID{globalid.Space: in.SpaceID, globalid.Instance: in.InstanceID, globalid.Organization: in.OrganizationID} {
		if place != nil {
			id, given = place.As(kind), given+1
		}
	}
	return id, given == 1
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in RequestRoleInput) Validate(l invitation.Limits) (faults fault.List) {
	heldIn := in.Role.HeldIn()
	switch _, one := in.placeID(); {
	case !one:
		faults = append(faults, fault.Input("Give one of spaceId, instanceId and organizationId.", "input"))
	case in.Role == tenant.OrganizationMember:
		faults = append(faults, fault.Input("Ask for ORGANIZATION_FACULTY or ORGANIZATION_MANAGER: a plain member of an organization can do nothing more there.", "input", "role"))
	case heldIn == globalid.Organization && in.OrganizationID == nil:
		faults = append(faults, fault.Input("This is a role in an organization: give organizationId.", "input", "role"))
	case heldIn != globalid.Organization && in.OrganizationID != nil:
		faults = append(faults, fault.Input("This is no role in an organization: give spaceId or instanceId.", "input", "role"))
	case heldIn == globalid.Instance && in.InstanceID == nil:
		faults = append(faults, fault.Input("This is a role in an instance: give instanceId.", "input", "role"))
	}
	return append(faults, validateMessageAndKey(l, in.Message, in.IdempotencyKey)...)
}

// RequestRole asks the administrators of the space, or the managers of the organization,
// for a role. It fails with NOT_FOUND, SPACE_DELETED, INSTANCE_DISTRIBUTED, INSTANCE_DELETED, CONFLICT
// (NOT_NEEDED) where the actor has the role, or RATE_LIMITED.
func (s *Service) RequestRole(ctx context.Context, actor access.Actor, in RequestRoleInput) (RequestPayload, error) {
	placeID, _ := in.placeID()
	return s.ask(ctx, actor, draft{
		key:     idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.RequestRole.Field, Input: in},
		rule:    access.RequestRole,
		kind:    Role,
		placeID: placeID,
		role:    &in.Role,
		message: text.CleanMessage(in.Message),
	})
}
