package app_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"alphacruncher.com/datahub-gateway/graph"
)

func root(kind string) ast.FieldList {
	s := graph.NewExecutableSchema(graph.Config{}).Schema()
	fields := map[string]*ast.Definition{"query": s.Query, "mutation": s.Mutation, "subscription": s.Subscription}[kind].Fields
	return slices.DeleteFunc(slices.Clone(fields), func(f *ast.FieldDefinition) bool { return strings.HasPrefix(f.Name, "__") })
}

// samples are operations on the root fields, in which ID is the id of a place.
// They pass the check of permission and fail afterwards, where they can.
var samples = map[string]struct{ place, operation string }{
	"viewer":       {"", `{ viewer { id } }`},
	"organization": {"organization", `query { organization(id: "ID") { id } }`},
	"space":        {"space", `query { space(id: "ID") { id } }`},
	"instance":     {"Group 1", `query { instance(id: "ID") { id } }`},
	"invitation":   {"", `query { invitation(token: "x") { id } }`},
	"checkEmails":  {"", `query { checkEmails(emails: ["a@b.example"]) { valid } }`},

	"inviteUsers":               {"Group 1", `mutation { inviteUsers(input: {instanceId: "ID", role: VIEWER, emails: ["x"]}) { results { email } } }`},
	"inviteSpaceAdministrators": {"space", `mutation { inviteSpaceAdministrators(input: {spaceId: "ID", emails: ["x"]}) { results { email } } }`},
	"inviteOrganizationMembers": {"organization", `mutation { inviteOrganizationMembers(input: {organizationId: "ID", role: MEMBER, emails: ["x"]}) { results { email } } }`},
	"changeOrganizationRole":    {"organization", `mutation { changeOrganizationRole(input: {organizationId: "ID", userId: "USER", role: FACULTY}) { changed } }`},
	"leaveOrganization":         {"organization", `mutation { leaveOrganization(input: {organizationId: "ID"}) { left } }`},
	"deleteSpace":               {"space", `mutation { deleteSpace(input: {spaceId: "ID"}) { deleted } }`},
	"restoreSpace":              {"space", `mutation { restoreSpace(input: {spaceId: "ID"}) { restored } }`},
	"deleteInstance":            {"Master", `mutation { deleteInstance(input: {instanceId: "ID"}) { deleted } }`},
	"restoreInstance":           {"Group 3", `mutation { restoreInstance(input: {instanceId: "ID"}) { restored } }`},
	"syncRoster":                {"space", `mutation { syncRoster(input: {spaceId: "ID", entries: [{email: "a@b.example", role: VIEWER, instance: {joint: "New"}}]}) { results { index } } }`},
	"createInstance":            {"space", `mutation { createInstance(input: {spaceId: "ID", name: "New"}) { instance { id } } }`},
	"createSpace":               {"organization", `mutation { createSpace(input: {organizationId: "ID", name: "New"}) { space { id } } }`},
	"acceptInvitation":          {"invitation", `mutation { acceptInvitation(input: {invitationId: "ID"}) { invitation { id } } }`},
	"declineInvitation":         {"invitation", `mutation { declineInvitation(input: {invitationId: "ID"}) { invitation { id } } }`},
	"refuseInvitations":         {"", `mutation { refuseInvitations(input: {token: "x"}) { email } }`},
	"allowInvitations":          {"", `mutation { allowInvitations(input: {}) { viewer { id } } }`},
	"revokeInvitations":         {"invitation", `mutation { revokeInvitations(input: {invitationIds: ["ID"]}) { results { index } } }`},
	"resendInvitations":         {"invitation", `mutation { resendInvitations(input: {invitationIds: ["ID"]}) { results { index } } }`},
	"inviteLink":                {"", `query { inviteLink(token: "x") { id } }`},
	"createInviteLink":          {"Group 1", `mutation { createInviteLink(input: {instanceId: "ID", role: VIEWER, expiresAt: "2000-01-01T00:00:00Z", maxUses: 1}) { link { id } } }`},
	"refreshInviteLink":         {"link", `mutation { refreshInviteLink(input: {linkId: "ID"}) { link { id } } }`},
	"revokeInviteLink":          {"link", `mutation { revokeInviteLink(input: {linkId: "ID"}) { revoked } }`},
	"joinByLink":                {"", `mutation { joinByLink(input: {token: "x", email: "zoe@new.example"}) { email } }`},
	"changeMemberRole":          {"Master", `mutation { changeMemberRole(input: {instanceId: "ID", userId: "USER", role: EDITOR}) { changed } }`},
	"removeMember":              {"Master", `mutation { removeMember(input: {instanceId: "ID", userId: "USER"}) { removed } }`},
	"reinstateMember":           {"Master", `mutation { reinstateMember(input: {instanceId: "ID", userId: "USER"}) { reinstated } }`},
	"leaveInstance":             {"Master", `mutation { leaveInstance(input: {instanceId: "ID"}) { left } }`},
	"requestRole":               {"Group 2", `mutation { requestRole(input: {instanceId: "ID", role: INSTANCE_EDITOR}) { created } }`},
	"requestInvitations":        {"Group 1", `mutation { requestInvitations(input: {instanceId: "ID", role: VIEWER, emails: ["x"]}) { created } }`},
	"requestRestore":            {"Group 1", `mutation { requestRestore(input: {instanceId: "ID"}) { created } }`},
	"approveRequest":            {"request", `mutation { approveRequest(input: {requestId: "ID"}) { request { id } } }`},
	"declineRequest":            {"request", `mutation { declineRequest(input: {requestId: "ID"}) { request { id } } }`},
	"withdrawRequest":           {"request", `mutation { withdrawRequest(input: {requestId: "ID"}) { request { id } } }`},

	"invitationChanged": {"Group 1", `subscription { invitationChanged(instanceId: "ID") { change } }`},
	"requestChanged":    {"", `subscription { requestChanged { change } }`},
}

