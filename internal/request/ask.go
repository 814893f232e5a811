package request

import (
	"context"

	"github.com/google/uuid"

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

// RequestPayload is the result of making a request.
type RequestPayload struct {
	Request *Request
	Created bool // false: such a request was open already; see ownQueries
}

// draft is a request that is to be made.
type draft struct {
	key     idempotency.Request
	rule    access.Rule
	kind    Kind
	placeID globalid.ID // as the input names it
	role    *tenant.Role
	emails  []string
	invalid fault.List // the addresses that are not valid; nil: all are
	message *string
}

// nobodyAsked ends the messages of refusals to make a request.
const nobodyAsked = "Nobody was asked."

func validateMessageAndKey(l invitation.Limits, message, key *string) fault.List {
	return append(text.CheckMessage(message, l.Message, "input", "message"), idempotency.ValidateKey(key)...)
}

// ask makes a request, unless one like it is open (see ownQueries), and queues
// mails to those who can answer it.
func (s *Service) ask(ctx context.Context, actor access.Actor, d draft) (payload RequestPayload, err error) {
	type remembered struct {
		RequestID globalid.ID `json:"requestId"`
		Created   bool        `json:"created"`
	}
	var place tenant.Place
	read := func(ctx context.Context, tx *postgres.Tx, result *remembered) error {
		r, err := findRow(ctx, tx, result.RequestID.UUID)
		if err != nil {
			return err
		}
		if r == nil {
			return access.NotFound() // purged with its instance
		}
		payload = RequestPayload{requestOf(r), result.Created}
		return nil
	}
	_, err = idempotency.Run(ctx, s.DB, d.key, idempotency.Steps[remembered]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			place, err = access.LockAndCheckRole[tenant.Place](ctx, tx, actor, d.placeID, d.rule, access.Shared)
			if i, ok := place.(*tenant.Instance); ok && d.role != nil && d.role.HeldIn() == globalid.Space {
				place = i.Space
			}
			return err
		},
		Replay: read,
		Do: func(ctx context.Context, tx *postgres.Tx) (result remembered, err error) {
			if err := d.checkNeeded(ctx, tx, place); err != nil {
				return result, err
			}
			if result.RequestID, result.Created, err = s.findOrInsert(ctx, tx, actor, place, d); err != nil {
				return result, err
			}
			if err := read(ctx, tx, &result); err != nil || !result.Created {
				return result, err
			}
			r := payload.Request.row
			if err := notifyAnswerers(ctx, tx, r); err != nil {
				return result, err
			}
			return result, audit.Write(ctx, tx, r.auditRecord(audit.RequestMade, actor))
		},
	})
	if payload.Created && err == nil {
		s.wake()
	}
	return payload, err
}

// wake sends the mails about requests that were queued.
func (s *Service) wake() {
	s.Outbox.Wake()
	s.OrganizationOutbox.Wake()
}

// checkNeeded fails where the state of the place rules out what the draft asks
// for, and with CONFLICT where the requester has it or can do it (NOT_NEEDED), or where
// nobody can answer (NO_MANAGER).
func (d draft) checkNeeded(ctx context.Context, q postgres.Querier, place tenant.Place) error {
	if err := access.CheckState(ctx, q, place, d.rule); err != nil {
		return err
	}
	i, _ := place.(*tenant.Instance)
	space, _ := place.(*tenant.Space)
	switch {
	case d.kind == Restore && space != nil && space.State() == tenant.Active:
		return notNeeded("The space is not deleted.", "Open it.")
	case d.kind == Restore && space != nil && access.RestoreSpace.Allows(space):
		return notNeeded("You can restore the space yourself.", "Restore it with restoreSpace.")
	case d.kind == Restore && space != nil:
		return nil
	case d.kind == Restore && i.State() == tenant.Active:
		return notNeeded("The instance is not deleted.", "Open it.")
	case d.kind == Restore && access.RestoreInstance.Allows(i):
		return notNeeded("You can restore the instance yourself.", "Restore it with restoreInstance.")
	case d.kind == Invitations && access.InviteUsers.Allows(i):
		return notNeeded("You can invite people to the instance yourself.", "Invite them with inviteUsers.")
	case d.kind == Role && place.EffectiveRoles().Include(*d.role):
		return notNeeded("You have this role already.", "Reload what you see.")
	}
	if o, organization := place.(*tenant.Organization); organization {
		return access.CheckManaged(ctx, q, o)
	}
	return nil
}

func notNeeded(message, remedy string) *fault.Fault {
	return &fault.Fault{Code: fault.Conflict, Reason: fault.NotNeeded, Message: message + " " + nobodyAsked, Remedy: remedy}
}

