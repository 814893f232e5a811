package request

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

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
	Emails         []string    `json:"emails"` // of a request for invitations; nil: all of them
	Message        *string     `json:"message"`
	IdempotencyKey *string     `json:"-"`
}

// DeclineRequestInput declines a request.
type DeclineRequestInput struct {
	RequestID      globalid.ID `json:"requestId"`
	Message        *string     `json:"message"`
	IdempotencyKey *string     `json:"-"`
}

// WithdrawRequestInput takes back a request.
type WithdrawRequestInput struct {
	RequestID      globalid.ID `json:"requestId"`
	IdempotencyKey *string     `json:"-"`
}

// Validate gives what is wrong with the form of the request.
func (r ApproveRequestInput) Validate(l invitation.Limits) (faults fault.List) {
	if r.Emails != nil {
		faults = append(faults, l.ValidateEmails(r.Emails, "input", "emails")...)
	}
	return append(faults, validate(l, r.Message, r.IdempotencyKey)...)
}

// Validate gives what is wrong with the form of the request.
func (r DeclineRequestInput) Validate(l invitation.Limits) fault.List {
	return validate(l, r.Message, r.IdempotencyKey)
}

// Validate gives what is wrong with the form of the request.
func (r WithdrawRequestInput) Validate() fault.List { return idempotency.ValidateKey(r.IdempotencyKey) }

// AnswerPayload is what came of an answer.
type AnswerPayload struct {
	Request *Request
	Results []*invitation.InviteResult // of an approved request for invitations
}

// Approve carries out what a request asks for, in the actor's name. Whether she
// may, and whether it can be done, is decided anew. It fails with NOT_FOUND,
// FORBIDDEN, CONFLICT where it has ended or its requester has left, or as what
// it asks for.
func (s *Service) Approve(ctx context.Context, actor access.Actor, a ApproveRequestInput) (AnswerPayload, error) {
	key := idempotency.Request{Actor: actor, Key: a.IdempotencyKey, Operation: access.ApproveRequest.Field, Input: a}
	return s.answer(ctx, actor, key, a.RequestID, answering{
		rule: access.ApproveRequest,
		lock: access.Exclusive,
		give: func(ctx context.Context, tx *postgres.Tx, r *row, place tenant.Place) ([]*invitation.InviteResult, error) {
			if i, ok := place.(*tenant.Instance); ok && r.Kind == Restore && r.Status == Expired {
				if err := access.CheckState(ctx, tx, i, access.RestoreInstance); err != nil {
					return nil, err
				}
			}
			if err := r.over(); err != nil {
				return nil, err
			}
			if err := r.present(ctx, tx); err != nil {
				return nil, err
			}
			return s.approve(ctx, tx, actor, r, place, a)
		},
	})
}

// Decline ends a request that the actor does not grant. It fails with NOT_FOUND,
// FORBIDDEN, or CONFLICT where it has ended.
func (s *Service) Decline(ctx context.Context, actor access.Actor, a DeclineRequestInput) (AnswerPayload, error) {
	key := idempotency.Request{Actor: actor, Key: a.IdempotencyKey, Operation: access.DeclineRequest.Field, Input: a}
	return s.answer(ctx, actor, key, a.RequestID, answering{
		rule: access.DeclineRequest,
		lock: access.Shared,
		give: func(ctx context.Context, tx *postgres.Tx, r *row, _ tenant.Place) ([]*invitation.InviteResult, error) {
			return nil, s.end(ctx, tx, actor, r, ending{Declined, audit.RequestDeclined, text.CleanMessage(a.Message), nil})
		},
	})
}

// Withdraw ends a request of the actor's own. It fails with NOT_FOUND, FORBIDDEN,
// or CONFLICT where it has ended.
func (s *Service) Withdraw(ctx context.Context, actor access.Actor, a WithdrawRequestInput) (AnswerPayload, error) {
	key := idempotency.Request{Actor: actor, Key: a.IdempotencyKey, Operation: access.WithdrawRequest.Field, Input: a}
	return s.answer(ctx, actor, key, a.RequestID, answering{
		rule: access.WithdrawRequest,
		lock: access.Shared,
		own:  true,
		give: func(ctx context.Context, tx *postgres.Tx, r *row, _ tenant.Place) ([]*invitation.InviteResult, error) {
			return nil, s.end(ctx, tx, actor, r, ending{Withdrawn, audit.RequestWithdrawn, nil, nil})
		},
	})
}

