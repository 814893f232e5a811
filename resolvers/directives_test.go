package resolvers_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// response is the data of an operation, and of each error its code with the place
// in the input ("NOT_FOUND [input instanceId]").
type response struct {
	data   map[string]any
	errors []string
}

// send executes a document with variables as somebody; "" is nobody.
func (a api) send(who, document string, variables map[string]any) (r response) {
	a.t.Helper()
	answer := execute(a.as(who), a.exec, document, variables)
	for _, e := range answer.Errors {
		line := fmt.Sprint(e.Extensions["code"])
		if path := e.Extensions["inputPath"]; path != nil {
			line += fmt.Sprint(" ", path)
		}
		r.errors = append(r.errors, line)
	}
	if err := json.Unmarshal(answer.Data, &r.data); err != nil && len(answer.Data) > 0 {
		a.t.Fatal(err)
	}
	return r
}

// refused fails the test unless the errors are those.
func (a api) refused(name string, r response, want ...string) {
	a.t.Helper()
	if diff := cmp.Diff(want, r.errors); diff != "" {
		a.t.Errorf("%s: %s", name, diff)
	}
}

const (
	deletion   = `mutation($input: DeleteInstanceInput!) { deleteInstance(input: $input) { deleted } }`
	inviting   = `mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { results { outcome } } }`
	removal    = `mutation($input: RemoveMemberInput!) { removeMember(input: $input) { removed } }`
	revocation = `mutation($input: RevokeInvitationsInput!) { revokeInvitations(input: $input) { results { outcome } } }`
)

func inputOf(fields ...any) map[string]any {
	values := map[string]any{}
	for i := 0; i < len(fields); i += 2 {
		values[fields[i].(string)] = fields[i+1]
	}
	return map[string]any{"input": values}
}

// The first stage that fails answers alone: form, then role, then state.
func TestDirectivesRefuseInTheOrderOfTheContract(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	group1, master, distributed, group2 := a.world.Instance("Group 1").String(), a.world.Instance("Master").String(), a.world.Instance("Distributed").String(), a.world.Instance("Group 2").String()
	for _, c := range []struct {
		name, who, document string
		variables           map[string]any
		want                []string
	}{
		{"nobody is signed in", "", deletion, inputOf("instanceId", group1), []string{"UNAUTHENTICATED"}},
		{"the form comes before all else", "sam", deletion, inputOf("instanceId", "x", "idempotencyKey", "\n"), []string{"BAD_USER_INPUT [input idempotencyKey]"}},
		{"an unknown id", "ada", deletion, inputOf("instanceId", "x"), []string{"NOT_FOUND"}},
		{"an instance that the person must not know of", "sam", deletion, inputOf("instanceId", group1), []string{"NOT_FOUND"}},
		{"a space where an instance is meant", "ada", deletion, inputOf("instanceId", a.world.Space(testworld.Econometrics).String()), []string{"NOT_FOUND"}},
		{"the role comes before the kind", "vic", inviting, inputOf("instanceId", group2, "role", "VIEWER", "emails", []any{"zoe@new.example"}), []string{"FORBIDDEN"}},
		{"the kind", "ada", deletion, inputOf("instanceId", master), []string{"INSTANCE_PROTECTED"}},
		{"the kind again", "ada", inviting, inputOf("instanceId", distributed, "role", "VIEWER", "emails", []any{"zoe@new.example"}), []string{"INSTANCE_DISTRIBUTED"}},
		{"the state", "ada", inviting, inputOf("instanceId", group2, "role", "VIEWER", "emails", []any{"zoe@new.example"}), []string{"INSTANCE_DELETED"}},
		{"the limit of addresses", "ada", inviting, inputOf("instanceId", group1, "role", "VIEWER", "emails", []any{}), []string{"BAD_USER_INPUT [input emails]"}},
		{"the second of two paths", "vic", removal, inputOf("spaceId", a.world.Space(testworld.Econometrics).String(), "userId", "x"), []string{"FORBIDDEN"}},
		{"the first of two paths", "sam", removal, inputOf("instanceId", group1, "userId", "x"), []string{"NOT_FOUND"}},
		{"a list of ids", "ada", revocation, inputOf("invitationIds", []any{"x", "y"}), []string{"NOT_FOUND [input invitationIds 0]", "NOT_FOUND [input invitationIds 1]"}},
		{"all is well", "ed", deletion, inputOf("instanceId", group1), nil},
	} {
		a.refused(c.name, a.send(c.who, c.document, c.variables), c.want...)
	}
}

