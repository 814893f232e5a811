package resolvers_test

import (
	"strings"
	"testing"
)

// However a document selects the details of listed invitations, they are there.
func TestDetailsOfListedInvitations(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.ok("ada", `mutation { inviteUsers(input: {instanceId: "{Group 1}", role: VIEWER, emails: ["x@new.example"]}) { results { outcome } } }`, "outcome")
	a.ok("ada", `mutation { inviteSpaceAdministrators(input: {spaceId: "{space}", emails: ["x@new.example"]}) { results { outcome } } }`, "outcome")
	for _, place := range []string{`instance(id: "{Group 1}")`, `space(id: "{space}")`} {
		for name, document := range map[string]string{
			"nodes":               `{ PLACE { invitations { nodes { id invitedBy { name } } } } }`,
			"edges":               `{ PLACE { invitations { edges { node { id invitedBy { name } } } } } }`,
			"edges beside nodes":  `{ PLACE { invitations { nodes { id } edges { node { invitedBy { name } } } } } }`,
			"nodes twice":         `{ PLACE { invitations { nodes { id } nodes { invitedBy { name } } } } }`,
			"an alias":            `{ PLACE { invitations { id: nodes { id: invitedBy { name } } } } }`,
			"beside a plain list": `{ PLACE { a: invitations { nodes { id } } b: invitations { nodes { invitedBy { name } } } } }`,
			"an inline fragment":  `{ PLACE { invitations { ... { nodes { ... on Invitation { invitedBy { name } } } } } } }`,
			"a fragment":          `{ PLACE { ...P } } fragment P on TYPE { invitations { ...C } } fragment C on InvitationConnection { nodes { ...I } } fragment I on Invitation { email invitedBy { name } }`,
			"included":            `{ PLACE { invitations { nodes { id invitedBy @include(if: true) { name } } } } }`,
		} {
			document = strings.ReplaceAll(document, "PLACE", place)
			kind, _, _ := strings.Cut(place, "(")
			document = strings.ReplaceAll(document, "TYPE", strings.ToUpper(kind[:1])+kind[1:])
			if got := a.ok("ada", document, "name"); got != "Ada" {
				t.Errorf("%s, %s: %q", place, name, got)
			}
		}
		for _, document := range []string{
			`{ PLACE { invitations { totalCount nodes { __typename id email role status message createdAt expiresAt } } } }`,
			`{ PLACE { invitations { nodes { email invitedBy @skip(if: true) { name } } } } }`,
			`{ PLACE { invitations { edges { cursor node { email } } pageInfo { endCursor } } } }`,
		} {
			document = strings.ReplaceAll(document, "PLACE", place)
			if got := a.ok("ada", document, "email"); got != "x@new.example" {
				t.Errorf("%s: %q", document, got)
			}
		}
	}
}
