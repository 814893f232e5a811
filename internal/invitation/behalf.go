package invitation

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// RequestedInvitations is what somebody wants an administrator to invite people for.
type RequestedInvitations struct {
	Requester tenant.User // who asks for it
	Instance  *tenant.Instance
	Role      tenant.InstanceRole
	Emails    []string
	Message   *string // from who asks; nil: none
}

// InviteOnBehalf invites, in the actor's name, the people whom somebody else
// wants to be invited, in a transaction that holds the instance and has decided
// that the actor may. After the commit, Outbox is to be woken. It fails with
// INSTANCE_DISTRIBUTED, INSTANCE_DELETED, INVALID_EMAIL or RATE_LIMITED.
func (s *Service) InviteOnBehalf(ctx context.Context, tx *postgres.Tx, actor access.Actor, b RequestedInvitations) ([]*InviteResult, error) {
	if err := access.CheckState(ctx, tx, b.Instance, access.Inviting); err != nil {
		return nil, err
	}
	invitees, faults, err := checkAddresses(ctx, b.Emails, nobodyInvited)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, faults
	}
	w := insertion{tx: tx, actor: actor, to: destinationOf(b.Instance), role: &b.Role, message: b.Message, requester: &b.Requester}
	results, _, err := s.write(ctx, w, invitees)
	return results, err
}

// ReplayOnBehalf completes results of InviteOnBehalf that were remembered.
func (s *Service) ReplayOnBehalf(ctx context.Context, q postgres.Querier, b RequestedInvitations, results []*InviteResult) error {
	invitees, _, err := checkAddresses(ctx, b.Emails, nobodyInvited)
	if err != nil {
		return err
	}
	return replay(ctx, q, destinationOf(b.Instance), results, invitees)
}

// CheckAddresses judges addresses as Invite does: the address of each, and an
// INVALID_EMAIL for every one that is not valid, which ends with what became of
// the request. An address that is given again is left out.
func CheckAddresses(ctx context.Context, emails []string, became string) (judged []string, faults fault.List, err error) {
	invitees, faults, err := checkAddresses(ctx, emails, became)
	for k, i := range invitees {
		if i.first == k && i.key != "" {
			judged = append(judged, i.address.String())
		}
	}
	return judged, faults, err
}
