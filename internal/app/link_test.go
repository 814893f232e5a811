package app_test

import (
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

// createLink makes a course link to an instance, for viewers, until tomorrow.
func (p person) createLink(instance string, more ...any) answer {
	p.world.t.Helper()
	return p.Ask(`mutation($input: CreateInviteLinkInput!) { createInviteLink(input: $input) { link { id url state } } }`, map[string]any{
		"input": p.input(instance, append(more, "role", "VIEWER", "expiresAt", time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339), "maxUses", 2)...)})
}

// A lecturer shows a link. A student without an account opens it, gives an address, gets
// the mail and accepts; then the lecturer ends it.
func TestAStudentJoinsByTheLinkOnASlide(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	w := newWorld(t, s.Use)
	ada, nobody := w.as("ada"), w.with("")
	made := ada.createLink("Group 1", "allowedDomains", []string{"new.example"}).OK()
	url, id := made.At("createInviteLink", "link", "url").(string), made.At("createInviteLink", "link", "id")
	page, token, _ := strings.Cut(url, "#")
	if !strings.HasSuffix(page, "/app/join") {
		t.Errorf("the link is %s", url)
	}
	const course = `query($token: String!) { inviteLink(token: $token) { space { name organizationName } instanceName inviterName role allowedDomains url uses createdBy { email } instance { id } } }`
	seen := nobody.Ask(course, map[string]any{"token": token}).OK()
	if seen.At("inviteLink", "inviterName") != "Ada" || seen.At("inviteLink", "space", "name") != "Econometrics 2026" || strings.Contains(seen.Body, "ada@") || strings.Contains(seen.Body, "/app/join") {
		t.Errorf("a stranger sees %s", seen.Body)
	}
	const join = `mutation($token: String!, $email: String!) { joinByLink(input: {token: $token, email: $email}) { email } }`
	wrong := nobody.Ask(join, map[string]any{"token": token, "email": "zoe@else.example"}).Refused("INVALID_EMAIL")
	if wrong.Reason() != "DOMAIN_NOT_ALLOWED" {
		t.Errorf("%v", wrong.Extensions)
	}
	answers := map[string]bool{}
	for _, email := range []string{"zoe@new.example", "zoe@new.example", "sam@new.example"} {
		got := nobody.Ask(join, map[string]any{"token": token, "email": email}).OK()
		answers[strings.ReplaceAll(got.Body, email, "")] = true
	}
	if len(answers) != 1 {
		t.Errorf("strangers are told %v", answers)
	}
	w.sent(2)
	w.as("zoe@new.example").Ask(`mutation($token: String!) { acceptInvitation(input: {token: $token}) { instance { name } } }`, map[string]any{"token": s.Token("zoe@new.example")}).OK()

	// It is used up, and strangers learn no more than of a link that never was.
	usedUp := nobody.Ask(join, map[string]any{"token": token, "email": "yan@new.example"})
	unknown := nobody.Ask(join, map[string]any{"token": strings.Repeat("A", 43), "email": "yan@new.example"})
	usedUp.Refused("NOT_FOUND")
	if a, b := requestID.ReplaceAllString(usedUp.Body, ""), requestID.ReplaceAllString(unknown.Body, ""); a != b {
		t.Errorf("%s and %s", a, b)
	}
	state := func() any {
		t.Helper()
		return ada.Ask(`query($id: ID!) { instance(id: $id) { inviteLinks { nodes { state } } } }`, map[string]any{"id": w.instance("Group 1")}).OK().At("instance", "inviteLinks", "nodes").([]any)[0].(map[string]any)["state"]
	}
	if got := state(); got != "USED_UP" {
		t.Errorf("Ada sees %v", got)
	}
	ada.Ask(`mutation($id: ID!) { refreshInviteLink(input: {linkId: $id}) { link { state } } }`, map[string]any{"id": id}).OK()
	if got := nobody.Ask(course, map[string]any{"token": token}).OK().At("inviteLink"); got == nil {
		t.Error("the address of a refreshed link leads nowhere")
	}
	ada.Ask(`mutation($id: ID!) { revokeInviteLink(input: {linkId: $id}) { revoked } }`, map[string]any{"id": id}).OK()
	if got := nobody.Ask(course, map[string]any{"token": token}).OK().At("inviteLink"); got != nil || state() != "REVOKED" {
		t.Errorf("a revoked link leads to %v", got)
	}
}
