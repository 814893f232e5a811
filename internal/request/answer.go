package request

import (
	"context"
	"errors"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// AnswerPayload is the result of approving, declining or withdrawing a request.
type AnswerPayload struct {
	Request *Request
	Results []*invitation.InviteResult // of an approved request for invitations
}

// answer is a call of Approve, Decline or Withdraw.
type answer struct {
	key         idempotency.Request
	rule        access.Rule // without roles: these follow from the request's kind
	requestID   globalid.ID
	lock        access.LockStrength // of the place that the request is about
	byRequester bool                // false: by a person who can answer the request
	run         func(context.Context, *postgres.Tx, *row, tenant.Place) ([]*invitation.InviteResult, error)
}

// answer checks that the actor may answer a request, locks it, checks that again, runs
// the answer, and reads the request as it is then. A repeated call reads it as it is
// now.
func (s *Service) answer(ctx context.Context, actor access.Actor, a answer) (payload AnswerPayload, err error) {
	found, err := s.findAnswerable(ctx, actor, a)
	if err != nil {
		return AnswerPayload{}, err
	}
	var r *row
	var place tenant.Place
	read := func(ctx context.Context, tx *postgres.Tx) (err error) {
		if r, err = findRow(ctx, tx, found.ID); err == nil {
			payload.Request = requestOf(r)
		}
		return err
	}
	payload.Results, err = idempotency.Run(ctx, s.DB, a.key, idempotency.Steps[[]*invitation.InviteResult]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			if r, place, err = found.lock(ctx, tx, actor, a.lock); err != nil {
				return err
			}
			return checkActor(ctx, tx, actor, r, place, a)
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, results *[]*invitation.InviteResult) error {
			if err := read(ctx, tx); err != nil || len(*results) == 0 {
				return err
			}
			return s.Invitations.ReplayOnBehalf(ctx, tx, r.requestedInvitations(place, r.Approved), *results)
		},
		Do: func(ctx context.Context, tx *postgres.Tx) ([]*invitation.InviteResult, error) {
			results, err := a.run(ctx, tx, r, place)
			if err != nil {
				return nil, err
			}
			return results, read(ctx, tx)
		},
	})
	if err != nil {
		return AnswerPayload{}, err
	}
	s.wake()
	s.Invitations.Outbox.Wake()
	return payload, nil
}

// findAnswerable reads the request of a call, without a lock. A person who neither made
// the request nor can answer it is refused by the one statement that looks for it, as
// everybody is where there is no request. It fails with NOT_FOUND or FORBIDDEN.
func (s *Service) findAnswerable(ctx context.Context, actor access.Actor, a answer) (*row, error) {
	r, canAnswer, err := findKnown(ctx, s.DB, a.requestID.As(globalid.Request), actor)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, access.NotFound()
	}
	if a.byRequester && r.RequestedBy == actor.ID.UUID || !a.byRequester && canAnswer {
		return r, nil
	}
	places, err := tenant.FindPlaces(ctx, s.DB, actor, []globalid.ID{r.placeID()})
	if err != nil {
		return nil, err
	}
	return r, checkActor(ctx, s.DB, actor, r, places[r.placeID()], a)
}

// lock locks the place that a request is about, the space of an instance and the request, and reads
// the request and the place. The request is nil where there is none any more, and the
// place where the actor may not see it.
func (r *row) lock(ctx context.Context, tx *postgres.Tx, actor access.Actor, strength access.LockStrength) (*row, tenant.Place, error) {
	locks := access.Locks{
		Places:   []globalid.ID{r.placeID()},
		Strength: strength,
		Accounts: []globalid.ID{actor.ID, {Kind: globalid.User, UUID: r.RequestedBy}},
	}
	if !r.InOrganization {
		// Removing the requester from the space locks it exclusively, and removing them from
		// the organization ends their role there first.
		locks.Spaces = []globalid.ID{{Kind: globalid.Space, UUID: r.SpaceID.UUID}}
		locks.Organizations = []globalid.ID{{Kind: globalid.Organization, UUID: r.OrganizationID}}
	}
	if err := locks.Take(ctx, tx); err != nil {
		return nil, nil, err
	}
	if _, err := tx.Exec(ctx, `select from request where id = $1 for no key update`, r.ID); err != nil {
		return nil, nil, err
	}
	// Read both again: others may have changed them before they were locked.
	places, err := tenant.FindPlaces(ctx, tx, actor, []globalid.ID{r.placeID()})
	if err != nil {
		return nil, nil, err
	}
	locked, err := findRow(ctx, tx, r.ID)
	if locked != nil && locked.AnswererName != nil && locked.hidesAnswerer(places[r.placeID()]) {
		hidden := locked.hiddenAnswerer()
		locked.AnswererName, locked.AnswererEmail = &hidden.Name, &hidden.Email
	}
	return locked, places[r.placeID()], err
}

