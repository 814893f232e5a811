package request

import (
	"context"
	"fmt"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/text"
)

// ApproveRequestInput approves a request.
type ApproveRequestInput struct {
	RequestID      globalid.ID `json:"requestId"`
	Emails         []string    `json:"emails"` // the addresses to invite, of the request's; nil: all
	Message        *string     `json:"message"`
	IdempotencyKey *string     `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in ApproveRequestInput) Validate(l invitation.Limits) (faults fault.List) {
	if in.Emails != nil {
		faults = append(faults, l.ValidateEmails(in.Emails, "input", "emails")...)
	}
	return append(faults, validateMessageAndKey(l, in.Message, in.IdempotencyKey)...)
}

// Approve does what a request asks for, in the actor's name, and ends the request.
// Whether the actor may do it, and whether it is possible, is checked now. It fails
// with NOT_FOUND, FORBIDDEN, CONFLICT where the request has ended or the requester
// has left (REQUESTER_LEFT), or as inviting or restoring does.
func (s *Service) Approve(ctx context.Context, actor access.Actor, in ApproveRequestInput) (AnswerPayload, error) {
	return s.answer(ctx, actor, answer{
		key:       idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.ApproveRequest.Field, Input: in},
		rule:      access.ApproveRequest,
		requestID: in.RequestID,
		lock:      access.Exclusive,
		run: func(ctx context.Context, tx *postgres.Tx, r *row, place tenant.Place) ([]*invitation.InviteResult, error) {
			if r.Kind == Restore && r.Status == Expired {
				// RESTORE_WINDOW_EXPIRED says more than that the request has expired.
				if err := access.CheckState(ctx, tx, place, r.restoreRule()); err != nil {
					return nil, err
				}
			}
			if err := r.checkOpen(); err != nil {
				return nil, err
			}
			if err := r.checkRequester(ctx, tx); err != nil {
				return nil, err
			}
			return s.approve(ctx, tx, actor, r, place, in)
		},
	})
}

// checkRequester fails with CONFLICT where the requester has no role any more in
// what the request is about.
func (r *row) checkRequester(ctx context.Context, q postgres.Querier) error {
	places, err := tenant.FindPlaces(ctx, q, r.requester(), []globalid.ID{r.placeID()})
	if err != nil || access.RequestRole.Allows(places[r.placeID()]) {
		return err
	}
	return &fault.Fault{
		Code:    fault.Conflict,
		Reason:  fault.RequesterLeft,
		Message: r.RequesterName + ", who made the request, has no role here any more. Nothing was done.",
		Remedy:  "Decline the request.",
	}
}

func (s *Service) approve(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row, place tenant.Place, in ApproveRequestInput) (results []*invitation.InviteResult, err error) {
	emails, faults := r.approvedEmails(in.Emails)
	if len(faults) > 0 {
		return nil, faults
	}
	end := ending{status: Approved, action: audit.RequestApproved, answer: text.CleanMessage(in.Message)}
	switch r.Kind {
	case Role:
		err = r.grantRole(ctx, tx, actor, place)
	case Invitations:
		end.approved = emails
		results, err = s.Invitations.InviteOnBehalf(ctx, tx, actor, r.requestedInvitations(place, emails))
	case Restore:
		restored, err := s.restore(ctx, tx, actor, place)
		if err != nil {
			return nil, err
		}
		if restored {
			// InstanceRestored or SpaceRestored has ended this request, with all others to
			// restore the place.
			_, err = tx.Exec(ctx, `update request set answer = $2 where id = $1`, r.ID, end.answer)
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return results, s.end(ctx, tx, actor, r, end)
}

// restore restores a place that the transaction has locked exclusively.
func (s *Service) restore(ctx context.Context, tx *postgres.Tx, actor access.Actor, place tenant.Place) (restored bool, err error) {
	switch p := place.(type) {
	case *tenant.Instance:
		return s.Instances.RestoreTx(ctx, tx, actor, p)
	case *tenant.Space:
		return s.Spaces.RestoreTx(ctx, tx, actor, p)
	}
	return false, fmt.Errorf("request: there is no way to restore %T", place)
}

// approvedEmails returns the addresses of the request that are to be invited: all
// (chosen is nil), or those that were chosen. It returns a BAD_USER_INPUT for each
// chosen address that is not one of the request.
func (r *row) approvedEmails(chosen []string) (approved []string, faults fault.List) {
	if chosen == nil {
		return r.Emails, nil
	}
	if r.Kind != Invitations {
		return nil, fault.List{fault.Input("The request is not about invitations: leave out emails.", "input", "emails")}
	}
	requested := map[string]string{} // by key
	for _, email := range r.Emails {
		if a, problem := address.Parse(email); problem == nil {
			requested[a.Key()] = email
		}
	}
	seen := map[string]bool{}
	for i, email := range chosen {
		a, problem := address.Parse(email)
		if problem != nil || requested[a.Key()] == "" {
			f := fault.Input(fmt.Sprintf("Address %d is not one of the request.", i+1), "input", "emails", i)
			f.Index = &i
			faults = append(faults, f)
			continue
		}
		if email = requested[a.Key()]; !seen[email] {
			seen[email] = true
			approved = append(approved, email)
		}
	}
	return approved, faults
}

// grantRole gives the requester the role of the request, unless they have it or a
// higher one.
func (r *row) grantRole(ctx context.Context, tx *postgres.Tx, actor access.Actor, place tenant.Place) error {
	rule := access.ApproveRequest
	rule.Kinds, rule.States, rule.InActiveSpace = access.RequestRole.Kinds, access.RequestRole.States, access.RequestRole.InActiveSpace
	if err := access.CheckState(ctx, tx, place, rule); err != nil {
		return err
	}
	record := r.auditRecord(audit.RoleGranted, actor)
	record.Request = ""
	var err error
	switch p := place.(type) {
	case *tenant.Instance:
		record.PreviousRole, err = membership.RoleIn(ctx, tx, p.ID, r.RequestedBy)
	case *tenant.Organization:
		record.PreviousOrganizationRole, err = membership.RoleInOrganization(ctx, tx, p.ID, r.RequestedBy)
	}
	if err != nil {
		return err
	}
	changed, err := membership.Grant(ctx, tx, r.RequestedBy, r.placeID(), *r.Role)
	if err != nil || !changed {
		return err
	}
	return audit.Write(ctx, tx, record)
}

// requestedInvitations returns what a request for invitations asks for, with some
// of its addresses.
func (r *row) requestedInvitations(place tenant.Place, emails []string) invitation.RequestedInvitations {
	requested := invitation.RequestedInvitations{Requester: r.requester(), Emails: emails, Message: r.Message}
	requested.Instance, _ = place.(*tenant.Instance)
	if role := r.instanceRole(); role != nil {
		requested.Role = *role
	}
	return requested
}
