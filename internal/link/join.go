package link

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Anyone can give any address, also without an account. Nobody must learn by that who is a
// member, who is invited, or who wants no mails: each address is answered alike, and after
// as much work. Where nothing is to be sent, a made-up address of the same domain is
// invited, and that is undone. An address that is given for the first time since the link
// was opened is one of its uses, known or not. What the answer does depend on is the
// link, the form of the address, and its domain.

// JoinByLinkInput asks for the invitation of a course link.
type JoinByLinkInput struct {
	Token string `json:"token"`
	Email string `json:"email"` // as people type or paste it
	// IdempotencyKey lets a request be repeated that was the last that the link was open for.
	// It is of a link and an address: nobody has signed in.
	IdempotencyKey *string `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of the
// input.
func (in JoinByLinkInput) Validate() fault.List { return idempotency.ValidateKey(in.IdempotencyKey) }

// Caller is who gives an address at a link.
type Caller struct {
	Actor  *access.Actor // nil: nobody is signed in
	Client string        // what counts as one client of people who are not signed in: a network address
}

// JoinByLinkPayload has the address as it was read.
type JoinByLinkPayload struct{ Email string }

// DomainNotAllowed is the reason of an INVALID_EMAIL whose domain a link does not allow.
const DomainNotAllowed = "DOMAIN_NOT_ALLOWED"

// ByToken returns the link of an address; nil unless it is open. Nobody learns why it is
// not, or whether there ever was one.
func (s *Service) ByToken(ctx context.Context, token string) (*Link, error) {
	r, err := s.findOpen(ctx, token)
	if r == nil || err != nil {
		return nil, err
	}
	return r.link(), nil
}

// findOpen reads the link of an address; nil unless it is open.
func (s *Service) findOpen(ctx context.Context, token string) (*row, error) {
	r, err := s.findGiven(ctx, token)
	if err != nil || r == nil || r.State != Open {
		return nil, err
	}
	return r, nil
}

// findGiven reads the link of an address, in any state; nil where there is none.
func (s *Service) findGiven(ctx context.Context, token string) (*row, error) {
	return findRow(ctx, s.DB, byToken, tokenHash(invitation.GivenToken(token)))
}

// Join sends the invitation of a link to an address, in the name of the person who made
// the link. People who have a role there or are invited get no second mail, and the answer
// is the same. It fails with NOT_FOUND where the link is not open, with RATE_LIMITED, or
// with INVALID_EMAIL.
func (s *Service) Join(ctx context.Context, by Caller, in JoinByLinkInput) (payload JoinByLinkPayload, err error) {
	r, err := s.findGiven(ctx, in.Token)
	if err != nil {
		return payload, err
	}
	if r == nil {
		return payload, notOpen()
	}
	email, problem := address.Parse(in.Email)
	j := joining{by: by, email: email}
	if problem == nil && in.IdempotencyKey != nil {
		j.request = s.HashKey.Sum("invite_link_request", r.ID.String(), email.String(), *in.IdempotencyKey)
		if repeated, err := s.repeated(ctx, r, j); repeated || err != nil {
			return JoinByLinkPayload{email.String()}, err
		}
	}
	if r.State != Open {
		return payload, notOpen()
	}
	refused := r.refuse(in.Email, email, problem)
	if j.often, err = s.charge(ctx, r, j, refused == nil); err != nil {
		return payload, err
	}
	if refused != nil {
		return payload, refused
	}
	payload.Email = email.String()
	invited := false
	for attempt := 1; ; attempt++ {
		err = s.DB.InTx(ctx, func(tx *postgres.Tx) (err error) {
			invited, err = s.join(ctx, tx, r, j)
			return err
		})
		if !errors.Is(err, errChanged) || attempt == 3 {
			break
		}
		if r, err = s.findOpen(ctx, in.Token); err != nil {
			return payload, err
		}
		if r == nil {
			return payload, notOpen()
		}
	}
	if invited && err == nil {
		s.Invitations.Outbox.Wake()
	}
	return payload, err
}

// joining is a request to join by a link.
type joining struct {
	by      Caller
	email   address.Address // not set where it is not valid
	request []byte          // a hash of the idempotency key; nil without one
	often   bool            // the address is given so often that no mail is sent
}

// refuse returns the refusal of an address that is not valid, or of a domain that the link
// does not allow; nil for another one.
func (r *row) refuse(typed string, email address.Address, problem *address.Problem) error {
	switch {
	case problem != nil:
		return invalid(typed, string(problem.Reason), problem.Detail, problem.Suggestion)
	case len(r.AllowedDomains) > 0 && !slices.Contains(r.AllowedDomains, domainOf(email)):
		return invalid(typed, DomainNotAllowed, "this course link is for addresses of "+strings.Join(r.AllowedDomains, ", "), "")
	}
	return nil
}

// errChanged says that what was read before it was locked is not so any more.
var errChanged = errors.New("link: the link has changed")

// join invites an address, and reports whether it did, in a transaction of its own. found
// is the link as it was read before. It fails with NOT_FOUND, RATE_LIMITED, INVALID_EMAIL or
// errChanged.
func (s *Service) join(ctx context.Context, tx *postgres.Tx, found *row, j joining) (invited bool, err error) {
	before, err := s.findUse(ctx, tx, found, j.email)
	if err != nil {
		return false, err
	}
	// As inviting does: deleting the place, and ending the inviter's role, wait.
	places := []globalid.ID{found.placeID()}
	if before.Instance.Valid {
		places = append(places, before.instanceID())
	}
	locks := access.Locks{Places: places, Strength: access.Shared, Accounts: []globalid.ID{found.inviter().ID}}
	if err := locks.Take(ctx, tx); err != nil {
		return false, err
	}
	// Those who use the link at the same time take turns: the last use is one use.
	if _, err := tx.Exec(ctx, `select from invite_link where id = $1 for no key update`, found.ID); err != nil {
		return false, err
	}
	r, err := findRow(ctx, tx, byID, found.ID)
	if err != nil {
		return false, err
	}
	if r == nil || r.State != Open {
		return false, notOpen()
	}
	if err := r.refuse(j.email.String(), j.email, nil); err != nil {
		return false, err
	}
	u, err := s.findUse(ctx, tx, r, j.email)
	if err != nil {
		return false, err
	}
	if r.CreatedBy != found.CreatedBy || u.Instance != before.Instance {
		return false, errChanged
	}
	to, lacks, err := s.target(ctx, tx, r, u, j.email)
	if err != nil {
		return false, err
	}
	by := invitation.ByLink{Link: r.linkID(), Inviter: r.inviter(), Caller: j.by.Actor, Role: r.Role, Email: j.email}
	if !lacks || u.Barred || j.often {
		by.Email, by.Trial = madeUp(j.email), true
	}
	err = tx.Attempt(ctx, func() (err error) {
		if to == nil {
			if to, err = r.newInstance(ctx, tx); err != nil {
				return err
			}
		}
		if invited, err = s.Invitations.InviteByLink(ctx, tx, to, by); err == nil && by.Trial {
			err = errUndo
		}
		return err
	})
	switch {
	case errors.Is(err, errUndo), invitation.IsMailboxLimit(err):
		invited = false
	case err != nil:
		return false, busy(err)
	case !r.InstanceID.Valid:
		u.Instance = uuid.NullUUID{UUID: to.ID.UUID, Valid: true}
	}
	return invited, s.recordUse(ctx, tx, r, u, j)
}

var errUndo = errors.New("link: nobody is to be invited")

// target returns the instance that an address is to be invited to, nil for a new one of
// its own, and whether the address lacks an invitation to it and a role in it.
func (s *Service) target(ctx context.Context, tx *postgres.Tx, r *row, u use, email address.Address) (to *tenant.Instance, lacks bool, err error) {
	id := r.placeID()
	if u.Instance.Valid {
		id = u.instanceID()
	}
	if id.Kind == globalid.Space {
		return nil, !u.Administrator, nil
	}
	if to, err = tenant.FindInstance(ctx, tx, r.inviter(), id); err != nil {
		return nil, false, err
	}
	if to == nil {
		return nil, false, notOpen()
	}
	if to.State() != tenant.Active {
		return to, false, nil // an own instance that was deleted
	}
	lacks, err = s.Invitations.Lacks(ctx, tx, to, email)
	return to, lacks, err
}

// newInstance makes the own instance of an address. Nobody has signed in, so that the
// trail says that the gateway has made it. Its name has nothing that a stranger typed.
func (r *row) newInstance(ctx context.Context, tx *postgres.Tx) (*tenant.Instance, error) {
	id, number, err := instance.InsertNumbered(ctx, tx, r.SpaceID, *r.OwnName, r.OwnNumber+1)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `update invite_link set own_number = $2 where id = $1`, r.ID, number); err != nil {
		return nil, err
	}
	to, err := tenant.FindInstance(ctx, tx, r.inviter(), id)
	if err != nil {
		return nil, err
	}
	return to, audit.Write(ctx, tx, audit.Record{Action: audit.InstanceCreated, Target: audit.OnInstance(to)})
}

// charge counts that an address was given, and reports whether it was given too often. An
// address that the link refuses is charged to the caller alone: nobody can close the link
// for others with it. It fails with RATE_LIMITED where the caller, or all together, used
// the link too often.
func (s *Service) charge(ctx context.Context, r *row, j joining, valid bool) (often bool, err error) {
	charges := []ratelimit.Charge{s.callerCharge(r, j.by)}
	if valid {
		charges = append(charges, ratelimit.Charge{Limit: ratelimit.Limit{Name: fault.JoinsByLink, Max: s.Limits.ByLink, Shared: true,
			Text: "%d addresses can be given at one course link in an hour."}, Subject: r.ID, Count: 1})
	}
	err = s.DB.InTx(ctx, func(tx *postgres.Tx) error {
		if err := ratelimit.Take(ctx, tx, charges...); err != nil || !valid {
			return err
		}
		// Of one link, so that nobody can keep a person from another one.
		limit := ratelimit.Limit{Name: joinsByAddress, Max: s.Limits.ByAddress, Text: "%d"}
		err := tx.Attempt(ctx, func() error {
			return ratelimit.Take(ctx, tx, ratelimit.Charge{Limit: limit, Subject: ratelimit.HashSubject(s.HashKey, "link", j.email.Key()), Within: r.ID, Count: 1})
		})
		var exceeded fault.List
		if often = errors.As(err, &exceeded); often {
			return nil
		}
		return err
	})
	var exceeded fault.List
	if errors.As(err, &exceeded) {
		return false, exceeded[0]
	}
	return often, err
}

// joinsByAddress is the name of a counter. Nobody is told of the limit.
const joinsByAddress = "JOINS_BY_ADDRESS"

// callerCharge returns what giving an address uses of the limit of an account or, for
// people who are not signed in, of a client. People in one hall can be one client: half of
// those for whom the link is can join in an hour.
func (s *Service) callerCharge(r *row, by Caller) ratelimit.Charge {
	limit := ratelimit.Limit{Name: fault.JoinsByClient, Max: s.Limits.ByClient, Text: "One person can give %d addresses at a course link in an hour."}
	if by.Actor != nil {
		return ratelimit.Charge{Limit: limit, Subject: by.Actor.ID.UUID, Within: r.ID, Count: 1}
	}
	limit.Max = max(limit.Max, r.MaxUses/2)
	limit.Text = "%d addresses can be given at this course link in an hour from one network by people who are not signed in."
	return ratelimit.Charge{Limit: limit, Subject: ratelimit.HashSubject(s.HashKey, "client", by.Client), Within: r.ID, Count: 1}
}

// madeUp returns an address of the same domain that nobody has; where there is no room
// for it, the address itself.
func madeUp(email address.Address) address.Address {
	local := make([]byte, 8)
	_, _ = rand.Read(local) // never fails
	a, problem := address.ParseExact(hex.EncodeToString(local) + "@" + email.Domain())
	if problem != nil {
		return email
	}
	return a
}

// notOpen is the one refusal of every link that cannot be used.
func notOpen() *fault.Fault {
	return &fault.Fault{
		Code:    fault.NotFound,
		Message: "This course link is not open.",
		Remedy:  "Check that you have the whole link. If you have, ask the person who gave it to you.",
	}
}

// busy returns the refusal where a limit of inviting is reached: strangers are not told
// which one.
func busy(err error) error {
	var list fault.List
	if !errors.As(err, &list) {
		return err
	}
	f := *slices.MaxFunc(list, func(a, b *fault.Fault) int { return int(a.RetryAfter - b.RetryAfter) })
	return &fault.Fault{
		Code:       fault.RateLimited,
		Reason:     fault.JoinsByLink,
		Message:    "Too many people are invited at the moment. Nothing was done.",
		Remedy:     "Wait " + ratelimit.FormatMinutes(f.RetryAfter) + ", and then try again.",
		RetryAfter: f.RetryAfter,
	}
}

func invalid(typed, reason, detail, suggestion string) *fault.Fault {
	return &fault.Fault{
		Code:       fault.InvalidEmail,
		Reason:     reason,
		Message:    fmt.Sprintf("%s is not valid: %s. Nobody was invited.", invitation.Printable(typed), detail),
		InputPath:  []any{"input", "email"},
		Email:      invitation.Truncate(typed),
		Suggestion: suggestion,
	}
}
