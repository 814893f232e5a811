package resolvers

import (
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"

	"alphacruncher.com/datahub-gateway/graph"
)

func TestAlikeFieldsAreInTheSchema(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	for object, fields := range alikeFields {
		definition := schema.Types[object]
		if definition == nil {
			t.Errorf("there is no type %s", object)
			continue
		}
		for _, field := range fields {
			if definition.Fields.ForName(field) == nil {
				t.Errorf("there is no field %s.%s", object, field)
			}
		}
	}
}

// Responses are shared only between equal documents and variables, and only where nothing
// in them is a person's own.
func TestSubscriptionsThatRespondAlike(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	key := func(query, name string, variables map[string]any) *alikeKey {
		t.Helper()
		document, errs := gqlparser.LoadQueryWithRules(schema, query, nil)
		if errs != nil {
			t.Fatal(errs)
		}
		return alike(graphql.WithOperationContext(t.Context(), &graphql.OperationContext{
			RawQuery: query, OperationName: name, Variables: variables, Operation: document.Operations.ForName(name)}))
	}
	const start = `subscription A($id: ID!) { invitationChanged(instanceId: $id) { change at __typename `
	a := map[string]any{"id": "instance_a"}
	for selection, shared := range map[string]bool{
		`} }`: true,
		`invitation { email role delivery { status reply } invitedBy { name email } instance { id name state } space { name } } } }`:        true,
		`invitation { ...f } } } fragment f on Invitation { ... on Invitation { email } }`:                                                  true,
		`invitation { email instance { viewerRoles } } } }`:                                                                                 false,
		`invitation { ...f } } } fragment f on Invitation { ... on Invitation { instance { space { id } } } }`:                              false,
		`invitation { accepting { allowed } } } }`:                                                                                          false,
		`invitation { instance { invitations(first: 1) { nodes { email } } } } } }`:                                                         false,
		`invitation { email } } } subscription B($id: ID!) { invitationChanged(instanceId: $id) { invitation { accepting { allowed } } } }`: true,
	} {
		if got := key(start+selection, "A", a); (got != nil) != shared {
			t.Errorf("%s: shared %t", selection, got != nil)
		}
	}
	if key(`subscription A { requestChanged { change } }`, "A", nil) != nil {
		t.Error("requests are shared, which depend on the person")
	}
	two := start + `} } subscription B($id: ID!) { invitationChanged(instanceId: $id) { at } }`
	keys := map[alikeKey]string{}
	for what, k := range map[string]*alikeKey{
		"one document": key(start+`} }`, "A", a), "another document": key(start+`invitation { id } } }`, "A", a),
		"other variables":  key(start+`} }`, "A", map[string]any{"id": "instance_b"}),
		"the first of two": key(two, "A", a), "the second": key(two, "B", a),
	} {
		if other, there := keys[*k]; there {
			t.Errorf("%s responds like %s", what, other)
		}
		keys[*k] = what
	}
	if *key(start+`} }`, "A", a) != *key(start+`} }`, "A", map[string]any{"id": "instance_a"}) {
		t.Error("equal subscriptions do not respond alike")
	}
}