// hidesAnswerer reports whether a person must not know who answered the request: it is about
// an organization which tells them no names of its staff, or which they (place is nil) may
// not see any more.
func (r *row) hidesAnswerer(place tenant.Place) bool {
	o, _ := place.(*tenant.Organization)
	return r.InOrganization && (o == nil || !o.TellsStaff())
}

// hiddenAnswerer is whom a person sees in place of the answerer.
func (r *row) hiddenAnswerer() fault.Contact {
	return fault.Contact{Name: "a manager of " + r.OrganizationName}
}

// checkActor checks that the actor may answer a request (nil: there is none) or,
// byRequester, that they made it. It fails with FORBIDDEN for those who may do only
// the other, and with NOT_FOUND for everybody else.
func checkActor(ctx context.Context, q postgres.Querier, actor access.Actor, r *row, place tenant.Place, a answer) error {
	if r == nil {
		return access.NotFound()
	}
	rule := r.answerRule(a.rule)
	isRequester, canAnswer := r.RequestedBy == actor.ID.UUID, rule.Allows(place)
	switch {
	case a.byRequester && isRequester, !a.byRequester && canAnswer:
		return nil
	case canAnswer:
		return &fault.Fault{
			Code:     fault.Forbidden,
			Message:  "Only " + r.RequesterName + ", who made the request, can withdraw it.",
			Remedy:   "Answer it: approveRequest, or declineRequest.",
			Contacts: fault.Reachable(r.requester().Contact()),
		}
	case isRequester:
		err := access.CheckRole(ctx, q, place, rule)
		if f := (*fault.Fault)(nil); r.InOrganization && errors.As(err, &f) && f.Code == fault.Forbidden {
			// The role that would allow it is the one that they ask for, or a higher one.
			f.Request, f.Remedy = "", "Wait for the answer, or withdraw the request with withdrawRequest."
			if r.Status != Open {
				f.Remedy = "Reload the request: it has ended."
			}
		}
		return err
	}
	return access.NotFound()
}

// checkOpen fails with CONFLICT where the request has ended.
func (r *row) checkOpen() error {
	if r.Status == Open {
		return nil
	}
	f := &fault.Fault{Code: fault.Conflict, Remedy: "Reload the request. It can be made again if it is still needed."}
	by := "DataHub"
	if r.AnswererName != nil {
		by = *r.AnswererName
		f.Contacts = fault.Reachable(fault.Contact{Name: *r.AnswererName, Email: *r.AnswererEmail})
	}
	switch r.Status {
	case Approved:
		f.Reason, f.Message = fault.RequestApproved, "The request has already been approved by "+by+"."
	case Declined:
		f.Reason, f.Message = fault.RequestDeclined, "The request has already been declined by "+by+"."
	case Withdrawn:
		f.Reason, f.Message = fault.RequestWithdrawn, "The request has been withdrawn by "+r.RequesterName+"."
	case Expired:
		f.Reason, f.Message = fault.RequestExpired, "The time to answer the request is over."
		if r.endsWithPlace() {
			switch {
			case r.Kind != Restore:
				f.Message, f.Remedy = "What the request is about was deleted, and the 24 hours in which it could be restored are over.", "It can be made again for another place."
			case r.InstanceID.Valid:
				f.Message, f.Remedy = "The 24 hours in which the instance could be restored are over.", "A new instance of the space can take its place."
			default:
				f.Message, f.Remedy = "The 24 hours in which the space could be restored are over.", "A new space of the organization can take its place."
			}
		}
	}
	return f
}
