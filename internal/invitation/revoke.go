package invitation

import (
	"context"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Revoke ends pending invitations, expired ones included. It fails with NOT_FOUND
// or FORBIDDEN.
func (s *Service) Revoke(ctx context.Context, actor access.Actor, in SelectionInput) (payload SelectionPayload, err error) {
	var places map[globalid.ID]tenant.Place
	key := idempotency.Request{Actor: actor, Key: in.IdempotencyKey, Operation: access.RevokeInvitations.Field, Input: in}
	_, err = idempotency.Run(ctx, s.DB, key, idempotency.Steps[[]SelectionOutcome]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			places, err = lockSelection(ctx, tx, actor, in.InvitationIDs, access.RevokeInvitations, access.Exclusive)
			return err
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, outcomes *[]SelectionOutcome) (err error) {
			payload.Results, err = selectionResults(ctx, tx, in.InvitationIDs, places, *outcomes)
			return err
		},
		Do: func(ctx context.Context, tx *postgres.Tx) ([]SelectionOutcome, error) {
			revoked, err := revoke(ctx, tx, in.InvitationIDs)
			if err != nil {
				return nil, err
			}
			outcomes := outcomesOf(in.InvitationIDs, revoked, OutcomeRevoked)
			if payload.Results, err = selectionResults(ctx, tx, in.InvitationIDs, places, outcomes); err != nil {
				return nil, err
			}
			return outcomes, audit.Write(ctx, tx, selectionRecords(audit.InvitationRevoked, actor, payload.Results)...)
		},
	})
	if err != nil {
		return SelectionPayload{}, err
	}
	return payload, nil
}

// revoke returns the ids of the invitations that were pending.
func revoke(ctx context.Context, tx *postgres.Tx, ids []globalid.ID) (revoked []globalid.ID, err error) {
	var rows []uuid.UUID
	err = tx.Select(ctx, &rows, `
		update invitation set status = 'REVOKED' where id = any ($1::uuid[]) and status = 'PENDING' returning id`,
		postgres.IDs(ids))
	for _, id := range rows {
		revoked = append(revoked, globalid.ID{Kind: globalid.Invitation, UUID: id})
	}
	return revoked, err
}
