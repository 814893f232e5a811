package request

import (
	"context"

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

// answer locks a request, checks that the actor may answer it, runs the answer,
// and reads the request as it is then. A repeated call reads it as it is now.
func (s *Service) answer(ctx context.Context, actor access.Actor, a answer) (payload AnswerPayload, err error) {
	var r *row
	var place tenant.Place
	read := func(ctx context.Context, tx *postgres.Tx) (err error) {
		if r, err = findRow(ctx, tx, r.ID); err == nil {
			payload.Request = requestOf(r)
		}
		return err
	}
	payload.Results, err = idempotency.Run(ctx, s.DB, a.key, idempotency.Steps[[]*invitation.InviteResult]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			r, place, err = lockRequest(ctx, tx, actor, a.requestID.As(globalid.Request), a.lock)
			if err != nil {
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
	s.Outbox.Wake()
	s.Invitations.Outbox.Wake()
	return payload, nil
}

// lockRequest locks the place that a request is about, its space and the request,
// and reads the place and the request. Both are nil where there is no request; the
// place is nil where the actor may not see it.
func lockRequest(ctx context.Context, tx *postgres.Tx, actor access.Actor, id globalid.ID, lock access.LockStrength) (*row, tenant.Place, error) {
	r, err := findRow(ctx, tx, id.UUID)
	if r == nil || err != nil {
		return nil, nil, err
	}
	places, err := access.LockPlaces(ctx, tx, actor, lock, r.placeID())
	if err != nil {
		return nil, nil, err
	}
	// Removing the requester from the space locks it exclusively.
	if err := access.Lock(ctx, tx, actor, access.Shared, globalid.ID{Kind: globalid.Space, UUID: r.SpaceID}); err != nil {
		return nil, nil, err
	}
	if _, err := tx.Exec(ctx, `select from request where id = $1 for no key update`, r.ID); err != nil {
		return nil, nil, err
	}
	// Read the request again: others may have changed it before it was locked.
	place := places[r.placeID()]
	r, err = findRow(ctx, tx, id.UUID)
	return r, place, err
}

// checkActor checks that the actor may answer a request (nil: there is none) or,
// byRequester, that they made it. It fails with FORBIDDEN for those who may do only
// the other, and with NOT_FOUND for everybody else.
func checkActor(ctx context.Context, q postgres.Querier, actor access.Actor, r *row, place tenant.Place, a answer) error {
	if r == nil {
		return access.NotFound()
	}
	rule := r.Kind.answerRule(a.rule)
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
		return access.CheckRole(ctx, q, place, rule)
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
		if r.endsWithInstance() {
			f.Message, f.Remedy = "The 24 hours in which the instance could be restored are over.", "A new instance of the space can take its place."
		}
	}
	return f
}
