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
// there. What they see of it as an administrator of the space or a manager of the
// organization, they still see. It fails with NOT_FOUND, or with CONFLICT for the last
// administrator of the space.
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
			// Who keeps the role of the last administrator would keep that of an editor here.
			if err := first(obstacleOfLastAdministrator(ctx, tx, instance.Space, actor.ID)); err != nil {
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

// LeaveOrganizationInput asks to end one's own roles in an organization.
type LeaveOrganizationInput struct {
	OrganizationID globalid.ID `json:"organizationId"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns what is wrong with the form of the input.
func (in LeaveOrganizationInput) Validate() fault.List {
	return idempotency.ValidateKey(in.IdempotencyKey)
}

// LeaveOrganizationPayload is the result of leaving an organization.
type LeaveOrganizationPayload struct {
	Left bool `json:"left"`
	// RevokedInvitationCount is the number of pending invitations that were revoked.
	RevokedInvitationCount int `json:"revokedInvitationCount,omitempty"`
}

// LeaveOrganization ends the actor's own roles in an organization, its spaces and their
// instances, as a removal by a manager does, with the pending invitations to them there
// and those that they have sent. It fails with NOT_FOUND, with FORBIDDEN for people
// without a role in the organization itself, or with CONFLICT for the last manager and
// for the last administrator of a space.
func (s *Service) LeaveOrganization(ctx context.Context, actor access.Actor, in LeaveOrganizationInput) (LeaveOrganizationPayload, error) {
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.LeaveOrganization.Field, Input: in}
	// There is no step Authorize: see Leave.
	return idempotency.Run(ctx, s.DB, key, idempotency.Steps[LeaveOrganizationPayload]{
		Do: func(ctx context.Context, tx *postgres.Tx) (payload LeaveOrganizationPayload, err error) {
			organization, err := lockOrganization(ctx, tx, actor, in.OrganizationID, actor.ID, access.LeaveOrganization)
			if err != nil {
				return payload, err
			}
			if err := checkRemoval(ctx, tx, actor, organization, actor.ID); err != nil {
				return payload, err
			}
			if payload.Left, err = endInOrganization(ctx, tx, actor, organization, actor.ID, audit.MemberLeft); err != nil {
				return payload, err
			}
			ended, err := s.endInvitations(ctx, tx, actor, EndedRoles{User: actor.ID, Place: organization, Sent: RevokeSent})
			payload.RevokedInvitationCount = ended.Revoked
			return payload, err
		},
	})
}