// answering is how a request is answered.
type answering struct {
	rule access.Rule
	lock access.LockStrength // on what the request is about
	own  bool                // by who has made it, and not by who can answer it
	give func(context.Context, *postgres.Tx, *row, tenant.Place) ([]*invitation.InviteResult, error)
}

func (s *Service) answer(ctx context.Context, actor access.Actor, key idempotency.Request, id globalid.ID, how answering) (answered AnswerPayload, err error) {
	var r *row
	var place tenant.Place
	read := func(ctx context.Context, tx *postgres.Tx) (err error) {
		if r, err = find(ctx, tx, r.ID); err == nil {
			answered.Request = one(r)
		}
		return err
	}
	answered.Results, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[[]*invitation.InviteResult]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			r, place, err = hold(ctx, tx, actor, id.As(globalid.Request), how.lock)
			if err != nil {
				return err
			}
			return r.permit(ctx, tx, actor, place, how)
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, results *[]*invitation.InviteResult) error {
			if err := read(ctx, tx); err != nil || len(*results) == 0 {
				return err
			}
			return s.Invitations.ReplayOnBehalf(ctx, tx, r.behalf(place, r.Approved), *results)
		},
		Do: func(ctx context.Context, tx *postgres.Tx) ([]*invitation.InviteResult, error) {
			results, err := how.give(ctx, tx, r, place)
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
	return answered, nil
}

// hold keeps others off what a request is about and off the request, and reads
// both; nil where there is no request, or nothing that the actor may know of.
func hold(ctx context.Context, tx *postgres.Tx, actor access.Actor, id globalid.ID, lock access.LockStrength) (*row, tenant.Place, error) {
	r, err := find(ctx, tx, id.UUID)
	if r == nil || err != nil {
		return nil, nil, err
	}
	places, err := access.LockPlaces(ctx, tx, actor, lock, r.place())
	if err != nil {
		return nil, nil, err
	}
	// Nobody is removed from the whole space meanwhile.
	if err := access.Lock(ctx, tx, actor, access.Shared, globalid.ID{Kind: globalid.Space, UUID: r.SpaceID}); err != nil {
		return nil, nil, err
	}
	if _, err := tx.Exec(ctx, `select from request where id = $1 for no key update`, r.ID); err != nil {
		return nil, nil, err
	}
	// Once more, now that nobody else can change it.
	place := places[r.place()]
	r, err = find(ctx, tx, id.UUID)
	return r, place, err
}

// permit decides whether the actor may answer the request or, where it is for
// her who has made it, whether that is her. Whoever may do neither does not know
// of it.
func (r *row) permit(ctx context.Context, q postgres.Querier, actor access.Actor, place tenant.Place, how answering) error {
	if r == nil {
		return access.NotFound()
	}
	rule := r.Kind.answering(how.rule)
	made, answers := r.RequestedBy == actor.ID.UUID, rule.Allows(place)
	switch {
	case made && how.own, answers && !how.own:
		return nil
	case answers:
		return &fault.Fault{
			Code:     fault.Forbidden,
			Message:  "Only " + r.RequesterName + ", who has made the request, can withdraw it.",
			Remedy:   "Answer it: approveRequest, or declineRequest.",
			Contacts: []fault.Contact{r.requester().Contact()},
		}
	case made && place != nil:
		return access.CheckRole(ctx, q, place, rule)
	}
	return access.NotFound()
}

// over is why a request cannot be answered any more; nil: it can.
func (r *row) over() error {
	if r.Status == Open {
		return nil
	}
	f := &fault.Fault{Code: fault.Conflict, Remedy: "Reload the request. It can be made again, where it is still needed."}
	by := "DataHub"
	if r.AnswererName != nil {
		by = *r.AnswererName
		f.Contacts = []fault.Contact{{Name: *r.AnswererName, Email: *r.AnswererEmail}}
	}
	switch r.Status {
	case Approved:
		f.Reason, f.Message = fault.RequestApproved, "The request has been approved already, by "+by+"."
	case Declined:
		f.Reason, f.Message = fault.RequestDeclined, "The request has been declined already, by "+by+"."
	case Withdrawn:
		f.Reason, f.Message = fault.RequestWithdrawn, "The request has been withdrawn by "+r.RequesterName+"."
	case Expired:
		f.Reason, f.Message = fault.RequestExpired, "The time to answer the request is over."
		if r.Lost || r.Kind == Restore {
			f.Message, f.Remedy = "The 24 hours in which the instance could be restored are over.", "A new instance of the space can take its place."
		}
	}
	return f
}

