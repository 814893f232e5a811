package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

type formerMemberFields struct{ *Root }

var _ graph.FormerMemberResolver = formerMemberFields{}

func (f formerMemberFields) Reinstating(ctx context.Context, obj *membership.FormerMember) (*graph.Readiness, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	return readiness(f.Memberships.Reinstating(ctx, a, obj))
}

// formerMembersOf returns former members that know the place whose list they are in. It
// copies the list, which other fields with the same arguments share.
func formerMembersOf(place tenant.Place, list relay.List[*membership.FormerMember]) relay.List[*membership.FormerMember] {
	nodes := make([]*membership.FormerMember, len(list.Nodes))
	for i, m := range list.Nodes {
		nodes[i] = m.At(place)
	}
	list.Nodes = nodes
	return list
}
