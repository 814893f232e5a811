// Package resolvers answers the schema's fields: it translates what came in,
// calls the domain, and translates what comes out. Decisions are the domain's.
package resolvers

import (
	"context"
	"log/slog"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/account"
	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
)

// Root answers the schema's fields.
type Root struct {
	DB          *postgres.DB
	Spaces      *space.Service
	Instances   *instance.Service
	Memberships *membership.Service
	Invitations *invitation.Service
	Requests    *request.Service
	Colleagues  *account.Colleagues
	Log         *slog.Logger
	PageSize    int  // rows of a page at most
	Hints       bool // in errors, at names of the schema that a request comes near
}

var _ graph.ResolverRoot = (*Root)(nil)

// Config is the schema with its resolvers and directives.
func (r *Root) Config() graph.Config {
	return graph.Config{Resolvers: r, Directives: graph.DirectiveRoot{
		Role:          r.role,
		Instance:      r.instance,
		Authenticated: r.authenticated,
		Public:        r.public,
	}}
}

// Query implements graph.ResolverRoot.
func (r *Root) Query() graph.QueryResolver { return query{r} }

// Mutation implements graph.ResolverRoot.
func (r *Root) Mutation() graph.MutationResolver { return mutation{r} }

// Subscription implements graph.ResolverRoot.
func (r *Root) Subscription() graph.SubscriptionResolver { return subscription{r} }

// User implements graph.ResolverRoot.
func (r *Root) User() graph.UserResolver { return user{r} }

// Space implements graph.ResolverRoot.
func (r *Root) Space() graph.SpaceResolver { return spaceFields{r} }

// Instance implements graph.ResolverRoot.
func (r *Root) Instance() graph.InstanceResolver { return instanceFields{r} }

// Invitation implements graph.ResolverRoot.
func (r *Root) Invitation() graph.InvitationResolver { return invitationFields{r} }

// Request implements graph.ResolverRoot.
func (r *Root) Request() graph.RequestResolver { return requestFields{r} }

// AuditEntry implements graph.ResolverRoot.
func (r *Root) AuditEntry() graph.AuditEntryResolver { return auditEntry{} }

// Obstacle implements graph.ResolverRoot.
func (r *Root) Obstacle() graph.ObstacleResolver { return obstacle{} }

// actor gives the person who asks, for fields that are not public.
func actor(ctx context.Context) (access.Actor, error) {
	a, ok := access.ActorOf(ctx)
	if !ok {
		return access.Actor{}, Unauthenticated()
	}
	return a, nil
}

// Unauthenticated is the refusal of somebody who is not signed in.
func Unauthenticated() *fault.Fault {
	return &fault.Fault{
		Code:    fault.Unauthenticated,
		Message: "You are not signed in.",
		Remedy:  "Sign in, and send the token as Authorization: Bearer TOKEN.",
	}
}
