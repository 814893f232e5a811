// Package access decides who may do what, and explains why not.
//
// It decides by rules (rules.go) about the roles that a person has in a place,
// derived ones included, and about the kind and state of an instance. Refusals
// name the people who can help. All decisions about permission are made here: for
// directives, for fields, and once more in the transaction that is about to write.
package access

import (
	"context"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Actor is the person who asks.
type Actor = tenant.User

type actorKey struct{}

// WithActor returns a context that says who asks.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorOf returns the person who asks; false where nobody is signed in.
func ActorOf(ctx context.Context) (Actor, bool) {
	a, ok := ctx.Value(actorKey{}).(Actor)
	return a, ok
}
