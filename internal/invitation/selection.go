package invitation

import (
	"cmp"
	"context"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/audit"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/idempotency"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// SelectionInput asks to do something with invitations: all of them or, where
// the actor may not do it with one, with none.
type SelectionInput struct {
	InvitationIDs  []globalid.ID `json:"invitationIds"`
	IdempotencyKey *string       `json:"-"`
}

// Validate gives what is wrong with the form of the request.
func (r SelectionInput) Validate(l Limits) fault.List {
	return append(l.validateCount(len(r.InvitationIDs), "invitations", "input", "invitationIds"), idempotency.ValidateKey(r.IdempotencyKey)...)
}

// SelectionOutcome says what came of one invitation of a SelectionInput.
type SelectionOutcome string

// The outcomes of revoking, and of sending again.
const (
	OutcomeRevoked      SelectionOutcome = "REVOKED"
	OutcomeResent       SelectionOutcome = "RESENT"
	OutcomeAlreadyEnded SelectionOutcome = "ALREADY_ENDED"
)

// SelectionResult is what came of one invitation.
type SelectionResult struct {
	Index      int
	Outcome    SelectionOutcome
	Invitation *Invitation
}

// SelectionPayload is what came of a SelectionInput: one result for each id, in the
// order given.
type SelectionPayload struct{ Results []*SelectionResult }

// Revoke takes back invitations that are pending, expired ones included. It
// fails with NOT_FOUND or FORBIDDEN.
func (s *Service) Revoke(ctx context.Context, actor access.Actor, r SelectionInput) (SelectionPayload, error) {
	return s.administrate(ctx, actor, r, selected{"revokeInvitations", access.Exclusive, OutcomeRevoked, audit.InvitationRevoked,
		func(ctx context.Context, tx *postgres.Tx, _ map[globalid.ID]tenant.Place) (ids []globalid.ID, err error) {
			var done []uuid.UUID
			err = tx.Select(ctx, &done, `
				update invitation set status = 'REVOKED' where id = any ($1::uuid[]) and status = 'PENDING' returning id`,
				postgres.IDs(r.InvitationIDs))
			for _, id := range done {
				ids = append(ids, globalid.ID{Kind: globalid.Invitation, UUID: id})
			}
			return ids, err
		}})
}

// selected is what is to be done with a selection of invitations.
type selected struct {
	operation string
	lock      access.LockStrength // on the places that they lead to
	outcome   SelectionOutcome
	action    audit.Action
	// do does it with those that are pending, and gives their ids.
	do func(context.Context, *postgres.Tx, map[globalid.ID]tenant.Place) ([]globalid.ID, error)
}

func (s *Service) administrate(ctx context.Context, actor access.Actor, r SelectionInput, what selected) (SelectionPayload, error) {
	var places map[globalid.ID]tenant.Place
	var selection SelectionPayload
	key := idempotency.Request{Actor: actor, Key: r.IdempotencyKey, Operation: what.operation, Input: r}
	read := func(ctx context.Context, tx *postgres.Tx, outcomes []SelectionOutcome) error {
		rows, err := byID(ctx, tx, r.InvitationIDs)
		if err != nil {
			return err
		}
		for i, id := range r.InvitationIDs {
			selection.Results = append(selection.Results, &SelectionResult{i, outcomes[i], rows[id].At(places[id])})
		}
		return nil
	}
	_, err := idempotency.Run(ctx, s.DB, key, idempotency.Steps[[]SelectionOutcome]{
		Authorize: func(ctx context.Context, tx *postgres.Tx) (err error) {
			if places, err = access.LockPlaces(ctx, tx, actor, what.lock, only(globalid.Invitation, r.InvitationIDs)...); err != nil {
				return err
			}
			return access.CheckRoles(ctx, tx, places, r.InvitationIDs, access.Administering, "input", "invitationIds")
		},
		Replay: func(ctx context.Context, tx *postgres.Tx, outcomes *[]SelectionOutcome) error {
			return read(ctx, tx, *outcomes)
		},
		Do: func(ctx context.Context, tx *postgres.Tx) ([]SelectionOutcome, error) {
			done, err := what.do(ctx, tx, places)
			if err != nil {
				return nil, err
			}
			of := make(map[globalid.ID]SelectionOutcome, len(done))
			for _, id := range done {
				of[id] = what.outcome
			}
			outcomes := make([]SelectionOutcome, len(r.InvitationIDs))
			for i, id := range r.InvitationIDs {
				outcomes[i] = cmp.Or(of[id], OutcomeAlreadyEnded)
			}
			if err := read(ctx, tx, outcomes); err != nil {
				return nil, err
			}
			return outcomes, audit.Write(ctx, tx, selectionDeeds(what.action, actor, selection.Results, what.outcome)...)
		},
	})
	if err != nil {
		return SelectionPayload{}, err
	}
	return selection, nil
}

// only makes the ids of another kind ones that name nothing.
func only(kind globalid.Kind, ids []globalid.ID) []globalid.ID {
	of := make([]globalid.ID, len(ids))
	for i, id := range ids {
		of[i] = id.As(kind)
	}
	return of
}

// selectionDeeds are what was done, one for each place.
func selectionDeeds(action audit.Action, actor access.Actor, results []*SelectionResult, outcome SelectionOutcome) (deeds []audit.Record) {
	at, told := map[globalid.ID]int{}, map[globalid.ID]bool{}
	for _, r := range results {
		v := r.Invitation.row
		if r.Outcome != outcome || told[r.Invitation.ID] {
			continue
		}
		told[r.Invitation.ID] = true
		i, found := at[v.place()]
		if !found {
			i = len(deeds)
			at[v.place()] = i
			deeds = append(deeds, audit.Record{Action: action, Actor: actor, Target: v.where()})
		}
		deeds[i].Emails = append(deeds[i].Emails, v.Email)
	}
	return deeds
}