// present decides whether the requester still has a role in what the request is
// about.
func (r *row) present(ctx context.Context, q postgres.Querier) error {
	places, err := tenant.FindPlaces(ctx, q, r.requester(), []globalid.ID{r.place()})
	if err != nil || access.RequestRole.Allows(places[r.place()]) {
		return err
	}
	return &fault.Fault{
		Code:    fault.Conflict,
		Reason:  fault.RequesterLeft,
		Message: r.RequesterName + ", who has made the request, is not here any more. Nothing was done.",
		Remedy:  "Decline the request.",
	}
}

func (s *Service) approve(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row, place tenant.Place, a ApproveRequestInput) (results []*invitation.InviteResult, err error) {
	approved, faults := r.selected(a.Emails)
	if len(faults) > 0 {
		return nil, faults
	}
	how := ending{Approved, audit.RequestApproved, text.CleanMessage(a.Message), nil}
	i, _ := place.(*tenant.Instance)
	switch r.Kind {
	case Restore:
		restored, err := s.Instances.RestoreTx(ctx, tx, actor, i)
		if err != nil {
			return nil, err
		}
		if restored {
			// That has ended every request to restore the instance: see Restored.
			_, err = tx.Exec(ctx, `update request set answer = $2 where id = $1`, r.ID, how.answer)
			return nil, err
		}
	case Role:
		err = r.grant(ctx, tx, actor, place)
	case Invitations:
		how.approved = approved
		results, err = s.Invitations.InviteOnBehalf(ctx, tx, actor, r.behalf(place, approved))
	}
	if err != nil {
		return nil, err
	}
	return results, s.end(ctx, tx, actor, r, how)
}

// behalf is what is to be done for who has made a request for invitations.
func (r *row) behalf(place tenant.Place, emails []string) invitation.RequestedInvitations {
	b := invitation.RequestedInvitations{Requester: r.requester(), Emails: emails, Message: r.Message}
	b.Instance, _ = place.(*tenant.Instance)
	if role := r.instanceRole(); role != nil {
		b.Role = *role
	}
	return b
}

// selected are the addresses of the request that are to be invited: those given,
// or all (nil).
func (r *row) selected(emails []string) (approved []string, faults fault.List) {
	if emails == nil {
		return r.Emails, nil
	}
	if r.Kind != Invitations {
		return nil, fault.List{fault.Input("This is no request for invitations.", "input", "emails")}
	}
	asked, chosen := map[string]string{}, map[string]bool{}
	for _, email := range r.Emails {
		if a, problem := address.Parse(email); problem == nil {
			asked[a.Key()] = email
		}
	}
	for i, email := range emails {
		a, problem := address.Parse(email)
		if problem != nil || asked[a.Key()] == "" {
			f := fault.Input(fmt.Sprintf("Address %d is none of the request's.", i+1), "input", "emails", i)
			f.Index = &i
			faults = append(faults, f)
			continue
		}
		if email = asked[a.Key()]; !chosen[email] {
			chosen[email] = true
			approved = append(approved, email)
		}
	}
	return approved, faults
}

// grant makes the requester what she wants to be.
func (r *row) grant(ctx context.Context, tx *postgres.Tx, actor access.Actor, place tenant.Place) error {
	var previous *tenant.InstanceRole
	if i, ok := place.(*tenant.Instance); ok {
		rule := access.ApproveRequest
		rule.Kinds, rule.States = access.RequestRole.Kinds, access.RequestRole.States
		if err := access.CheckState(ctx, tx, i, rule); err != nil {
			return err
		}
		var err error
		if previous, err = membership.RoleIn(ctx, tx, i.ID, r.RequestedBy); err != nil {
			return err
		}
	}
	changed, err := membership.Grant(ctx, tx, r.RequestedBy, r.place(), *r.Role)
	if err != nil || !changed {
		return err
	}
	d := r.deed(audit.RoleGranted, actor)
	d.Request, d.PreviousRole = "", previous
	return audit.Write(ctx, tx, d)
}

// ending is how a request ends.
type ending struct {
	status   Status
	action   audit.Action
	answer   *string
	approved []string
}

