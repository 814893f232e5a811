package membership

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// LeaveInstanceInput asks to end one's own role in an instance.
type LeaveInstanceInput struct {
	InstanceID     globalid.ID `json:"instanceId"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns what is wrong with the form of the input.
func (in LeaveInstanceInput) Validate() fault.List { return idempotency.ValidateKey(in.IdempotencyKey) }

// LeaveInstancePayload is the result of leaving an instance.
type LeaveInstancePayload struct {
	Left bool `json:"left"` // false: the person had no role of their own there
}

// Leave ends the actor's own role in an instance, and the pending invitations to them
// there. What they see of it as an
// administrator of the space or a manager of the organization, they still see. It
// fails with NOT_FOUND, or with CONFLICT for the last administrator of the space.
func (s *Service) Leave(ctx context.Context, actor access.Actor, in LeaveInstanceInput) (LeaveInstancePayload, error) {
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.LeaveInstance.Field, Input: in}
	// There is no step Authorize: a person who has left may not know of the
	// instance any more, but gets the answer when they send the request again.
	return idempotency.Run(ctx, s.DB, key, idempotency.Steps[LeaveInstancePayload]{
		Do: func(ctx context.Context, tx *postgres.Tx) (LeaveInstancePayload, error) {
			instance, err := access.LockAndCheckRole[*tenant.Instance](ctx, tx, actor, in.InstanceID, access.LeaveInstance, access.Exclusive)
			if err != nil {
				return LeaveInstancePayload{}, err
			}
			left, err := endInInstance(ctx, tx, actor, instance, actor.ID, audit.MemberLeft)
			if !left || err != nil {
				return LeaveInstancePayload{}, err
			}
			_, err = s.endInvitations(ctx, tx, actor, EndedRoles{User: actor.ID, Place: instance})
			return LeaveInstancePayload{Left: true}, err
		},
	})
}
