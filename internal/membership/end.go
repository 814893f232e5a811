package membership

import (
	"context"
	"io"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// SentInvitations says what is to be done with the pending invitations that a
// removed person has sent. The zero value is RevokeSent.
type SentInvitations string

// The choices.
const (
	RevokeSent   SentInvitations = "REVOKE"
	TakeOverSent SentInvitations = "TAKE_OVER"
)

// MarshalGQL writes the schema's enum SentInvitations.
func (s SentInvitations) MarshalGQL(w io.Writer) { graphqltypes.WriteEnum(w, s) }

// UnmarshalGQL reads the schema's enum SentInvitations; null is the default.
func (s *SentInvitations) UnmarshalGQL(v any) (err error) {
	if v == nil {
		*s = RevokeSent
		return nil
	}
	*s, err = graphqltypes.ReadEnum(v, RevokeSent, TakeOverSent)
	return err
}

// IsZero reports whether the choice is the default. Remembered inputs of removals
// leave that out: gateways that did not know the choice remembered none.
func (s SentInvitations) IsZero() bool { return s == "" || s == RevokeSent }

// EndedRoles says which roles of a person have ended.
type EndedRoles struct {
	User globalid.ID
	// Place is where they have ended: an instance, a space with all its instances, or an
	// organization with all its spaces.
	Place tenant.Place
	// Left are the roles in the instance, or in the organization itself, that the person
	// still has, after their role there was lowered.
	Left tenant.Roles
	// Sent says what is to be done with the invitations that the person has sent there
	// and may not send any more; "": nothing.
	Sent SentInvitations
}

// EndedInvitations are the numbers of pending invitations that were revoked, and
// that the actor took over, because roles have ended.
type EndedInvitations struct {
	Revoked   int `json:"revokedInvitationCount,omitempty"`
	TakenOver int `json:"takenOverInvitationCount,omitempty"`
}

// endInvitations ends what would return the ended roles to the person.
func (s *Service) endInvitations(ctx context.Context, tx *postgres.Tx, actor access.Actor, ended EndedRoles) (EndedInvitations, error) {
	if s.OnEnd == nil {
		return EndedInvitations{}, nil
	}
	return s.OnEnd(ctx, tx, actor, ended)
}
