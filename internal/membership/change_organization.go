package membership

import (
	"context"
	"database/sql"
	"errors"
	"time"

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

// ChangeOrganizationRoleInput asks to give a member of an organization another role.
type ChangeOrganizationRoleInput struct {
	OrganizationID globalid.ID             `json:"organizationId"`
	UserID         globalid.ID             `json:"userId"`
	Role           tenant.OrganizationRole `json:"role"`
	IdempotencyKey *string                 `json:"-"`
}

// Validate returns what is wrong with the form of the input.
func (in ChangeOrganizationRoleInput) Validate() fault.List {
	return idempotency.ValidateKey(in.IdempotencyKey)
}

// ChangeOrganizationRolePayload is the result of changing a member's role.
type ChangeOrganizationRolePayload struct {
	Member       *OrganizationMember     `json:"-"` // nil: they have left since
	PreviousRole tenant.OrganizationRole `json:"previousRole"`
	Changed      bool                    `json:"changed"` // false: they had the role already
}

// ChangeOrganizationRole gives a member of an organization a role, a higher or a lower
// one. It ends the pending invitations that would give them a higher one, also where they
// have the role already.
// It fails with NOT_FOUND, also where the person is no member, with FORBIDDEN, or with
// CONFLICT for the last manager.
func (s *Service) ChangeOrganizationRole(ctx context.Context, actor access.Actor, in ChangeOrganizationRoleInput) (ChangeOrganizationRolePayload, error) {
	id := in.OrganizationID.As(globalid.Organization)
	var organization *tenant.Organization
	steps := idempotency.Steps[ChangeOrganizationRolePayload]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			organization, err = access.LockAndCheckRole[*tenant.Organization](ctx, tx, actor, id, access.ChangeOrganizationRole, access.Exclusive)
			return err
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, payload *ChangeOrganizationRolePayload) (err error) {
			payload.Member, err = lockOrganizationMember(ctx, tx, id, in.UserID)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (ChangeOrganizationRolePayload, error) {
			return s.changeOrganizationRole(ctx, tx, actor, organization, in.UserID, in.Role)
		},
	}
	if in.UserID == actor.ID {
		steps = authorizeInDo(steps)
	}
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.ChangeOrganizationRole.Field, Input: in}
	return idempotency.Run(ctx, s.DB, key, steps)
}

func (s *Service) changeOrganizationRole(ctx context.Context, tx *postgres.Tx, actor access.Actor, organization *tenant.Organization, user globalid.ID, role tenant.OrganizationRole) (payload ChangeOrganizationRolePayload, err error) {
	member, err := lockOrganizationMember(ctx, tx, organization.ID, user)
	if err != nil {
		return payload, err
	}
	if member == nil {
		return payload, noMember()
	}
	previous := member.Role
	payload = ChangeOrganizationRolePayload{member, previous, previous != role}
	member.Role = role
	// Somebody whose role a manager has chosen is no guest any more.
	_, err = tx.Exec(ctx, `update organization_member set role = $3, guest = false where organization_id = $1 and account_id = $2`,
		organization.ID.UUID, user.UUID, string(role))
	if err != nil {
		return payload, lastManagerOr(err)
	}
	if err := forgetEnded(ctx, tx, user.UUID, organization.ID); err != nil {
		return payload, err
	}
	if payload.Changed {
		if err := audit.Write(ctx, tx, audit.Record{Action: audit.MemberRoleChanged, Actor: actor, Target: audit.OnOrganization(organization),
			Details: about(member.User, audit.Details{OrganizationRole: &role, PreviousOrganizationRole: &previous})}); err != nil {
			return payload, err
		}
	}
	_, err = s.endInvitations(ctx, tx, actor, EndedRoles{User: user, Place: organization, Left: tenant.RolesOf(role.Role()) | role.Role().Lower()})
	return payload, err
}

// lockOrganizationMember reads a member of an organization, and locks their role until
// the end of the transaction; nil where the person is no member.
func lockOrganizationMember(ctx context.Context, tx *postgres.Tx, organization, user globalid.ID) (*OrganizationMember, error) {
	var row struct {
		Name   string                  `db:"name"`
		Email  string                  `db:"email"`
		Former bool                    `db:"former_holder"`
		Role   tenant.OrganizationRole `db:"role"`
		Since  time.Time               `db:"since"`
	}
	err := tx.Get(ctx, &row, `
		select a.name, a.email, `+tenant.FormerHolder+` as former_holder, m.role, m.since from organization_member m join account a on a.id = m.account_id
		where m.organization_id = $1 and m.account_id = $2 for no key update of m`, organization.UUID, user.As(globalid.User).UUID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &OrganizationMember{&tenant.User{ID: user, Name: row.Name, Email: row.Email, FormerHolder: row.Former}, row.Role, row.Since}, nil
}

// lastManagerOr returns the refusal to end the role of an organization's last manager,
// where that is why a statement failed, and otherwise the error. The triggers
// organization_manager_deleted and organization_manager_lowered decide.
func lastManagerOr(err error) error {
	if last := pq.As(err, pqerror.CheckViolation); last == nil || last.Constraint != "organization_manager_last" {
		return err
	}
	return lastManager()
}

// lastManager is the refusal to end the role of the last manager of an organization.
func lastManager() *fault.Fault {
	return &fault.Fault{
		Code:    fault.Conflict,
		Reason:  fault.LastManager,
		Message: "An organization must have a manager, and this is the last one.",
		Remedy:  "Invite another manager first, with inviteOrganizationMembers, or make a member one, with changeOrganizationRole.",
	}
}

// authorizeInDo returns steps without Authorize, whose work Do does first: people who
// end their own role may not do it again, but get the answer when they send the request
// again.
func authorizeInDo[A any](steps idempotency.Steps[A]) idempotency.Steps[A] {
	authorize, do := steps.Authorize, steps.Do
	steps.Authorize, steps.Do = nil, func(ctx context.Context, tx *postgres.Tx) (answer A, err error) {
		if err := authorize(ctx, tx); err != nil {
			return answer, err
		}
		return do(ctx, tx)
	}
	return steps
}
