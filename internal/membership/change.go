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

// ChangeMemberRoleInput asks to give a member of an instance another role, or another end of
// the membership.
type ChangeMemberRoleInput struct {
	InstanceID     globalid.ID         `json:"instanceId"`
	UserID         globalid.ID         `json:"userId"`
	Role           tenant.InstanceRole `json:"role"`
	Until          End                 `json:"until,omitzero"`
	IdempotencyKey *string             `json:"-"`
}

// Validate returns what is wrong with the form of the input.
func (in ChangeMemberRoleInput) Validate() fault.List {
	return append(ValidateUntil(in.Until.At), idempotency.ValidateKey(in.IdempotencyKey)...)
}

// ChangeMemberRolePayload is the result of changing a member's role.
type ChangeMemberRolePayload struct {
	Member       *Member             `json:"-"` // nil: they have left since
	PreviousRole tenant.InstanceRole `json:"previousRole"`
	Changed      bool                `json:"changed"` // false: they had the role, and the end, already
}

// ChangeRole gives a member of an instance another role, a higher or a lower one, and
// another end of the membership or none. A lower role ends the pending invitations that
// would return the higher one. It fails with NOT_FOUND, also where the person is no member
// or their time is over, with FORBIDDEN, or with BAD_USER_INPUT for an end that is over.
func (s *Service) ChangeRole(ctx context.Context, actor access.Actor, in ChangeMemberRoleInput) (ChangeMemberRolePayload, error) {
	var instance *tenant.Instance
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.ChangeMemberRole.Field, Input: in}
	return idempotency.Run(ctx, s.DB, key, idempotency.Steps[ChangeMemberRolePayload]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			instance, err = access.LockAndCheckRole[*tenant.Instance](ctx, tx, actor, in.InstanceID, access.ChangeMemberRole, access.Exclusive)
			return err
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, payload *ChangeMemberRolePayload) (err error) {
			payload.Member, err = lockMember(ctx, tx, instance.ID, in.UserID)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (ChangeMemberRolePayload, error) {
			if err := CheckUntil(ctx, tx, in.Until.At); err != nil {
				return ChangeMemberRolePayload{}, err
			}
			return s.changeRole(ctx, tx, actor, instance, in)
		},
	})
}

func (s *Service) changeRole(ctx context.Context, tx *postgres.Tx, actor access.Actor, instance *tenant.Instance, in ChangeMemberRoleInput) (payload ChangeMemberRolePayload, err error) {
	member, err := lockMember(ctx, tx, instance.ID, in.UserID)
	if err != nil {
		return payload, err
	}
	if member == nil {
		return payload, noMember()
	}
	previous, role, until := member.Role, in.Role, member.Until
	if in.Until.Given {
		until = in.Until.At
	}
	sameEnd := until == member.Until || until != nil && member.Until != nil && until.Equal(*member.Until)
	payload = ChangeMemberRolePayload{member, previous, previous != role || !sameEnd}
	if !payload.Changed {
		return payload, nil
	}
	member.Role, member.Until = role, until
	if _, err := tx.Exec(ctx, `update instance_member set role = $3, until = $4 where instance_id = $1 and account_id = $2`,
		instance.ID.UUID, in.UserID.UUID, string(role), until); err != nil {
		return payload, err
	}
	record := audit.Record{Action: audit.MemberRoleChanged, Actor: actor, Target: audit.OnInstance(instance),
		Details: about(member.User, audit.Details{Role: &role, PreviousRole: &previous})}
	if previous == role {
		record.Action, record.PreviousRole = audit.MemberEndChanged, nil
	}
	if err := audit.Write(ctx, tx, record); err != nil {
		return payload, err
	}
	if previous.Role().Lower().Has(role.Role()) {
		_, err = s.endInvitations(ctx, tx, actor, EndedRoles{User: in.UserID, Place: instance, Left: tenant.RolesOf(role.Role()) | role.Role().Lower()})
	}
	return payload, err
}
