package request

import (
	"context"

	"github.com/google/uuid"
	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// RequestRoleInput asks for a role: to administrate a space, or to be an editor or a
// viewer of an instance.
type RequestRoleInput struct {
	SpaceID        *globalid.ID `json:"spaceId"`
	InstanceID     *globalid.ID `json:"instanceId"`
	Role           tenant.Role  `json:"role"`
	Message        *string      `json:"message"`
	IdempotencyKey *string      `json:"-"`
}

// RequestInvitationsInput asks an administrator to invite people to an instance.
type RequestInvitationsInput struct {
	InstanceID     globalid.ID         `json:"instanceId"`
	Role           tenant.InstanceRole `json:"role"`
	Emails         []string            `json:"emails"` // as people type or paste them
	Message        *string             `json:"message"`
	IdempotencyKey *string             `json:"-"`
}

// RequestRestoreInput asks for a deleted instance to be restored.
type RequestRestoreInput struct {
	InstanceID     globalid.ID `json:"instanceId"`
	Message        *string     `json:"message"`
	IdempotencyKey *string     `json:"-"`
}

// Validate gives what is wrong with the form of the request.
func (r RequestRoleInput) Validate(l invitation.Limits) (faults fault.List) {
	heldIn := r.Role.HeldIn()
	switch {
	case (r.SpaceID == nil) == (r.InstanceID == nil):
		faults = append(faults, fault.Input("Give either spaceId or instanceId, and not both.", "input"))
	case heldIn == globalid.Organization:
		faults = append(faults, fault.Input("Roles in an organization cannot be asked for here.", "input", "role"))
	case heldIn == globalid.Instance && r.InstanceID == nil:
		faults = append(faults, fault.Input("This is a role in an instance: give instanceId.", "input", "role"))
	}
	return append(faults, validate(l, r.Message, r.IdempotencyKey)...)
}

// Validate gives what is wrong with the form of the request.
func (r RequestInvitationsInput) Validate(l invitation.Limits) fault.List {
	return append(l.ValidateEmails(r.Emails, "input", "emails"), validate(l, r.Message, r.IdempotencyKey)...)
}

// Validate gives what is wrong with the form of the request.
func (r RequestRestoreInput) Validate(l invitation.Limits) fault.List {
	return validate(l, r.Message, r.IdempotencyKey)
}

func validate(l invitation.Limits, note, key *string) fault.List {
	return append(text.CheckMessage(note, l.Message, "input", "message"), idempotency.ValidateKey(key)...)
}

// nobodyAsked is what became of a request that was not made.
const nobodyAsked = "Nobody was asked."

// RequestPayload is what came of asking.
type RequestPayload struct {
	Request *Request
	Created bool // false: it was open already
}

// RequestRole asks the space's administrators for a role. It fails with NOT_FOUND,
// INSTANCE_DISTRIBUTED, INSTANCE_DELETED, CONFLICT where she has the role, or
// RATE_LIMITED.
func (s *Service) RequestRole(ctx context.Context, actor access.Actor, r RequestRoleInput) (RequestPayload, error) {
	var place globalid.ID
	if r.SpaceID != nil {
		place = r.SpaceID.As(globalid.Space)
	} else {
		place = r.InstanceID.As(globalid.Instance)
	}
	return s.ask(ctx, actor, asking{
		key:  idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: access.RequestRole.Field, Input: r},
		rule: access.RequestRole, kind: Role, place: place, role: &r.Role, message: text.CleanMessage(r.Message),
	})
}

