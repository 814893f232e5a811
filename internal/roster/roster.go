// Package roster makes the people of a space's instances those of a list: a course with
// all its people in one request, which can be sent again each night.
//
// A roster is decided first, from what is read (plan.go), and then carried out as it was
// decided. A request that only validates stops in between, so that both decide alike.
package roster

import (
	"context"
	"slices"
	"time"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/keyedhash"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Service carries out rosters.
type Service struct {
	DB          *postgres.DB
	Invitations *invitation.Service
	// OwnKey is the key of the hashes that stand for the owners of instances: the
	// database's alone. With a secret that is changed, nobody's own would be found.
	OwnKey keyedhash.Key
}

// SyncRosterPayload is what a roster has changed or, where it was only validated, would
// change.
type SyncRosterPayload struct {
	Space            *tenant.Space
	Results          []*Result // one for each entry, in the order of the input
	CreatedInstances []*tenant.Instance
	Removed          []*membership.SpaceMember // each with the roles that ended
	Revoked          []*invitation.Invitation
}

// Result is the result for one entry.
type Result struct {
	Index        int
	Email        string
	Outcome      invitation.InviteOutcome
	Role         tenant.InstanceRole
	PreviousRole *tenant.InstanceRole   // of RoleChanged
	Invitation   *invitation.Invitation // nil: the person is a member, or it is not made yet
	Member       *membership.Member     // nil: the person is no member
	Instance     *tenant.Instance
}

// Sync makes the people of a space's instances those of a list, all of them or, where one
// entry cannot be carried out, nothing of it. It fails with NOT_FOUND (the space, or an
// instance for each entry that names it), FORBIDDEN, IDEMPOTENCY_KEY_REUSED,
// SPACE_DELETED; then, for each entry, INSTANCE_DELETED, INSTANCE_DISTRIBUTED or CONFLICT
// (NAME_RESERVED, NAME_TAKEN, NAMED_TWICE), or a CONFLICT (REMOVES_TOO_MANY); RATE_LIMITED
// for each limit, or an INVALID_EMAIL for each address that is not valid.
func (s *Service) Sync(ctx context.Context, actor access.Actor, in SyncRosterInput) (payload SyncRosterPayload, err error) {
	rows, invalid, err := readRows(ctx, in.Entries)
	if err != nil {
		return payload, err
	}
	in.SpaceID = in.SpaceID.As(globalid.Space)
	c := call{s, actor, in, rows, invalid, map[globalid.ID]*fault.Fault{}}
	if in.ValidateOnly != nil && *in.ValidateOnly {
		return c.preview(ctx)
	}
	var space *tenant.Space
	var named map[globalid.ID]tenant.Place
	var executed *plan
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.SyncRoster.Field, Input: in}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[answer]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			// A roster creates instances, and ends roles in all of them.
			if space, err = access.LockSpace(ctx, tx, actor, in.SpaceID, access.SyncRoster); err != nil {
				return err
			}
			named, err = c.findNamed(ctx, tx, space)
			return err
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, a *answer) (err error) {
			payload, err = c.complete(ctx, tx, space, *a)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) (answer, error) {
			// Instances that were created while LockSpace waited are not locked yet.
			if err := access.LockNewInstances(ctx, tx, space.ID); err != nil {
				return answer{}, err
			}
			if executed, err = c.plan(ctx, tx, space, named); err != nil {
				return answer{}, err
			}
			if err := c.execute(ctx, tx, executed); err != nil {
				return answer{}, err
			}
			payload = executed.payload()
			return answerOf(payload), nil
		},
	})
	if err != nil {
		return SyncRosterPayload{}, err
	}
	if executed != nil {
		if executed.mailed {
			s.Invitations.Outbox.Wake()
		}
		for _, r := range payload.Results {
			s.Invitations.Count(r.Outcome)
		}
	}
	return payload, nil
}

// call is a call of Sync.
type call struct {
	*Service
	actor   access.Actor
	in      SyncRosterInput
	rows    []*row
	invalid fault.List // INVALID_EMAIL
	// checked has the refusals of the instances that were checked; nil: none.
	checked map[globalid.ID]*fault.Fault
}

// nothingChanged ends the message of every INVALID_EMAIL of a roster.
const nothingChanged = "Nothing was changed."

