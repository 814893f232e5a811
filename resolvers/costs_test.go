package resolvers_test

import (
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/graphqlserver/complexity"
	"alphacruncher.com/datahub-gateway/resolvers"
)

// unbounded are lists without arguments that have few elements.
var unbounded = map[string]bool{
	"Instance.viewerRoles": true, "Space.viewerRoles": true, "Organization.viewerRoles": true, "SpaceMember.roles": true, "FormerMember.roles": true, // at most one of each role
}

func TestCostsAreOfFieldsOfTheSchema(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	for name, cost := range resolvers.Costs {
		of, field, _ := strings.Cut(name, ".")
		switch f := schema.Types[of].Fields.ForName(field); {
		case f == nil:
			t.Errorf("%s is no field", name)
		case cost.Length > 0 && f.Type.Elem == nil || cost == (complexity.Field{}):
			t.Errorf("%s: %+v", name, cost)
		}
	}
	for _, of := range schema.Types {
		for _, f := range of.Fields {
			paged := strings.HasSuffix(of.Name, "Connection") || strings.HasSuffix(of.Name, "Payload") || of.Name == "Query" || f.Arguments.ForName("first") != nil
			if name := of.Name + "." + f.Name; of.IsCompositeType() && f.Type.Elem != nil && !paged && resolvers.Costs[name].Length == 0 && !unbounded[name] {
				t.Errorf("%s is a list of an unknown length: add it to Costs", name)
			}
		}
	}
}
