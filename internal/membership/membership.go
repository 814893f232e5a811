// Package membership knows what people are in instances and spaces by
// themselves: it shows, changes and ends their roles.
package membership

import (
	"context"
	"database/sql"
	"errors"
	"time"

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

// Service carries out what is asked about members.
type Service struct{ DB *postgres.DB }

// ChangeMemberRoleInput asks to give a member of an instance another role.
type ChangeMemberRoleInput struct {
	InstanceID     globalid.ID         `json:"instanceId"`
	UserID         globalid.ID         `json:"userId"`
	Role           tenant.InstanceRole `json:"role"`
	IdempotencyKey *string             `json:"-"`
}

// Validate gives what is wrong with the form of the request.
func (r ChangeMemberRoleInput) Validate() fault.List {
	return idempotency.ValidateKey(r.IdempotencyKey)
}

// ChangeMemberRolePayload is what came of a ChangeMemberRoleInput.
type ChangeMemberRolePayload struct {
	Member       *Member             `json:"-"` // nil: she has left since
	PreviousRole tenant.InstanceRole `json:"previousRole"`
	Changed      bool                `json:"changed"` // false: she had the role already
}

// ChangeRole gives a member of an instance another role. It fails with
// NOT_FOUND, also where the person is no member, or FORBIDDEN.
func (s *Service) ChangeRole(ctx context.Context, actor access.Actor, r ChangeMemberRoleInput) (ChangeMemberRolePayload, error) {
	var instance *tenant.Instance
	key := idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: "changeMemberRole", Input: r}
	return idempotency.Run(ctx, s.DB, key, idempotency.Steps[ChangeMemberRolePayload]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			instance, err = access.LockAndCheckRole[*tenant.Instance](ctx, tx, actor, r.InstanceID, access.Administering, access.Exclusive)
			return err
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, c *ChangeMemberRolePayload) (err error) {
			c.Member, err = find(ctx, tx, instance.ID, r.UserID)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (c ChangeMemberRolePayload, err error) {
			if c.Member, err = find(ctx, tx, instance.ID, r.UserID); err != nil {
				return c, err
			}
			if c.Member == nil {
				return c, nobody()
			}
			c.PreviousRole = c.Member.Role
			if c.Changed = c.PreviousRole != r.Role; !c.Changed {
				return c, nil
			}
			c.Member.Role = r.Role
			if _, err := tx.Exec(ctx, `update instance_member set role = $3 where instance_id = $1 and account_id = $2`,
				instance.ID.UUID, r.UserID.UUID, string(r.Role)); err != nil {
				return c, err
			}
			return c, audit.Write(ctx, tx, audit.Record{Action: audit.MemberRoleChanged, Actor: actor, Target: audit.OnInstance(instance),
				Details: withUser(audit.Details{Role: &r.Role, PreviousRole: &c.PreviousRole}, c.Member.User)})
		},
	})
}

// nobody is one and the same whether there is no such person or she has no role
// here.
func nobody() *fault.Fault {
	f := access.NotFound()
	f.InputPath = []any{"input", "userId"}
	return f
}

// find reads a member of an instance, and keeps others off her role; nil where
// she is none.
func find(ctx context.Context, tx *postgres.Tx, instance, user globalid.ID) (*Member, error) {
	m := &Member{User: &tenant.User{ID: user}}
	var row struct {
		Name  string              `db:"name"`
		Email string              `db:"email"`
		Role  tenant.InstanceRole `db:"role"`
		Since time.Time           `db:"since"`
	}
	err := tx.Get(ctx, &row, `
		select a.name, a.email, m.role, m.since from instance_member m join account a on a.id = m.account_id
		where m.instance_id = $1 and m.account_id = $2 for no key update of m`, instance.UUID, user.As(globalid.User).UUID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	m.User.Name, m.User.Email, m.Role, m.Since = row.Name, row.Email, row.Role, row.Since
	return m, err
}

// RemoveMemberInput asks to end the roles of a person: in one instance, or in a
// whole space.
type RemoveMemberInput struct {
	UserID         globalid.ID  `json:"userId"`
	InstanceID     *globalid.ID `json:"instanceId"`
	SpaceID        *globalid.ID `json:"spaceId"`
	IdempotencyKey *string      `json:"-"`
}

// Validate gives what is wrong with the form of the request.
func (r RemoveMemberInput) Validate() (faults fault.List) {
	if (r.InstanceID == nil) == (r.SpaceID == nil) {
		faults = append(faults, fault.Input("Give either instanceId or spaceId, and not both.", "input"))
	}
	return append(faults, idempotency.ValidateKey(r.IdempotencyKey)...)
}

// RemoveMemberPayload is what came of a RemoveMemberInput.
type RemoveMemberPayload struct {
	Removed bool `json:"removed"` // false: the person had no role there
}

// Remove ends the roles of a person. It fails with NOT_FOUND, FORBIDDEN or
// CONFLICT, for the last administrator of a space.
func (s *Service) Remove(ctx context.Context, actor access.Actor, r RemoveMemberInput) (RemoveMemberPayload, error) {
	var place tenant.Place
	permit := func(ctx context.Context, tx *postgres.Tx) (err error) {
		if r.SpaceID != nil {
			place, err = access.LockAndCheckRole[*tenant.Space](ctx, tx, actor, *r.SpaceID, access.Administering, access.Exclusive)
		} else {
			place, err = access.LockAndCheckRole[*tenant.Instance](ctx, tx, actor, *r.InstanceID, access.Administering, access.Exclusive)
		}
		return err
	}
	steps := idempotency.Steps[RemoveMemberPayload]{
		Authorize: permit,
		Do: func(ctx context.Context, tx *postgres.Tx) (removal RemoveMemberPayload, err error) {
			switch place := place.(type) {
			case *tenant.Space:
				removal.Removed, err = removeFromSpace(ctx, tx, actor, place, r.UserID.As(globalid.User))
			case *tenant.Instance:
				removal.Removed, err = end(ctx, tx, actor, place, r.UserID.As(globalid.User), audit.MemberRemoved)
			}
			return removal, err
		},
	}
	if r.UserID == actor.ID {
		// Whoever has removed herself may not do it any more, but gets her
		// answer when she asks again.
		do := steps.Do
		steps.Authorize, steps.Do = nil, func(ctx context.Context, tx *postgres.Tx) (RemoveMemberPayload, error) {
			if err := permit(ctx, tx); err != nil {
				return RemoveMemberPayload{}, err
			}
			return do(ctx, tx)
		}
	}
	key := idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: "removeMember", Input: r}
	return idempotency.Run(ctx, s.DB, key, steps)
}