// idOf returns the id that a sample is about.
func (w *world) idOf(what string) string {
	w.t.Helper()
	switch what {
	case "":
		return ""
	case "space":
		return w.space("Econometrics 2026")
	case "organization":
		return w.organization("University of Example")
	case "invitation":
		return w.id("invitation", `select id from invitation limit 1`)
	case "link":
		return w.id("link", `select id from invite_link limit 1`)
	case "request":
		return w.id("request", `select id from request limit 1`)
	}
	return w.instance(what)
}

// newWorldWithRequest returns a world with an invitation and a request.
func newWorldWithRequest(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.as("ada").invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.as("ada").createLink("Group 1").OK()
	w.as("ada").requestRole("", "SPACE_ADMINISTRATOR").Refused("CONFLICT")
	w.as("mia").requestRole("", "SPACE_ADMINISTRATOR").OK()
	return w
}

// refusal returns the code with which a person is refused a root field, "null"
// where the field is null, and "" where they are not refused or for another
// reason than who they are.
func (p person) refusal(operation string) string {
	p.world.t.Helper()
	if strings.HasPrefix(operation, "subscription") && p.Token != "" {
		return p.firstRefusal(operation)
	}
	a := p.Ask(operation, nil)
	codes := a.Codes()
	for _, code := range codes {
		if slices.Contains([]string{"UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"}, code) {
			return code
		}
	}
	for _, value := range a.Data {
		if value == nil && len(codes) == 0 {
			return "null"
		}
	}
	return ""
}

// firstRefusal subscribes over a WebSocket. The answer to a second operation
// shows that the subscription has started; a refusal may come later, but not
// after the first event.
func (p person) firstRefusal(operation string) string {
	s := p.connect()
	defer s.conn.CloseNow()
	s.subscribe("1", operation, nil)
	s.subscribe("2", `{ __typename }`, nil)
	for {
		m := s.receive()
		if m["id"] == "2" && m["type"] == "next" {
			if !strings.Contains(operation, "invitationChanged") {
				return "" // a signed-in person is not refused any more
			}
			p.world.as("ada").invite("Group 1", "VIEWER", []string{uuid.NewString() + "@new.example"}).OK()
		}
		if m["id"] == "1" {
			if strings.Contains(fmt.Sprint(m["payload"]), "CREATED") {
				return ""
			}
			for _, code := range []string{"UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"} {
				if strings.Contains(fmt.Sprint(m["payload"]), code) {
					return code
				}
			}
		}
	}
}