// RequestInvitations asks the space's administrators to invite people. It fails with
// NOT_FOUND, INSTANCE_DISTRIBUTED, INSTANCE_DELETED, CONFLICT where she can
// invite them herself, RATE_LIMITED, or an INVALID_EMAIL for every address that
// is not valid.
func (s *Service) RequestInvitations(ctx context.Context, actor access.Actor, r RequestInvitationsInput) (RequestPayload, error) {
	emails, faults, err := invitation.CheckAddresses(ctx, r.Emails, nobodyAsked)
	if err != nil {
		return RequestPayload{}, err
	}
	return s.ask(ctx, actor, asking{
		key:  idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: access.RequestInvitations.Field, Input: r},
		rule: access.RequestInvitations, kind: Invitations, place: r.InstanceID.As(globalid.Instance), role: new(r.Role.Role()), emails: emails, faults: faults, message: text.CleanMessage(r.Message),
	})
}

// RequestRestore asks the editors and administrators to restore a deleted instance.
// It fails with NOT_FOUND, RESTORE_WINDOW_EXPIRED, CONFLICT where she can restore
// it herself or it is not deleted, or RATE_LIMITED.
func (s *Service) RequestRestore(ctx context.Context, actor access.Actor, r RequestRestoreInput) (RequestPayload, error) {
	return s.ask(ctx, actor, asking{
		key:  idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: access.RequestRestore.Field, Input: r},
		rule: access.RequestRestore, kind: Restore, place: r.InstanceID.As(globalid.Instance), message: text.CleanMessage(r.Message),
	})
}

// asking is what somebody asks for.
type asking struct {
	key     idempotency.Request
	rule    access.Rule
	kind    Kind
	place   globalid.ID
	role    *tenant.Role
	emails  []string
	faults  fault.List // of the addresses
	message *string
}

func (s *Service) ask(ctx context.Context, actor access.Actor, a asking) (asked RequestPayload, err error) {
	var place tenant.Place
	type answer struct {
		RequestID globalid.ID `json:"requestId"`
		Created   bool        `json:"created"`
	}
	read := func(ctx context.Context, tx *postgres.Tx, of *answer) error {
		r, err := find(ctx, tx, of.RequestID.UUID)
		if err != nil {
			return err
		}
		if r == nil {
			return access.NotFound() // purged since, with its instance
		}
		asked = RequestPayload{one(r), of.Created}
		return nil
	}
	_, err = idempotency.Run(ctx, s.DB, a.key, idempotency.Steps[answer]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			place, err = access.LockAndCheckRole[tenant.Place](ctx, tx, actor, a.place, a.rule, access.Shared)
			if i, ok := place.(*tenant.Instance); ok && a.role != nil && a.role.HeldIn() == globalid.Space {
				place = i.Space
			}
			return err
		},
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (of answer, err error) {
			if err := a.admit(ctx, tx, place); err != nil {
				return of, err
			}
			if of.RequestID, of.Created, err = s.open(ctx, tx, actor, place, a); err != nil {
				return of, err
			}
			if err := read(ctx, tx, &of); err != nil || !of.Created {
				return of, err
			}
			r := asked.Request.row
			if err := s.notify(ctx, tx, r); err != nil {
				return of, err
			}
			return of, audit.Write(ctx, tx, r.deed(audit.RequestMade, actor))
		},
	})
	if asked.Created && err == nil {
		s.Outbox.Wake()
	}
	return asked, err
}

// admit decides whether what is asked for can be done at all, and is not there
// already.
func (a asking) admit(ctx context.Context, q postgres.Querier, place tenant.Place) error {
	i, _ := place.(*tenant.Instance)
	if i != nil {
		if err := access.CheckState(ctx, q, i, a.rule); err != nil {
			return err
		}
	}
	switch {
	case a.kind == Restore && i.State() == tenant.Active:
		return needless("The instance is not deleted.", "Open it.")
	case a.kind == Restore && access.RestoreInstance.Allows(i):
		return needless("You can restore the instance yourself.", "Restore it with restoreInstance.")
	case a.kind == Invitations && access.InviteUsers.Allows(i):
		return needless("You can invite people to the instance yourself.", "Invite them with inviteUsers.")
	case a.kind == Role && place.EffectiveRoles().Include(*a.role):
		return needless("You have this role already.", "Reload what you see.")
	}
	return nil
}