// removeFromSpace leaves it to the database that a space has an administrator:
// see its trigger space_administrator_last.
func removeFromSpace(ctx context.Context, tx *postgres.Tx, actor access.Actor, space *tenant.Space, user globalid.ID) (bool, error) {
	administrators, err := tx.Exec(ctx, `delete from space_administrator where space_id = $1 and account_id = $2`, space.ID.UUID, user.UUID)
	if last := pq.As(err, pqerror.CheckViolation); last != nil && last.Constraint == "space_administrator_last" {
		return false, lastAdministrator()
	}
	if err != nil {
		return false, err
	}
	members, err := tx.Exec(ctx, `
		delete from instance_member m using instance i
		where i.id = m.instance_id and i.space_id = $1 and m.account_id = $2`, space.ID.UUID, user.UUID)
	if err != nil || administrators+members == 0 {
		return false, err
	}
	person := tenant.User{ID: user}
	if err := tx.Get(ctx, &person.Name, `select name from account where id = $1`, user.UUID); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, tx, audit.Record{Action: audit.MemberRemoved, Actor: actor, Target: audit.OnSpace(space),
		Details: withUser(audit.Details{}, &person)})
}

// LeaveInstanceInput asks to end one's own role in an instance.
type LeaveInstanceInput struct {
	InstanceID     globalid.ID `json:"instanceId"`
	IdempotencyKey *string     `json:"-"`
}

// Validate gives what is wrong with the form of the request.
func (r LeaveInstanceInput) Validate() fault.List { return idempotency.ValidateKey(r.IdempotencyKey) }

// LeaveInstancePayload is what came of a LeaveInstanceInput.
type LeaveInstancePayload struct {
	Left bool `json:"left"` // false: the person had no role of her own there
}

// Leave ends the actor's own role in an instance. What she sees of it as an
// administrator of the space or a manager of the organization, she goes on to
// see. It fails with NOT_FOUND, or with CONFLICT for the last administrator of
// the space.
func (s *Service) Leave(ctx context.Context, actor access.Actor, r LeaveInstanceInput) (LeaveInstancePayload, error) {
	key := idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: "leaveInstance", Input: r}
	// Whoever has left may not know of the instance any more, but gets her
	// answer.
	return idempotency.Run(ctx, s.DB, key, idempotency.Steps[LeaveInstancePayload]{
		Do: func(ctx context.Context, tx *postgres.Tx) (LeaveInstancePayload, error) {
			instance, err := access.LockAndCheckRole[*tenant.Instance](ctx, tx, actor, r.InstanceID, access.Leaving, access.Exclusive)
			if err != nil {
				return LeaveInstancePayload{}, err
			}
			left, err := end(ctx, tx, actor, instance, actor.ID, audit.MemberLeft)
			return LeaveInstancePayload{left}, err
		},
	})
}

// end ends a person's own role in an instance; false where she has none.
func end(ctx context.Context, tx *postgres.Tx, actor access.Actor, instance *tenant.Instance, user globalid.ID, as audit.Action) (bool, error) {
	if err := notLast(ctx, tx, instance.Space.ID, user); err != nil {
		return false, err
	}
	m, err := find(ctx, tx, instance.ID, user)
	if m == nil || err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, `delete from instance_member where instance_id = $1 and account_id = $2`, instance.ID.UUID, user.UUID); err != nil {
		return false, err
	}
	return true, audit.Write(ctx, tx, audit.Record{Action: as, Actor: actor, Target: audit.OnInstance(instance),
		Details: withUser(audit.Details{Role: &m.Role}, m.User)})
}

// notLast fails with CONFLICT where a person is the last administrator of a
// space, and with it of each of its instances.
func notLast(ctx context.Context, tx *postgres.Tx, space, user globalid.ID) error {
	var last bool
	err := tx.Get(ctx, &last, `
		select coalesce(bool_and(account_id = $2), false) from space_administrator where space_id = $1`, space.UUID, user.As(globalid.User).UUID)
	if err == nil && last {
		return lastAdministrator()
	}
	return err
}

func lastAdministrator() *fault.Fault {
	return &fault.Fault{
		Code:    fault.Conflict,
		Reason:  fault.LastAdministrator,
		Message: "A space cannot be without an administrator, and this is the last one. Nothing was changed.",
		Remedy:  "Invite another administrator first, with inviteSpaceAdministrators.",
	}
}

func withUser(d audit.Details, p *tenant.User) audit.Details {
	d.UserID, d.UserName = uuid.NullUUID{UUID: p.ID.UUID, Valid: true}, p.Name
	return d
}