// The table says how each root field refuses each role: a is the administrator,
// e an editor of Group 1, v a viewer of Group 1, m the manager, s a person
// without a role.
func TestEveryRootFieldForEveryRole(t *testing.T) {
	t.Parallel()
	forbidden, notFound, null := "FORBIDDEN", "NOT_FOUND", "null"
	byRole := func(a, e, v, m, s string) map[string]string {
		return map[string]string{"ada": a, "ed": e, "vic": v, "mia": m, "sam": s}
	}
	administrators := byRole("", forbidden, forbidden, forbidden, notFound)
	anybody := byRole("", "", "", "", "")
	want := map[string]map[string]string{
		"viewer": anybody, "checkEmails": anybody, "requestChanged": anybody, "refuseInvitations": anybody, "allowInvitations": anybody,
		"space": byRole("", "", "", "", null), "instance": byRole("", "", "", "", null), "invitation": byRole(null, null, null, null, null), "inviteLink": byRole(null, null, null, null, null),
		"joinByLink": byRole(notFound, notFound, notFound, notFound, notFound), "createInviteLink": administrators, "refreshInviteLink": administrators, "revokeInviteLink": administrators,
		"inviteUsers": administrators, "createInstance": administrators,
		"revokeInvitations": administrators, "resendInvitations": administrators, "invitationChanged": administrators,
		"organization":              byRole("", "", "", "", null),
		"inviteOrganizationMembers": byRole(forbidden, forbidden, forbidden, "", notFound),
		"changeOrganizationRole":    byRole(forbidden, forbidden, forbidden, notFound, notFound), // Mia's refusal is about the member
		"leaveOrganization":         byRole(forbidden, forbidden, forbidden, "", notFound),       // Mia is the last manager
		"inviteSpaceAdministrators": byRole("", forbidden, forbidden, "", notFound),
		"deleteSpace":               administrators,
		"syncRoster":                administrators,
		"restoreSpace":              byRole("", forbidden, forbidden, "", notFound),
		"changeMemberRole":          byRole(notFound, notFound, notFound, forbidden, notFound), // Ada's refusal is about the member
		"removeMember":              byRole("", notFound, notFound, forbidden, notFound),
		"reinstateMember":           byRole(notFound, notFound, notFound, forbidden, notFound), // Ada's refusal is about the member
		"deleteInstance":            byRole("", notFound, notFound, forbidden, notFound),
		"restoreInstance":           byRole("", "", notFound, forbidden, notFound),
		"createSpace":               byRole(forbidden, forbidden, forbidden, "", notFound),
		"acceptInvitation":          byRole(notFound, notFound, notFound, notFound, notFound), // the invitation is for Zoe
		"declineInvitation":         byRole(notFound, notFound, notFound, notFound, notFound),
		"leaveInstance":             byRole("", notFound, notFound, "", notFound),
		"requestRole":               byRole("", "", "", "", notFound),
		"requestInvitations":        byRole("", "", "", "", notFound),
		"requestRestore":            byRole("", "", "", "", notFound),
		"approveRequest":            byRole("", notFound, notFound, forbidden, notFound),
		"declineRequest":            byRole("", notFound, notFound, forbidden, notFound),
		"withdrawRequest":           byRole(forbidden, notFound, notFound, "", notFound),
	}
	for _, kind := range []string{"query", "mutation", "subscription"} {
		for _, field := range root(kind) {
			sample, known := samples[field.Name]
			if !known || want[field.Name] == nil {
				t.Errorf("%s: nobody has said who may", field.Name)
				continue
			}
			t.Run(field.Name, func(t *testing.T) {
				t.Parallel()
				w := newWorldWithRequest(t)
				operation := strings.ReplaceAll(strings.ReplaceAll(sample.operation, "ID", w.idOf(sample.place)), "USER", w.user("Rita"))
				// Ada comes last, because that operation takes effect.
				for _, who := range []string{"sam", "mia", "vic", "ed", "ada"} {
					if got := w.as(who).refusal(operation); got != want[field.Name][who] {
						t.Errorf("%s: %q, want %q", who, got, want[field.Name][who])
					}
				}
				nobody := w.as("ada")
				nobody.Token = ""
				if got := nobody.refusal(operation); (got == "UNAUTHENTICATED") == (field.Directives.ForName("public") != nil) {
					t.Errorf("nobody: %q", got)
				}
			})
		}
	}
}

// A field refuses the same people in every form of a query.
func TestRulesHoldForEveryFormOfAQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := graph.NewExecutableSchema(graph.Config{}).Schema()
	for _, object := range []struct{ name, root, id, path string }{
		{"Space", `space(id: $id)`, w.space("Econometrics 2026"), `viewer { spaces { nodes { FIELD } } }`},
		{"Instance", `instance(id: $id)`, w.instance("Group 1"), `viewer { spaces { nodes { instances { nodes { FIELD } } } } }`},
	} {
		for _, field := range s.Types[object.name].Fields {
			if field.Directives.ForName("role") == nil {
				continue
			}
			f := field.Name + ` { totalCount }`
			of := object.root + ` { FIELD }`
			for form, query := range map[string]string{
				"plain":        of,
				"an alias":     strings.ReplaceAll(of, "FIELD", "a: FIELD"),
				"inline":       strings.ReplaceAll(of, "FIELD", `... on `+object.name+` { ... { FIELD } }`),
				"@include":     strings.ReplaceAll(of, "FIELD", `... @include(if: true) { FIELD }`),
				"@skip":        strings.ReplaceAll(of, "FIELD", `... @skip(if: false) { FIELD }`),
				"a fragment":   object.root + ` { ...F }`,
				"a longer way": object.path,
				"twice":        strings.ReplaceAll(of, "FIELD", "a: FIELD b: FIELD"),
				"a way back":   map[string]string{"Space": `space(id: $id) { instances { nodes { space { FIELD } } } }`, "Instance": `instance(id: $id) { space { instances { nodes { FIELD } } } }`}[object.name],
			} {
				operation := `query($id: ID!) { __typename ` + query + ` }`
				if form == "a fragment" {
					operation += ` fragment F on ` + object.name + ` { FIELD }`
				}
				if form == "a longer way" {
					operation = `query($id: ID!) { instance(id: $id) { id } ` + query + ` }`
				}
				operation = strings.ReplaceAll(operation, "FIELD", f)
				for who, may := range map[string]bool{"ada": true, "ed": object.name == "Instance" && field.Name == "members", "vic": false, "mia": object.name == "Space" && field.Name == "invitations"} {
					a := w.as(who).Ask(operation, map[string]any{"id": object.id})
					if refused := slices.Contains(a.Codes(), "FORBIDDEN"); refused == may && !(who == "ed" && strings.Contains(query, "nodes")) {
						t.Errorf("%s.%s by %s, %s: %.300s", object.name, field.Name, form, who, a.Body)
					}
				}
			}
		}
	}
}
