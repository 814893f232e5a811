package invitation

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// ExplainInvite invites people as Invite does where all are new, and returns PostgreSQL's
// account of it as JSON (EXPLAIN).
func (s *Service) ExplainInvite(ctx context.Context, tx *postgres.Tx, actor access.Actor, in InviteUsersInput) (account []byte, err error) {
	c := inviteCall{
		actor: actor, placeID: in.InstanceID, rule: access.InviteUsers, role: in.Role.Role(), emails: in.Emails,
		key: idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.InviteUsers.Field, Input: in},
	}
	place, err := access.FindPlace(ctx, tx, actor, in.InstanceID)
	if err != nil {
		return nil, err
	}
	invitees, _, err := checkAddresses(ctx, in.Emails, nobodyInvited)
	if err != nil {
		return nil, err
	}
	t, o := s.newTerms(c), offer{destinationOf(place), c.role}
	candidates, results := s.expectNew(t, o, invitees)
	mailJobs(candidates)
	args, err := s.inviteNewArgs(c, t, o, len(invitees), candidates, results, nil)
	if err != nil {
		return nil, err
	}
	err = tx.Get(ctx, &account, `explain (analyze, wal, format json) `+inviteNewQuery, args...)
	return account, err
}