// readRows reads the addresses of entries, and returns an INVALID_EMAIL for each that is
// not valid. It fails where the context ends.
func readRows(ctx context.Context, entries []*Entry) (rows []*row, invalid fault.List, err error) {
	rows = make([]*row, len(entries))
	for i, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		a, problem := address.Parse(e.Email)
		if problem != nil {
			invalid = append(invalid, invitation.InvalidRow(i, e.Email, problem, nothingChanged, "input", "entries", i, "email"))
		}
		rows[i] = &row{Entry: e, index: i, address: a, key: a.Key()}
	}
	return rows, invalid, nil
}

// preview decides as Sync does. It locks and changes nothing.
func (c call) preview(ctx context.Context) (payload SyncRosterPayload, err error) {
	place, err := access.FindPlace(ctx, c.DB, c.actor, c.in.SpaceID)
	if err != nil {
		return payload, err
	}
	if err := access.CheckRole(ctx, c.DB, place, access.SyncRoster); err != nil {
		return payload, err
	}
	space := place.(*tenant.Space) // the id is one of a space
	named, err := c.findNamed(ctx, c.DB, space)
	if err != nil {
		return payload, err
	}
	p, err := c.plan(ctx, c.DB, space, named)
	if err != nil {
		return payload, err
	}
	if err := ratelimit.Check(ctx, c.DB, c.charges(p)...); err != nil {
		return payload, err
	}
	return p.payload(), nil
}

// findNamed reads the instances that entries name by their ids. It fails with a NOT_FOUND
// for each entry whose instance is none of the space.
func (c call) findNamed(ctx context.Context, q postgres.Querier, space *tenant.Space) (map[globalid.ID]tenant.Place, error) {
	var ids []globalid.ID
	seen := map[globalid.ID]bool{}
	for _, r := range c.rows {
		if id := r.Instance.ID; id != nil && !seen[id.As(globalid.Instance)] {
			seen[id.As(globalid.Instance)] = true
			ids = append(ids, id.As(globalid.Instance))
		}
	}
	if ids == nil {
		return nil, nil
	}
	found, err := tenant.FindPlaces(ctx, q, c.actor, ids)
	if err != nil {
		return nil, err
	}
	var unknown fault.List
	for _, r := range c.rows {
		if r.Instance.ID == nil {
			continue
		}
		i, ok := found[r.Instance.ID.As(globalid.Instance)].(*tenant.Instance)
		if !ok || i.Space.ID != space.ID {
			unknown = append(unknown, r.at(access.NotFound(), "instance", "id"))
			continue
		}
		i.Space = space
	}
	return found, unknown.Err()
}

// execute does what a plan says, in a transaction that has locked the space with its
// instances.
func (c call) execute(ctx context.Context, tx *postgres.Tx, p *plan) (err error) {
	created := make([]instance.New, len(p.created))
	for i, t := range p.created {
		created[i] = instance.New{ID: t.instance.ID, Name: t.instance.Name, Owner: t.owner}
	}
	n, err := instance.InsertAll(ctx, tx, p.space.ID.UUID, created)
	if err != nil {
		return err
	}
	if int(n) != len(created) {
		return errNameTaken
	}
	owners := make([]instance.New, len(p.adopted))
	for i, t := range p.adopted {
		owners[i] = instance.New{ID: t.instance.ID, Owner: t.owner}
	}
	if err := instance.SetOwners(ctx, tx, owners); err != nil {
		return err
	}
	if err := membership.SetRoles(ctx, tx, p.roles); err != nil {
		return err
	}
	if err := membership.EndAll(ctx, tx, c.actor, p.removed); err != nil {
		return err
	}
	if err := invitation.RevokeAll(ctx, tx, p.revoked); err != nil {
		return err
	}
	if p.mailed, err = c.Invitations.Execute(ctx, tx, p.inviting); err != nil {
		return err
	}
	if err := audit.Write(ctx, tx, p.records(c.actor)...); err != nil {
		return err
	}
	// Last: see invitation.Service.
	return ratelimit.Take(ctx, tx, c.charges(p)...)
}

// errNameTaken reports a name that was free under the lock of the space: a gateway of an
// older release has created or restored an instance. The request can be repeated.
var errNameTaken = &fault.Fault{
	Code:    fault.Unavailable,
	Message: "Somebody else is creating an instance of the space at the moment. Nothing was done.",
	Remedy:  "Wait a little and send the request again, with the same idempotency key.",
}

