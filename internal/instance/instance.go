// Package instance deletes instances, restores them, and knows their members.
package instance

import (
	"context"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/relay"
)

// Service carries out what is asked about instances.
type Service struct{ DB *postgres.DB }

// Request asks to delete an instance, or to restore it.
type Request struct {
	InstanceID     globalid.ID `json:"instanceId"`
	IdempotencyKey *string     `json:"-"`
}

// Malformed gives what is wrong with the form of the request.
func (r Request) Malformed() fault.List { return idempotency.Check(r.IdempotencyKey) }

// Deletion is what came of a request to delete.
type Deletion struct {
	Instance *access.Instance `json:"-"`
	Deleted  bool             `json:"deleted"` // false: it was deleted already
}

// Delete deletes a working instance; it can be restored for 24 hours. It fails
// with NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED or INSTANCE_PROTECTED.
func (s *Service) Delete(ctx context.Context, actor access.Actor, r Request) (d Deletion, err error) {
	c := change{actor, "deleteInstance", access.Deleting, markDeleted}
	d.Instance, err = c.carryOut(ctx, s.DB, r, &d, &d.Deleted)
	return d, err
}

// Restoration is what came of a request to restore.
type Restoration struct {
	Instance *access.Instance `json:"-"`
	Restored bool             `json:"restored"` // false: it was active already
}

// Restore brings back an instance that was deleted in the last 24 hours, and
// everything in it. It fails with NOT_FOUND, FORBIDDEN, IDEMPOTENCY_KEY_REUSED
// or RESTORE_WINDOW_EXPIRED.
func (s *Service) Restore(ctx context.Context, actor access.Actor, r Request) (d Restoration, err error) {
	c := change{actor, "restoreInstance", access.Restoring, markRestored}
	d.Instance, err = c.carryOut(ctx, s.DB, r, &d, &d.Restored)
	return d, err
}

// change is what somebody does to an instance as a whole.
type change struct {
	actor     access.Actor
	operation string
	rule      access.Rule
	// do makes the change; false where there was nothing to do.
	do func(context.Context, *postgres.Tx, access.Actor, *access.Instance) (bool, error)
}

// carryOut claims the request's key, holds the instance off everybody else,
// decides, makes the change and records the answer, of which done is a part.
func (c change) carryOut(ctx context.Context, db *postgres.DB, r Request, answer any, done *bool) (i *access.Instance, err error) {
	err = db.InTx(ctx, func(tx *postgres.Tx) error {
		claim, err := idempotency.NewClaim(ctx, tx, idempotency.Request{
			Actor: c.actor, Key: r.IdempotencyKey, Operation: c.operation, Input: r})
		if err != nil {
			return err
		}
		if i, err = access.Hold(ctx, tx, c.actor, r.InstanceID, c.rule, access.Exclusive); err != nil {
			return err
		}
		if answered, err := claim.Answered(answer); answered || err != nil {
			return err
		}
		if err := access.Admit(ctx, tx, i, c.rule); err != nil {
			return err
		}
		if *done, err = c.do(ctx, tx, c.actor, i); err != nil {
			return err
		}
		return claim.Record(ctx, tx, answer)
	})
	return i, err
}

func markDeleted(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *access.Instance) (bool, error) {
	if i.State() == access.Deleted {
		return false, nil
	}
	var row struct {
		DeletedAt       time.Time `db:"deleted_at"`
		RestorableUntil time.Time `db:"restorable_until"`
	}
	err := tx.Get(ctx, &row, `
		update instance i
		set deleted_at = t.at, deleted_by = $2, restorable_until = t.at + interval '24 hours'
		from (select clock_timestamp() as at) t
		where i.id = $1 and i.deleted_at is null
		returning i.deleted_at, i.restorable_until`, i.ID.UUID, actor.ID.UUID)
	if err != nil {
		return false, err
	}
	by := actor.Contact()
	i.DeletedAt, i.DeletedBy, i.RestorableUntil, i.Restorable = &row.DeletedAt, &by, &row.RestorableUntil, true
	return true, audit.Record(ctx, tx, audit.Entry{Action: "instance.deleted", Actor: actor, Instance: i})
}

// markRestored decides about the 24 hours once more, in the statement that
// ends the deletion.
func markRestored(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *access.Instance) (bool, error) {
	if i.State() == access.Active {
		return false, nil
	}
	n, err := tx.Exec(ctx, `
		update instance set deleted_at = null, deleted_by = null, restorable_until = null
		where id = $1 and restorable_until > clock_timestamp()`, i.ID.UUID)
	if err != nil {
		return false, err
	}
	if n == 0 {
		i.Restorable = false
		return false, access.Admit(ctx, tx, i, access.Restoring)
	}
	i.DeletedAt, i.DeletedBy, i.RestorableUntil, i.Restorable = nil, nil, nil, false
	return true, audit.Record(ctx, tx, audit.Entry{Action: "instance.restored", Actor: actor, Instance: i})
}

// Member is a person with a role in an instance.
type Member struct {
	User  *access.Person
	Role  access.InstanceRole
	Since time.Time
}

// Members reads a page of the members of each instance, in an order that stays
// the same.
func (s *Service) Members(ctx context.Context, instances []globalid.ID, page relay.Page) (map[globalid.ID]relay.List[*Member], error) {
	totals := map[uuid.UUID]int{}
	if page.Total {
		var err error
		if totals, err = postgres.Counts(ctx, s.DB, `
			select instance_id as id, count(*) as n from instance_member
			where instance_id = any ($1::uuid[]) group by instance_id`, globalid.Array(instances)); err != nil {
			return nil, err
		}
	}
	var rows []struct {
		InstanceID uuid.UUID           `db:"instance_id"`
		AccountID  uuid.UUID           `db:"account_id"`
		Name       string              `db:"name"`
		Email      string              `db:"email"`
		Role       access.InstanceRole `db:"role"`
		Since      time.Time           `db:"since"`
	}
	err := s.DB.Select(ctx, &rows, `
		select m.instance_id, m.account_id, a.name, a.email, m.role, m.since
		from unnest($1::uuid[]) as i (id)
		cross join lateral (
			select * from instance_member
			where instance_id = i.id and account_id > $2 order by account_id limit $3) m
		join account a on a.id = m.account_id
		order by m.instance_id, m.account_id`, globalid.Array(instances), page.After, page.Limit())
	if err != nil {
		return nil, err
	}
	members := make(map[uuid.UUID][]*Member, len(instances))
	for _, row := range rows {
		members[row.InstanceID] = append(members[row.InstanceID], &Member{
			User:  &access.Person{ID: globalid.ID{Kind: globalid.User, UUID: row.AccountID}, Name: row.Name, Email: row.Email},
			Role:  row.Role,
			Since: row.Since,
		})
	}
	lists := make(map[globalid.ID]relay.List[*Member], len(instances))
	for _, id := range instances {
		lists[id] = relay.Cut(members[id.UUID], page, totals[id.UUID])
	}
	return lists, nil
}
