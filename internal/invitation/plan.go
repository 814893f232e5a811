package invitation

import (
	"context"

	"github.com/lib/pq"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/ratelimit"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Seat is a place in an instance for a person who is no member of it.
type Seat struct {
	Address  address.Address
	Index    int // in the request
	Instance *tenant.Instance
	Role     tenant.InstanceRole

	// What inviting leads to, and where it is carried out, has led to.
	Outcome      InviteOutcome
	PreviousRole *tenant.InstanceRole // of RoleChanged
	TakenOver    bool                 // from somebody who may not invite any more
	// Invitation is nil where it is not carried out, and the address gets a new one, or its
	// expired one is renewed.
	Invitation *Invitation

	candidate *candidate
}

// Plan is what inviting people to several instances of one space leads to. Make it with
// NewPlan, and carry it out with Execute.
type Plan struct {
	Seats []*Seat // each pair of address and instance stands there once
	terms terms

	executed bool
}

// NewPlan decides what inviting people to instances of a space leads to, from their
// pending invitations: those of FindPending. It reads who refuses mails, and changes nothing.
func (s *Service) NewPlan(ctx context.Context, q postgres.Querier, actor access.Actor, message *string, seats []*Seat, pending []*Invitation) (*Plan, error) {
	p := &Plan{Seats: seats, terms: terms{actor: actor, message: message, ttl: s.Limits.TTL}}
	rows := make(map[pendingKey]*Invitation, len(pending))
	for _, v := range pending {
		rows[v.row.pendingKey()] = v
	}
	for _, seat := range seats {
		c := newCandidate(invitee{address: seat.Address, key: seat.Address.Key(), first: seat.Index}, offer{destinationOf(seat.Instance), seat.Role.Role()})
		c.refusalHash = refusalHash(s.HashKey, c.key)
		seat.candidate, seat.Outcome = c, Invited
		v := rows[c.pendingKey()]
		if v == nil {
			continue
		}
		c.row, c.outcome = v.row, AlreadyInvited
		switch {
		case v.Status == Expired: // it is renewed, and is a new one in all but its id
		case v.row.Role != c.role:
			seat.Outcome, seat.PreviousRole = RoleChanged, v.Role
			seat.Invitation = v.WithPlace(seat.Instance)
			seat.Invitation.Role = &seat.Role
		default:
			seat.Outcome, seat.TakenOver, seat.Invitation = AlreadyInvited, !v.row.InviterMay, v.WithPlace(seat.Instance)
		}
	}
	return p, p.readRefusals(ctx, q)
}

// readRefusals reads which of those who are to be invited refuse mails.
func (p *Plan) readRefusals(ctx context.Context, q postgres.Querier) error {
	var hashes, refused pq.ByteaArray
	for _, seat := range p.Seats {
		if seat.Outcome == Invited {
			hashes = append(hashes, seat.candidate.refusalHash)
		}
	}
	if hashes == nil {
		return nil
	}
	if err := q.Get(ctx, &refused, `
		select coalesce(array_agg(h.hash), '{}') from unnest($1::bytea[]) as h (hash) where `+refusedBy(`h.hash`), hashes); err != nil {
		return err
	}
	known := make(map[string]bool, len(refused))
	for _, hash := range refused {
		known[string(hash)] = true
	}
	for _, seat := range p.Seats {
		seat.candidate.refuses = known[string(seat.candidate.refusalHash)]
	}
	return nil
}

// invited returns the number of new and renewed invitations, and their mails.
func (p *Plan) invited() (n int, mails []recipient) {
	for _, seat := range p.Seats {
		c := seat.candidate
		if seat.Outcome != Invited {
			continue
		}
		n++
		refuses := c.refuses
		if p.executed {
			refuses = c.row.MailRefused
		}
		if !refuses {
			mails = append(mails, recipient{c.to.Organization.ID, c.address.String(), c.key, c.first})
		}
	}
	return n, mails
}

// Charges returns what the plan uses of the limits in a space: people who are left alone,
// or get another role, use nothing, but it counts as least invitations at least. list is
// the field of the input that the seats' indexes are about.
func (s *Service) Charges(p *Plan, space *tenant.Space, list string, least int) []ratelimit.Charge {
	n, mails := p.invited()
	if n = max(n, least); n == 0 {
		return nil
	}
	return s.inviteCharges(p.terms.actor, space, n, list, mails)
}

// Execute makes, renews and changes the invitations of a plan, in a transaction that has
// locked the instances exclusively, and queues the mails: wake Outbox after its commit
// where it reports that there are any. It charges no limits and writes no trail.
func (s *Service) Execute(ctx context.Context, tx *postgres.Tx, p *Plan) (mailed bool, err error) {
	var all, fresh, known []*candidate
	for _, seat := range p.Seats {
		all = append(all, seat.candidate)
		if seat.candidate.row == nil {
			fresh = append(fresh, seat.candidate)
		} else {
			known = append(known, seat.candidate)
		}
	}
	if err := insertRows(ctx, tx, p.terms, fresh); err != nil {
		return false, err
	}
	if err := replaceRows(ctx, tx, p.terms, known); err != nil {
		return false, err
	}
	if err := enqueueMails(ctx, tx, all); err != nil {
		return false, err
	}
	p.executed = true
	for _, seat := range p.Seats {
		c := seat.candidate
		seat.Outcome, seat.TakenOver, seat.PreviousRole = c.outcome, c.takenOver, nil
		if c.outcome == RoleChanged {
			seat.PreviousRole = instanceRole(c.previousRole)
		}
		seat.Invitation = c.row.invitation()
		seat.Invitation.place = seat.Instance
		mailed = mailed || c.mailed()
	}
	return mailed, nil
}

// FindPending reads the pending invitations of addresses, each to the instance at the same
// index, expired ones included.
func FindPending(ctx context.Context, q postgres.Querier, instances []globalid.ID, emailKeys []string) ([]*Invitation, error) {
	rows, err := findPending(ctx, q, globalid.Instance, postgres.IDs(instances), emailKeys)
	return invitationsOf(rows), err
}

// FindOthers reads the pending invitations to some instances of a space, expired ones
// included, of which neither is the address at the same index. It returns most of them, and
// leaves out those to administrators of the space. OFFSET has PostgreSQL look into the index
// for each instance.
func FindOthers(ctx context.Context, q postgres.Querier, space globalid.ID, instances, namedInstances []globalid.ID, namedKeys []string, most int) ([]*Invitation, error) {
	var rows []row
	err := q.Select(ctx, &rows, `
		select `+columns+`
		from (
			select v.* from unnest($2::uuid[]) as p (id)
			cross join lateral (
				select * from invitation v where v.instance_id = p.id and `+NotEnded+` offset 0) v
			where (v.instance_id, v.email_key) not in (select n.instance_id, n.email_key from unnest($3::uuid[], $4::text[]) as n (instance_id, email_key))
			  and not `+postgres.Found(`address_holder h join space_administrator sa on sa.account_id = h.account_id
				where h.email_key = v.email_key and sa.space_id = $1`)+`
			order by v.email_key, v.instance_id limit $5) v
		`+tables+`
		order by v.email_key, v.instance_id`,
		space.UUID, postgres.IDs(instances), postgres.IDs(namedInstances), pq.StringArray(namedKeys), most)
	return invitationsOf(rows), err
}

// FindDeclined returns the indexes of the addresses whose last answer to an invitation to the
// instance at the same index was to decline it. Rows are compared as in pendingQueries.
func FindDeclined(ctx context.Context, q postgres.Querier, instances []globalid.ID, emailKeys []string) (indexes []int, err error) {
	if len(instances) == 0 {
		return nil, nil
	}
	err = q.Select(ctx, &indexes, `
		select e.i - 1
		from unnest($1::uuid[], $2::text[]) with ordinality as e (instance_id, email_key, i)
		cross join lateral (
			select v.status from invitation v
			where (v.email_key, v.instance_id) >= (e.email_key, e.instance_id) and (v.email_key, v.instance_id) <= (e.email_key, e.instance_id)
			and v.instance_id is not null and v.status in ('ACCEPTED', 'DECLINED')
			order by v.ended_at desc nulls last limit 1) last
		where last.status = 'DECLINED'`, postgres.IDs(instances), pq.StringArray(emailKeys))
	return indexes, err
}

// Find reads invitations by their ids.
func Find(ctx context.Context, q postgres.Querier, ids []globalid.ID) (map[globalid.ID]*Invitation, error) {
	return findInvitations(ctx, q, ids)
}

// RevokeAll revokes pending invitations, in a transaction that has locked their places
// exclusively. It writes no trail.
func RevokeAll(ctx context.Context, tx *postgres.Tx, invitations []*Invitation) error {
	if len(invitations) == 0 {
		return nil
	}
	ids := make([]globalid.ID, len(invitations))
	for i, v := range invitations {
		ids[i] = v.ID
		v.row.Status = Revoked
	}
	_, err := revoke(ctx, tx, ids)
	return err
}

// Count counts outcomes.
func (s *Service) Count(outcomes ...InviteOutcome) {
	if s.CountOutcome != nil {
		for _, o := range outcomes {
			s.CountOutcome(o)
		}
	}
}

// EmailKey is the form in which the invited address compares.
func (i *Invitation) EmailKey() string { return i.row.EmailKey }

// InstanceID is the instance that the invitation leads to; zero: none.
func (i *Invitation) InstanceID() (id globalid.ID) {
	if i.row.InstanceID.Valid {
		id = i.row.placeID()
	}
	return id
}

// InvalidRow returns the INVALID_EMAIL of a row of a request: its address is at path.
// consequence is the last sentence of the message.
func InvalidRow(index int, email string, problem *address.Problem, consequence string, path ...any) *fault.Fault {
	f := invalidEmail(index, email, problem, consequence)
	f.InputPath = path
	return f
}
