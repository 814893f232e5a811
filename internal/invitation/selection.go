package invitation

import (
	"cmp"
	"context"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// SelectionInput asks to resend or to revoke invitations: all of them or, where
// the actor may not do it with one, none.
type SelectionInput struct {
	InvitationIDs  []globalid.ID `json:"invitationIds"`
	IdempotencyKey *string       `json:"-"`
}

// Validate returns a BAD_USER_INPUT for everything that is wrong with the form of
// the input.
func (in SelectionInput) Validate(l Limits) fault.List {
	return append(l.ValidateCount(len(in.InvitationIDs), "invitations", "input", "invitationIds"), idempotency.ValidateKey(in.IdempotencyKey)...)
}

// SelectionOutcome says what happened to one invitation of a SelectionInput.
type SelectionOutcome string

// The outcomes.
const (
	OutcomeRevoked      SelectionOutcome = "REVOKED"
	OutcomeResent       SelectionOutcome = "RESENT"
	OutcomeAlreadyEnded SelectionOutcome = "ALREADY_ENDED"
)

// SelectionResult is the result for one invitation.
type SelectionResult struct {
	Index      int
	Outcome    SelectionOutcome
	Invitation *Invitation
}

// SelectionPayload has one result for each id, in the order of the input.
type SelectionPayload struct{ Results []*SelectionResult }

// lockSelection locks the places that invitations lead to, and checks that the
// actor may do in all of them what a rule is about. It returns the place of each
// invitation. It fails with NOT_FOUND or FORBIDDEN.
func lockSelection(ctx context.Context, tx *postgres.Tx, actor access.Actor, ids []globalid.ID, rule access.Rule, strength access.LockStrength) (map[globalid.ID]tenant.Place, error) {
	invitations := make([]globalid.ID, len(ids))
	for i, id := range ids {
		invitations[i] = id.As(globalid.Invitation) // the id of anything else names nothing
	}
	places, err := access.LockPlaces(ctx, tx, actor, strength, invitations...)
	if err != nil {
		return nil, err
	}
	return places, access.CheckRoles(ctx, tx, places, ids, rule, "input", "invitationIds")
}

// outcomesOf returns the outcome of each id: outcome for those in changed,
// ALREADY_ENDED for the others.
func outcomesOf(ids, changed []globalid.ID, outcome SelectionOutcome) []SelectionOutcome {
	byID := make(map[globalid.ID]SelectionOutcome, len(changed))
	for _, id := range changed {
		byID[id] = outcome
	}
	outcomes := make([]SelectionOutcome, len(ids))
	for i, id := range ids {
		outcomes[i] = cmp.Or(byID[id], OutcomeAlreadyEnded)
	}
	return outcomes
}

// selectionResults reads the invitations as they are now.
func selectionResults(ctx context.Context, q postgres.Querier, ids []globalid.ID, places map[globalid.ID]tenant.Place, outcomes []SelectionOutcome) ([]*SelectionResult, error) {
	invitations, err := findInvitations(ctx, q, ids)
	if err != nil {
		return nil, err
	}
	results := make([]*SelectionResult, len(ids))
	for i, id := range ids {
		results[i] = &SelectionResult{i, outcomes[i], invitations[id].WithPlace(places[id])}
	}
	return results, nil
}

// selectionRecords returns one audit record for each place in which invitations
// were changed.
func selectionRecords(action audit.Action, actor access.Actor, results []*SelectionResult) (records []audit.Record) {
	recordOf, seen := map[globalid.ID]int{}, map[globalid.ID]bool{}
	for _, result := range results {
		if result.Outcome == OutcomeAlreadyEnded || seen[result.Invitation.ID] {
			continue
		}
		seen[result.Invitation.ID] = true
		r := result.Invitation.row
		i, found := recordOf[r.placeID()]
		if !found {
			i = len(records)
			recordOf[r.placeID()] = i
			records = append(records, audit.Record{Action: action, Actor: actor, Target: r.auditTarget()})
		}
		records[i].Emails = append(records[i].Emails, r.Email)
	}
	return records
}
