package app_test

import (
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/app/apptest"
)

const refuseInvitations = `mutation($token: String!) { refuseInvitations(input: {token: $token, idempotencyKey: "k"}) { email } }`

// A stranger who was invited refuses by the link of the mail, without an account.
// Who invites them learns it. They find the invitation when they sign in after all,
// and can change their mind.
func TestStrangerRefusesInvitationsAndAllowsThemAgain(t *testing.T) {
	t.Parallel()
	s := apptest.NewMailServer(t)
	w := newWorld(t, s.Use)
	ada, nobody := w.as("ada"), w.with("")
	ada.invite("Group 1", "VIEWER", []string{"zoe@new.example"}).OK()
	w.sent(1)
	token := s.Token("zoe@new.example")

	notice := nobody.Ask(`query($token: String!) { invitation(token: $token) { email invitedBy { name } expiresAt keptUntil loggedUntil } }`, map[string]any{"token": token}).OK()
	expires, kept, logged := notice.At("invitation", "expiresAt").(string), notice.At("invitation", "keptUntil").(string), notice.At("invitation", "loggedUntil").(string)
	if !(expires < kept && kept < logged) {
		t.Errorf("it expires %s, is kept until %s and logged until %s", expires, kept, logged)
	}
	for range 2 {
		if got := nobody.Ask(refuseInvitations, map[string]any{"token": token}).OK().At("refuseInvitations", "email"); got != "zoe@new.example" {
			t.Errorf("refused for %v", got)
		}
	}
	nobody.Ask(refuseInvitations, map[string]any{"token": "nonsense"}).Refused("INVITATION_NOT_USABLE")

	const delivery = `query($id: ID!) { instance(id: $id) { invitations { nodes { status delivery { status explanation } } } } }`
	again := ada.Ask(`mutation($input: InviteUsersInput!) { inviteUsers(input: $input) { results { outcome invitation { id delivery { status explanation } } } } }`,
		map[string]any{"input": ada.input("Group 1", "role", "VIEWER", "emails", []string{"zoe@new.example"})}).OK()
	result := again.At("inviteUsers", "results").([]any)[0].(map[string]any)
	told := result["invitation"].(map[string]any)["delivery"].(map[string]any)
	if result["outcome"] != "INVITED" || told["status"] != "SUPPRESSED" || !strings.Contains(told["explanation"].(string), "asked DataHub not to send") {
		t.Errorf("Ada is told %v", result)
	}
	statuses := ada.Ask(delivery, map[string]any{"id": w.instance("Group 1")}).OK().At("instance", "invitations", "nodes").([]any)
	if newest := statuses[0].(map[string]any); newest["status"] != "PENDING" || newest["delivery"].(map[string]any)["status"] != "SUPPRESSED" {
		t.Errorf("the list says %v", newest)
	}

	zoe := w.as("zoe@new.example")
	viewer := zoe.Ask(`{ viewer { refusesInvitations invitations { nodes { id } } } }`, nil).OK()
	if viewer.At("viewer", "refusesInvitations") != true || len(viewer.At("viewer", "invitations", "nodes").([]any)) != 1 {
		t.Errorf("Zoe sees %v", viewer.Data)
	}
	allowed := zoe.Ask(`mutation { allowInvitations(input: {}) { viewer { refusesInvitations } } }`, nil).OK()
	if allowed.At("allowInvitations", "viewer", "refusesInvitations") != false {
		t.Errorf("%v", allowed.Data)
	}
	ada.invite("Master", "VIEWER", []string{"zoe@new.example"}).OK()
	w.sent(2)
}