// An id is found in the document as in a variable.
func TestRoleFindsIdsInLiterals(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	id := a.world.Instance("Group 1").String()
	for name, c := range map[string]struct {
		document  string
		variables map[string]any
	}{
		"a literal":            {`mutation { deleteInstance(input: {instanceId: "` + id + `"}) { deleted } }`, nil},
		"a variable in it":     {`mutation($id: ID!) { deleteInstance(input: {instanceId: $id}) { deleted } }`, map[string]any{"id": id}},
		"an alias":             {`mutation($id: ID!) { restoreInstance: deleteInstance(input: {instanceId: $id}) { deleted } }`, map[string]any{"id": id}},
		"a whole input object": {deletion, inputOf("instanceId", id)},
	} {
		a.refused(name, a.send("vic", c.document, c.variables), "FORBIDDEN")
	}
}

// A request that was carried out passes again with its key, whatever has become of
// the person's role and the instance's state. Another key does not.
func TestDirectivesLetACarriedOutRequestPass(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	group1 := a.world.Instance("Group 1")
	invite := func(key string) response {
		return a.send("ben", inviting, inputOf("instanceId", group1.String(), "role", "VIEWER", "emails", []any{"zoe@new.example"}, "idempotencyKey", key))
	}
	a.world.Grant(a.world.User("ben"), tenant.SpaceAdministrator, a.world.Space(testworld.Econometrics))
	first := invite("k")
	a.refused("the first request", first)
	a.world.DeleteInstance(group1, a.world.User("ada"))
	if diff := cmp.Diff(first.data, invite("k").data); diff != "" {
		t.Errorf("after the deletion: %s", diff)
	}
	a.refused("another key after the deletion", invite("another"), "INSTANCE_DELETED")

	leaving := func(key string) response {
		return a.send("vic", `mutation($input: LeaveInstanceInput!) { leaveInstance(input: $input) { left } }`,
			inputOf("instanceId", group1.String(), "idempotencyKey", key))
	}
	left := leaving("k")
	a.refused("leaving", left)
	if diff := cmp.Diff(left.data, leaving("k").data); diff != "" {
		t.Errorf("after leaving: %s", diff)
	}
	a.refused("another key after leaving", leaving("another"), "NOT_FOUND")
}

// A field of an object is refused by the rule of its type, and the rest of the
// answer stays.
func TestRoleOnFieldsOfObjects(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	const document = `query($space: ID!, $instance: ID!) {
		space(id: $space) { name members { totalCount } invitations { totalCount } requests { totalCount } auditLog { totalCount } }
		instance(id: $instance) { name members { totalCount } invitations { totalCount } }
	}`
	variables := map[string]any{"space": a.world.Space(testworld.Econometrics).String(), "instance": a.world.Instance("Group 1").String()}
	for who, want := range map[string]int{"ada": 0, "ed": 5, "vic": 6} {
		r := a.send(who, document, variables)
		if len(r.errors) != want {
			t.Errorf("%s: %q, want %d errors", who, r.errors, want)
		}
		for _, e := range r.errors {
			if e != "FORBIDDEN" {
				t.Errorf("%s: %s", who, e)
			}
		}
		if name := r.data["space"].(map[string]any)["name"]; name != testworld.Econometrics {
			t.Errorf("%s: the space is called %v", who, name)
		}
	}
	a.refused("who must not know of them", a.send("sam", document, variables))
}