func needless(message, remedy string) *fault.Fault {
	return &fault.Fault{Code: fault.Conflict, Reason: fault.NotNeeded, Message: message + " " + nobodyAsked, Remedy: remedy}
}

// open makes the request, unless one of its kind is open; and gives it. It fails
// with RATE_LIMITED or INVALID_EMAIL.
func (s *Service) open(ctx context.Context, tx *postgres.Tx, actor access.Actor, place tenant.Place, a asking) (id globalid.ID, created bool, err error) {
	var space *tenant.Space
	var instance uuid.NullUUID
	switch p := place.(type) {
	case *tenant.Instance:
		space, instance = p.Space, uuid.NullUUID{UUID: p.ID.UUID, Valid: true}
	case *tenant.Space:
		space = p
	}
	if len(a.faults) > 0 {
		if err := ratelimit.Check(ctx, tx, s.Limits.charges(actor, space)...); err != nil {
			return id, false, err
		}
		return id, false, a.faults
	}
	about := space.ID.UUID
	if instance.Valid {
		about = instance.UUID
	}
	// One whose time is over makes room.
	if _, err := s.expire(ctx, tx, expireOwn, actor.ID.UUID, string(a.kind), about); err != nil {
		return id, false, err
	}
	var role *string
	if a.role != nil {
		role = new(a.role.String())
	}
	made := globalid.New(globalid.Request)
	id.Kind = globalid.Request
	// Where one is open it is locked: it cannot end before it is read.
	err = tx.Get(ctx, &id.UUID, `
		insert into request as r (id, requested_by, kind, space_id, space_name, instance_id, instance_name, role, emails, message, lasts_until, expires_at)
		select $1, $2, $3, s.id, s.name, i.id, i.name, $6, $7, $8, t.until, case when $3 = 'RESTORE' then i.restorable_until else t.until end
		from space s left join instance i on i.id = $5, (select clock_timestamp() + $9 * interval '1 second' as until) t
		where s.id = $4
		on conflict (requested_by, kind, coalesce(instance_id, space_id)) where status = 'OPEN' do update set status = r.status
		returning id`,
		made.UUID, actor.ID.UUID, string(a.kind), space.ID.UUID, instance, role, optional(a.emails), a.message, s.Limits.TTL.Seconds())
	if err != nil || id != made {
		return id, false, err
	}
	// At the end, because others wait for it.
	return id, true, ratelimit.Take(ctx, tx, s.Limits.charges(actor, space)...)
}

// optional is an array of texts; null where there are none.
func optional(texts []string) any {
	if len(texts) == 0 {
		return nil
	}
	return pq.StringArray(texts)
}

func (l Limits) charges(actor access.Actor, space *tenant.Space) []ratelimit.Charge {
	return []ratelimit.Charge{
		{Limit: ratelimit.Limit{Name: fault.RequestsByPerson, Max: l.ByPerson, Text: "One person can make %d requests in an hour."}, Subject: actor.ID.UUID, Count: 1},
		{Limit: ratelimit.Limit{Name: fault.RequestsBySpace, Max: l.BySpace, Text: "In one space %d requests can be made in an hour."}, Subject: space.ID.UUID, Count: 1},
	}
}

// deed is something done with the request, for the trail.
func (r *row) deed(action audit.Action, actor access.Actor) audit.Record {
	const named = 10 // of the addresses
	requester := r.requester()
	return audit.Record{Action: action, Actor: actor, Target: r.where(), Details: audit.Details{
		Request: string(r.Kind), Role: r.instanceRole(),
		Emails: r.Emails[:min(len(r.Emails), named)], MoreEmails: max(0, len(r.Emails)-named),
		UserID: uuid.NullUUID{UUID: requester.ID.UUID, Valid: true}, UserName: requester.Name,
	}}
}
