package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/connection"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/relay"
)

type invitationFields struct{}

var _ graph.InvitationResolver = invitationFields{}

func (invitationFields) Accepting(ctx context.Context, obj *invitation.Invitation) (*graph.Readiness, error) {
	readiness := &graph.Readiness{Allowed: true, Obstacles: []*fault.Fault{}}
	if f := obj.Obstacle(anybody(ctx)); f != nil {
		readiness.Allowed, readiness.Obstacles = false, append(readiness.Obstacles, f)
	}
	return readiness, nil
}

// anybody is the person who asks; nil where nobody is signed in.
func anybody(ctx context.Context) *access.Actor {
	a, signedIn := access.ActorOf(ctx)
	if !signedIn {
		return nil
	}
	return &a
}

type obstacle struct{}

var _ graph.ObstacleResolver = obstacle{}

func (obstacle) Reason(_ context.Context, obj *fault.Fault) (*string, error) {
	if obj.Reason == "" {
		return nil, nil
	}
	return &obj.Reason, nil
}

func invitationConnection(list relay.List[*invitation.Invitation], page relay.Page) *connection.Invitations {
	return connection.Of(list, page, func(v *invitation.Invitation) globalid.ID { return v.ID })
}

// invitationsQuestion tells apart what is asked about the invitations of places
// that were read together.
type invitationsQuestion struct {
	relay.Page
	invitation.Status
}

func invitationsAsked(page relay.Page, status *invitation.Status) invitationsQuestion {
	q := invitationsQuestion{Page: page}
	if status != nil {
		q.Status = *status
	}
	return q
}
