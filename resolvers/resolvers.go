// Package resolvers resolves the fields of the schema: it decodes the arguments,
// calls the domain, and returns the result. The domain decides.
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
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/space"
)

// Root resolves the fields of the schema.
type Root struct {
	DB          *postgres.DB
	Spaces      *space.Service
	Instances   *instance.Service
	Memberships *membership.Service
	Invitations *invitation.Service
	Links       *link.Service
	Requests    *request.Service
	Rosters     *roster.Service
	Colleagues  *account.Colleagues
	// Client returns what counts as one client of people who are not signed in.
	Client   func(context.Context) string
	Log      *slog.Logger
	PageSize int  // limit of the rows of a page
	Hints    bool // whether errors suggest names of the schema
}

var _ graph.ResolverRoot = (*Root)(nil)

// Config returns the resolvers and directives of the schema.
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

// Organization implements graph.ResolverRoot.
func (r *Root) Organization() graph.OrganizationResolver { return organizationFields{r} }

// Space implements graph.ResolverRoot.
func (r *Root) Space() graph.SpaceResolver { return spaceFields{r} }

// Instance implements graph.ResolverRoot.
func (r *Root) Instance() graph.InstanceResolver { return instanceFields{r} }

// FormerMember implements graph.ResolverRoot.
func (r *Root) FormerMember() graph.FormerMemberResolver { return formerMemberFields{r} }

// Invitation implements graph.ResolverRoot.
func (r *Root) Invitation() graph.InvitationResolver { return invitationFields{r} }

// InviteLink implements graph.ResolverRoot.
func (r *Root) InviteLink() graph.InviteLinkResolver { return linkFields{r} }

// Request implements graph.ResolverRoot.
func (r *Root) Request() graph.RequestResolver { return requestFields{r} }

// AuditEntry implements graph.ResolverRoot.
func (r *Root) AuditEntry() graph.AuditEntryResolver { return auditEntry{} }

// Obstacle implements graph.ResolverRoot.
func (r *Root) Obstacle() graph.ObstacleResolver { return obstacle{} }

// actor returns the person who sent the request. It fails with UNAUTHENTICATED
// without one.
func actor(ctx context.Context) (access.Actor, error) {
	a, ok := access.ActorOf(ctx)
	if !ok {
		return access.Actor{}, Unauthenticated()
	}
	return a, nil
}

// optionalActor returns the person who sent the request; nil without a token.
func optionalActor(ctx context.Context) *access.Actor {
	a, signedIn := access.ActorOf(ctx)
	if !signedIn {
		return nil
	}
	return &a
}

// Unauthenticated returns the error for a person who is not signed in.
func Unauthenticated() *fault.Fault {
	return &fault.Fault{
		Code:    fault.Unauthenticated,
		Message: "You are not signed in.",
		Remedy:  "Sign in, and send the token as Authorization: Bearer TOKEN.",
	}
}
