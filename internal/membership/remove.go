package membership

import (
	"cmp"
	"context"

	"github.com/google/uuid"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// RemoveMemberInput asks to end a person's roles in one instance, in a whole space, or
// in a whole organization.
type RemoveMemberInput struct {
	UserID     globalid.ID  `json:"userId"`
	InstanceID *globalid.ID `json:"instanceId"`
	SpaceID    *globalid.ID `json:"spaceId"`
	// OrganizationID is left out of remembered inputs where it is not given: gateways that
	// did not know it remembered none.
	OrganizationID *globalid.ID `json:"organizationId,omitempty"`
	// SentInvitations says what is to be done with the pending invitations that the
	// person has sent there.
	SentInvitations SentInvitations `json:"sentInvitations,omitzero"`
	IdempotencyKey  *string         `json:"-"`
}

// Validate returns what is wrong with the form of the input.
func (in RemoveMemberInput) Validate() fault.List {
	return append(validateOnePlace(in.InstanceID, in.SpaceID, in.OrganizationID), idempotency.ValidateKey(in.IdempotencyKey)...)
}

// validateOnePlace demands one of three ids.
func validateOnePlace(ids ...*globalid.ID) fault.List {
	given := 0
	for _, id := range ids {
		if id != nil {
			given++
		}
	}
	if given != 1 {
		return fault.List{fault.Input("Give one of instanceId, spaceId and organizationId, and no others.", "input")}
	}
	return nil
}

// RemoveMemberPayload is the result of removing a member.
type RemoveMemberPayload struct {
	Removed bool `json:"removed"` // false: the person had no role there
	EndedInvitations
}

// Remove ends a person's roles in an instance, in a space or in an organization, and
// with them the pending invitations that would return them. Those that the person has
// sent, and may not send any more, are revoked or taken over. It fails with NOT_FOUND,
// FORBIDDEN, or CONFLICT: for the last administrator of a space, for the last manager of
// an organization, and for a person who has no role of their own there but a derived one.
func (s *Service) Remove(ctx context.Context, actor access.Actor, in RemoveMemberInput) (RemoveMemberPayload, error) {
	user := in.UserID.As(globalid.User)
	var place tenant.Place
	steps := idempotency.Steps[RemoveMemberPayload]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			switch {
			case in.OrganizationID != nil:
				place, err = lockOrganization(ctx, tx, actor, *in.OrganizationID, user, access.RemoveMember)
			case in.SpaceID != nil:
				place, err = access.LockSpace(ctx, tx, actor, *in.SpaceID, access.RemoveMember)
			default:
				place, err = access.LockAndCheckRole[*tenant.Instance](ctx, tx, actor, *in.InstanceID, access.RemoveMember, access.Exclusive)
			}
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (payload RemoveMemberPayload, err error) {
			if err := checkRemoval(ctx, tx, actor, place, user); err != nil {
				return payload, err
			}
			switch place := place.(type) {
			case *tenant.Organization:
				payload.Removed, err = endInOrganization(ctx, tx, actor, place, user, audit.MemberRemoved)
			case *tenant.Space:
				payload.Removed, err = endInSpace(ctx, tx, actor, place, user)
			case *tenant.Instance:
				payload.Removed, err = endInInstance(ctx, tx, actor, place, user, audit.MemberRemoved)
			}
			if !payload.Removed || err != nil {
				return payload, err // the numbers would say that the person exists
			}
			ended := EndedRoles{User: user, Place: place, Sent: cmp.Or(in.SentInvitations, RevokeSent)}
			payload.EndedInvitations, err = s.endInvitations(ctx, tx, actor, ended)
			return payload, err
		},
	}
	if in.UserID == actor.ID {
		steps = authorizeInDo(steps)
	}
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.RemoveMember.Field, Input: in}
	return idempotency.Run(ctx, s.DB, key, steps)
}

// endInSpace ends a person's roles in a space and all its instances; false where
// they have none. The database's trigger space_administrator_last refuses to let
// a space be without an administrator.
func endInSpace(ctx context.Context, tx *postgres.Tx, actor access.Actor, space *tenant.Space, user globalid.ID) (bool, error) {
	ending := newEnding(actor, user)
	administrators, err := ending.run(ctx, tx, endInSpaces, user, space.ID.UUID)
	if err != nil {
		return false, lastAdministratorOr(err, space.State() == tenant.Deleted)
	}
	members, err := ending.run(ctx, tx, endInside, user, space.ID.UUID)
	if err != nil || administrators+members == 0 {
		return false, err
	}
	if err := ending.mark(ctx, tx, user, uuid.NullUUID{}, space.ID.UUID); err != nil {
		return false, err
	}
	if err := ending.cover(ctx, tx, user, space.ID); err != nil {
		return false, err
	}
	person := tenant.User{ID: user}
	if err := tx.Get(ctx, &person.Name, `select name from account where id = $1`, user.UUID); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, tx, audit.Record{Action: audit.MemberRemoved, Actor: actor, Target: audit.OnSpace(space),
		Details: about(&person, audit.Details{})})
}

// endInInstance ends a person's role in an instance; false where they have none.
func endInInstance(ctx context.Context, tx *postgres.Tx, actor access.Actor, instance *tenant.Instance, user globalid.ID, action audit.Action) (bool, error) {
	member, err := lockMember(ctx, tx, instance.ID, user)
	if member == nil || err != nil {
		return false, err
	}
	if _, err := newEnding(actor, user).run(ctx, tx, endInInstances, user, instance.ID.UUID); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, tx, audit.Record{Action: action, Actor: actor, Target: audit.OnInstance(instance),
		Details: about(member.User, audit.Details{Role: &member.Role})})
}

// lastAdministratorOr returns the refusal to end the role of a space's last administrator,
// where that is why a statement failed, and otherwise the error.
func lastAdministratorOr(err error, deleted bool) error {
	if last := pq.As(err, pqerror.CheckViolation); last == nil || last.Constraint != "space_administrator_last" {
		return err
	}
	return lastAdministrator(deleted, nil)
}
