package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/fault"
)

// parallel bounds the queries and mutations that are carried out for a person at
// once. Subscriptions are bounded where they watch. Who is not signed in may ask
// for little, and is nobody to count for.
type parallel struct {
	most int

	mu       sync.Mutex
	underway map[uuid.UUID]int // by account
}

func newParallel(most int) *parallel { return &parallel{most: most, underway: map[uuid.UUID]int{}} }

// enter takes a place, until leave is called. It fails with RATE_LIMITED.
func (p *parallel) enter(ctx context.Context, operation *graphql.OperationContext) (leave func(), err error) {
	actor, signedIn := access.ActorOf(ctx)
	if !signedIn || operation.Operation.Operation == ast.Subscription {
		return func() {}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underway[actor.ID.UUID] >= p.most {
		return nil, &fault.Fault{
			Code:       fault.RateLimited,
			Reason:     fault.OperationsByPerson,
			Message:    fmt.Sprintf("%d operations are being carried out for you already. Nothing was done.", p.most),
			Remedy:     "Wait for the answers of some of them, and then try again.",
			RetryAfter: time.Second,
		}
	}
	p.underway[actor.ID.UUID]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.underway[actor.ID.UUID]--; p.underway[actor.ID.UUID] == 0 {
			delete(p.underway, actor.ID.UUID)
		}
	}, nil
}