// answer is what is remembered of a roster for repeated requests.
type answer struct {
	Results []remembered  `json:"results"`
	Created []globalid.ID `json:"created,omitempty"`
	Removed []ended       `json:"removed,omitempty"`
	Revoked []globalid.ID `json:"revoked,omitempty"`
}

type remembered struct {
	Outcome      invitation.InviteOutcome `json:"outcome"`
	Role         tenant.InstanceRole      `json:"role"`
	PreviousRole *tenant.InstanceRole     `json:"previousRole,omitempty"`
	InstanceID   globalid.ID              `json:"instanceId"`
	InvitationID globalid.ID              `json:"invitationId,omitzero"`
	MemberID     globalid.ID              `json:"memberId,omitzero"` // of the person
}

// ended is a person with the roles that ended.
type ended struct {
	UserID globalid.ID  `json:"userId"`
	Roles  tenant.Roles `json:"roles"`
	Since  time.Time    `json:"since"`
}

func answerOf(p SyncRosterPayload) (a answer) {
	a.Results = make([]remembered, len(p.Results))
	for i, r := range p.Results {
		a.Results[i] = remembered{Outcome: r.Outcome, Role: r.Role, PreviousRole: r.PreviousRole, InstanceID: r.Instance.ID}
		if r.Invitation != nil {
			a.Results[i].InvitationID = r.Invitation.ID
		}
		if r.Member != nil {
			a.Results[i].MemberID = r.Member.User.ID
		}
	}
	for _, i := range p.CreatedInstances {
		a.Created = append(a.Created, i.ID)
	}
	for _, m := range p.Removed {
		a.Removed = append(a.Removed, ended{m.User.ID, m.Held, m.Since})
	}
	for _, v := range p.Revoked {
		a.Revoked = append(a.Revoked, v.ID)
	}
	return a
}

// complete returns the payload of an executed request, with what is read now.
func (c call) complete(ctx context.Context, q postgres.Querier, space *tenant.Space, a answer) (p SyncRosterPayload, err error) {
	instanceIDs := slices.Clone(a.Created)
	invitationIDs := slices.Clone(a.Revoked)
	var memberOf, memberIDs, userIDs []globalid.ID
	for _, r := range a.Results {
		instanceIDs = append(instanceIDs, r.InstanceID)
		if r.InvitationID.Kind != "" {
			invitationIDs = append(invitationIDs, r.InvitationID)
		}
		if r.MemberID.Kind != "" {
			memberOf, memberIDs = append(memberOf, r.InstanceID), append(memberIDs, r.MemberID)
		}
	}
	for _, e := range a.Removed {
		userIDs = append(userIDs, e.UserID)
	}
	// The instances are there for longer than a key is known: see package instance.
	places, err := tenant.FindPlaces(ctx, q, c.actor, instanceIDs)
	if err != nil {
		return p, err
	}
	invitations, err := invitation.Find(ctx, q, invitationIDs)
	if err != nil {
		return p, err
	}
	members, err := membership.Find(ctx, q, memberOf, memberIDs)
	if err != nil {
		return p, err
	}
	users, err := membership.FindUsers(ctx, q, userIDs)
	if err != nil {
		return p, err
	}
	membersBy := make(map[seatOf]*membership.Member, len(members))
	for _, m := range members {
		membersBy[seatOf{m.InstanceID, m.User.ID.String()}] = m.Member()
	}
	p.Space = space
	for i, r := range a.Results {
		result := &Result{Index: i, Email: c.rows[i].address.String(), Outcome: r.Outcome, Role: r.Role, PreviousRole: r.PreviousRole}
		result.Instance, _ = places[r.InstanceID].(*tenant.Instance)
		result.Invitation = invitations[r.InvitationID]
		if result.Invitation != nil && result.Instance != nil {
			result.Invitation = result.Invitation.WithPlace(result.Instance)
		}
		result.Member = membersBy[seatOf{r.InstanceID, r.MemberID.String()}]
		p.Results = append(p.Results, result)
	}
	for _, id := range a.Created {
		if i, ok := places[id].(*tenant.Instance); ok {
			p.CreatedInstances = append(p.CreatedInstances, i)
		}
	}
	for _, e := range a.Removed {
		if user := users[e.UserID]; user != nil {
			p.Removed = append(p.Removed, &membership.SpaceMember{User: user, Held: e.Roles, Since: e.Since})
		}
	}
	for _, id := range a.Revoked {
		if v := invitations[id]; v != nil {
			p.Revoked = append(p.Revoked, v)
		}
	}
	return p, nil
}