// findOrInsert returns the actor's open request of the draft's kind about the
// place, and in an organization for the draft's role. Where there is none it inserts one. It fails with RATE_LIMITED or
// INVALID_EMAIL.
func (s *Service) findOrInsert(ctx context.Context, tx *postgres.Tx, actor access.Actor, place tenant.Place, d draft) (id globalid.ID, created bool, err error) {
	about := subjectOf(place)
	charges := s.Limits.charges(actor, about)
	if len(d.invalid) > 0 {
		if err := ratelimit.Check(ctx, tx, charges...); err != nil {
			return id, false, err
		}
		return id, false, d.invalid
	}
	// The index of open requests has room for one: end the one before, if its time
	// is over.
	var role *string
	if d.role != nil {
		role = new(d.role.String())
	}
	if _, err := s.endAll(ctx, tx, access.Actor{}, audit.RequestExpired, expireOwn.of(about), actor.ID.UUID, string(d.kind), about.place, role); err != nil {
		return id, false, err
	}
	newID := globalid.New(globalid.Request)
	id.Kind = globalid.Request
	// The update of nothing locks the request that is open: it cannot end before it
	// is read.
	err = tx.Get(ctx, &id.UUID, insertQueries.of(about),
		newID.UUID, actor.ID.UUID, string(d.kind), about.within, about.instance, role, nullableArray(d.emails), d.message, s.Limits.TTL.Seconds())
	if err != nil || id != newID {
		return id, false, err
	}
	// Charge last: the counter rows stay locked until commit, and every other
	// request in the space queues behind them.
	return id, true, ratelimit.Take(ctx, tx, charges...)
}

// ownQueries are about a person's open requests: about an instance or a space, of which
// there is one of a kind about a place, or about an organization itself, of which there is
// one for each role. The two have indexes of their own.
type ownQueries struct{ inSpace, inOrganization string }

func (q ownQueries) of(about subject) string {
	if about.inOrganization {
		return q.inOrganization
	}
	return q.inSpace
}

// insertQueries insert request $1 of person $2, of kind $3, about space or organization
// $4, or instance $5 of the space. Where one is open, they return its id.
var insertQueries = ownQueries{
	inSpace: `
		insert into request as r (id, requested_by, kind, space_id, space_name, instance_id, instance_name, role, emails, message, lasts_until, expires_at)
		select $1, $2, $3, s.id, s.name, i.id, i.name, $6, $7, $8, t.until, case when $3 = 'RESTORE' then coalesce(i.restorable_until, s.restorable_until) else t.until end
		from space s left join instance i on i.id = $5, (select clock_timestamp() + $9 * interval '1 second' as until) t
		where s.id = $4
		on conflict (requested_by, kind, coalesce(instance_id, space_id)) where status = 'OPEN' do update set status = r.status
		returning id`,
	inOrganization: `
		insert into request as r (id, requested_by, kind, organization_id, organization_name, instance_id, role, emails, message, lasts_until, expires_at)
		select $1, $2, $3, o.id, o.name, $5, $6, $7, $8, t.until, t.until
		from organization o, (select clock_timestamp() + $9 * interval '1 second' as until) t
		where o.id = $4
		on conflict (requested_by, kind, organization_id, role) where status = 'OPEN' and organization_id is not null do update set status = r.status
		returning id`,
}

// subject is what a request is about: a space or an organization, or an instance within
// a space.
type subject struct {
	place, within  uuid.UUID     // within is the space of an instance, and otherwise the place itself
	instance       uuid.NullUUID // valid: the place
	inOrganization bool
}

func subjectOf(place tenant.Place) subject {
	switch p := place.(type) {
	case *tenant.Instance:
		return subject{place: p.ID.UUID, within: p.Space.ID.UUID, instance: uuid.NullUUID{UUID: p.ID.UUID, Valid: true}}
	case *tenant.Space:
		return subject{place: p.ID.UUID, within: p.ID.UUID}
	case *tenant.Organization:
		return subject{place: p.ID.UUID, within: p.ID.UUID, inOrganization: true}
	}
	return subject{} // there is no other place
}

func (l Limits) charges(actor access.Actor, about subject) []ratelimit.Charge {
	charges := []ratelimit.Charge{
		{Limit: ratelimit.Limit{Name: fault.RequestsByPerson, Max: l.ByPerson, Text: "One person can make %d requests in an hour."}, Subject: actor.ID.UUID, Count: 1},
		{Limit: ratelimit.Limit{Name: fault.RequestsBySpace, Max: l.BySpace, Text: "In one space %d requests can be made in an hour."}, Subject: about.within, Count: 1},
	}
	if about.inOrganization {
		// Thousands may ask, everybody in a space of the organization: a few of them must not
		// use up what all have together, nor wait for each other.
		charges[1].Limit = ratelimit.Limit{Name: fault.RequestsBySpace, Max: l.ByOrganization, Shared: true, Text: "About one organization itself %d requests can be made in an hour."}
		charges = append(charges, ratelimit.Charge{
			Limit:   ratelimit.Limit{Name: fault.RequestsByPersonInOrganization, Max: l.ByPersonInOrganization, Text: "One person can make %d requests about one organization itself in an hour."},
			Subject: actor.ID.UUID, Within: about.within, Count: 1,
		})
	}
	return charges
}
