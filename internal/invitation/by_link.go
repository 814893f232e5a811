package invitation

import (
	"context"
	"errors"
	"slices"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// ByLink is an invitation that somebody without an account asks for, by a course link.
type ByLink struct {
	Link    globalid.ID
	Inviter access.Actor  // in whose name the person is invited
	Caller  *access.Actor // who has given the address; nil: nobody is signed in
	Role    tenant.InstanceRole
	Email   address.Address
	// Trial says that the transaction undoes it: it is not counted.
	Trial bool
}

// Lacks reports whether an address has neither a role in an instance nor a pending
// invitation to it: an invitation by a link would be sent to it. One whose inviter may not
// invite any more stays as it is until somebody takes it over: a link does not.
func (s *Service) Lacks(ctx context.Context, q postgres.Querier, to *tenant.Instance, email address.Address) (bool, error) {
	invitees := []invitee{{address: email, key: email.Key()}}
	members, err := findMembers(ctx, q, destinationOf(to), invitees)
	if err != nil {
		return false, err
	}
	pending, err := findPending(ctx, q, globalid.Instance, postgres.UUIDs{to.ID.UUID}, keysOf(invitees))
	invited := slices.ContainsFunc(pending, func(r row) bool { return r.Status == Pending })
	return len(members) == 0 && !invited, err
}

// InviteByLink invites an address to an instance in the inviter's name, and reports
// whether the address got an invitation that it did not have. It is charged to the space,
// and to the mailbox and the domain also where these refuse mails. The transaction has locked
// the instance, unless it has made it, and checked that the inviter may invite there.
// Wake Outbox after its commit. It fails with RATE_LIMITED.
func (s *Service) InviteByLink(ctx context.Context, tx *postgres.Tx, to *tenant.Instance, by ByLink) (invited bool, err error) {
	t := terms{actor: by.Inviter, ttl: s.Limits.TTL, link: by.Link.UUID, caller: by.Caller}
	if by.Trial {
		quiet := *s
		quiet.CountOutcome = nil
		s = &quiet
	}
	results, err := s.inviteTx(ctx, tx, t, offer{destinationOf(to), by.Role.Role()}, []invitee{{address: by.Email, key: by.Email.Key()}})
	return err == nil && results[0].mailed(), err
}

// IsMailboxLimit reports whether nothing but the limit of mails to one mailbox is in the
// way of an invitation.
func IsMailboxLimit(err error) bool {
	var list fault.List
	return errors.As(err, &list) && !slices.ContainsFunc(list, func(f *fault.Fault) bool { return f.Reason != fault.InvitationsByAddress })
}

// linkRecord is the record of the trail of an invitation that somebody asked for by a link:
// the person who was signed in. Whose address it is does not say who gave it.
func linkRecord(t terms, o offer, email string) audit.Record {
	by := access.Actor{Name: "Somebody"}
	if t.caller != nil {
		by = *t.caller
	}
	return audit.Record{Action: audit.LinkUsed, Actor: by, Target: o.to.auditTarget(), Details: details(o.role, email)}
}
