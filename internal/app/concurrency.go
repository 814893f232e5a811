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
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/document"
)

// concurrencyLimit bounds how many queries and mutations run for a person at the
// same time. Subscriptions have a limit of their own. Operations of people who are not
// signed in count for their address: each root field as one request.
type concurrencyLimit struct {
	most      int
	anonymous *anonymousLimit

	mu      sync.Mutex
	running map[uuid.UUID]int // operations by account
}

func newConcurrencyLimit(most int, anonymous *anonymousLimit) *concurrencyLimit {
	return &concurrencyLimit{most: most, anonymous: anonymous, running: map[uuid.UUID]int{}}
}

// acquire counts an operation until release is called. It fails with RATE_LIMITED.
func (l *concurrencyLimit) acquire(ctx context.Context, operation *graphql.OperationContext) (release func(), err error) {
	actor, signedIn := access.ActorOf(ctx)
	if !signedIn {
		return func() {}, l.chargeFields(ctx, operation)
	}
	if operation.Operation.Operation == ast.Subscription {
		return func() {}, nil
	}
	account := actor.ID.UUID
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running[account] >= l.most {
		return nil, &fault.Fault{
			Code:       fault.RateLimited,
			Reason:     fault.OperationsByPerson,
			Message:    fmt.Sprintf("%d of your operations are running already. Nothing was done.", l.most),
			Remedy:     "Wait until some of them are answered, and then try again.",
			RetryAfter: time.Second,
		}
	}
	l.running[account]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.running[account]--; l.running[account] == 0 {
			delete(l.running, account)
		}
	}, nil
}

// chargeFields charges the root fields of an operation without an account, beside the
// first one, which was charged with the request. It fails with RATE_LIMITED.
func (l *concurrencyLimit) chargeFields(ctx context.Context, operation *graphql.OperationContext) error {
	fields := 0
	for range document.Fields(operation.Operation.SelectionSet) {
		fields++
	}
	if fields > 1 {
		if refused := l.anonymous.charge(clientIn(ctx), fields-1); refused != nil {
			return refused
		}
	}
	return nil
}