// end ends an open request, which nobody else can change, and has who made it
// told by mail, unless she does it herself. Its time may be over since it was
// read.
func (s *Service) end(ctx context.Context, tx *postgres.Tx, actor access.Actor, r *row, how ending) error {
	if err := r.over(); err != nil {
		return err
	}
	answered := how.status != Withdrawn
	n, err := tx.Exec(ctx, `
		update request
		set status = $2, ended_at = clock_timestamp(), answered_by = case when $3 then $4::uuid end, answer = $5, approved = $6
		where id = $1 and status = 'OPEN' and expires_at > clock_timestamp()`,
		r.ID, string(how.status), answered, actor.ID.UUID, how.answer, optional(how.approved))
	if err != nil {
		return err
	}
	if n == 0 {
		r.Status = Expired
		return r.over()
	}
	if how.approved != nil {
		approved := make(map[string]bool, len(how.approved))
		for _, email := range how.approved {
			approved[email] = true
		}
		r.Emails = slices.DeleteFunc(slices.Clone(r.Emails), func(email string) bool { return !approved[email] })
	}
	if err := audit.Write(ctx, tx, r.deed(how.action, actor)); err != nil || !answered {
		return err
	}
	return s.tell(ctx, tx, actor, r.ID)
}

// Restored ends the open requests to restore an instance, since that has been
// done, by the actor; the time of the others is what it was. It is told in the
// transaction that does it.
func (s *Service) Restored(ctx context.Context, tx *postgres.Tx, actor access.Actor, i *tenant.Instance) error {
	if _, err := tx.Exec(ctx, `
		update request set expires_at = lasts_until
		where id in (select id from request where instance_id = $1 and kind <> 'RESTORE' and status = 'OPEN' order by id for no key update)`,
		i.ID.UUID); err != nil {
		return err
	}
	_, err := s.conclude(ctx, tx, actor, audit.RequestApproved, `
		with r as (
			update request set status = 'APPROVED', ended_at = clock_timestamp(), answered_by = $2
			where id in (select id from request where instance_id = $1 and kind = 'RESTORE' and status = 'OPEN' order by id for no key update)
			returning *)
		select `+whole+` from r `+tables+` order by r.id`, i.ID.UUID, actor.ID.UUID)
	return err
}

// Deleted has the open requests about an instance end at the latest when it can
// no longer be restored. It is told in the transaction that deletes it.
func (s *Service) Deleted(ctx context.Context, tx *postgres.Tx, i *tenant.Instance) error {
	_, err := tx.Exec(ctx, `
		update request set expires_at = least(lasts_until, $2)
		where id in (select id from request where instance_id = $1 and status = 'OPEN' order by id for no key update)`,
		i.ID.UUID, i.RestorableUntil)
	return err
}

var (
	expireOwn  = expireQuery(`requested_by = $1 and kind = $2 and coalesce(instance_id, space_id) = $3 for no key update`)
	expireSome = expireQuery(`true order by expires_at limit 100 for no key update skip locked`)
)

func expireQuery(which string) string {
	return `
		with r as (
			update request set status = 'EXPIRED', ended_at = expires_at
			where id in (select id from request where status = 'OPEN' and expires_at <= statement_timestamp() and ` + which + `)
			returning *)
		select ` + whole + ` from r ` + tables + ` order by r.id`
}

// EndExpired writes down that requests have expired, 100 at most, has those who
// made them told by mail, and gives their number. Any number of gateways can do
// it at once.
func (s *Service) EndExpired(ctx context.Context) (n int64, err error) {
	err = s.DB.InTx(ctx, func(tx *postgres.Tx) (err error) {
		n, err = s.expire(ctx, tx, expireSome)
		return err
	})
	return n, err
}

func (s *Service) expire(ctx context.Context, tx *postgres.Tx, query string, args ...any) (int64, error) {
	return s.conclude(ctx, tx, access.Actor{}, audit.RequestExpired, query, args...)
}

// conclude ends requests by a query that gives them, writes down who ended them,
// has those who made them told by mail, and gives their number.
func (s *Service) conclude(ctx context.Context, tx *postgres.Tx, actor access.Actor, action audit.Action, query string, args ...any) (int64, error) {
	var rows []row
	if err := tx.Select(ctx, &rows, query, args...); err != nil || len(rows) == 0 {
		return 0, err
	}
	deeds, ids := make([]audit.Record, len(rows)), make([]uuid.UUID, len(rows))
	for i := range rows {
		deeds[i], ids[i] = rows[i].deed(action, actor), rows[i].ID
	}
	if err := audit.Write(ctx, tx, deeds...); err != nil {
		return 0, err
	}
	return int64(len(rows)), s.tell(ctx, tx, actor, ids...)
}
