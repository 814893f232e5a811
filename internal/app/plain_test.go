package app_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Lists of which only plain fields are selected are written directly. They say what they
// say when another field has them resolved field by field.
func TestPlainListsSayTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada, id := w.as("ada"), w.instance("Group 1")
	ada.Ask(`mutation($i: InviteUsersInput!) { inviteUsers(input: $i) { results { outcome } } }`,
		map[string]any{"i": object("instanceId", id, "role", "VIEWER", "emails", []string{"o'neil@new.example", "zoë@new.example", "new@new.example"}, "message", "A \\ and\na <b>\"line\"</b>")}).OK()
	const invitations = `query($id: ID!, $yes: Boolean = true) { instance(id: $id) { invitations(first: 10, status: null) { nodes {
		__typename is: __typename ...I status @skip(if: $yes) state: status role message createdAt expiresAt
		... on Invitation { space { organizationName } space { called: name } } invitedBy { name email } requestedBy { name } instanceName
		OTHER } edges { cursor node { id email OTHER } } } } } fragment I on Invitation { id email }`
	const members = `query($id: ID!) { instance(id: $id) { members(first: 10) { nodes { __typename role since user { id mail: email name } } edges { node { role } OTHER } } } }`
	for name, query := range map[string]string{"invitations": invitations, "members": members} {
		other := "other: instance { id }"
		if name == "members" {
			other = "other: cursor"
		}
		plain := ada.Ask(strings.ReplaceAll(query, "OTHER", ""), map[string]any{"id": id}).OK()
		resolved := ada.Ask(strings.ReplaceAll(query, "OTHER", other), map[string]any{"id": id}).OK()
		if diff := cmp.Diff(without("other", resolved.Data), any(plain.Data)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if nodes := plain.At("instance", name, "nodes").([]any); len(nodes) < 2 {
			t.Errorf("%s: %v", name, nodes)
		}
	}
}

// without returns a value of JSON without the entries of a name.
func without(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		for k, e := range v {
			if k != name {
				kept[k] = without(name, e)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(v))
		for i, e := range v {
			kept[i] = without(name, e)
		}
		return kept
	}
	return v
}
