package request_test

import (
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/racetest"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

const (
	invited = "grace@uni.example"
	private = "grace@private.example"
)

// inviteGrace invites Grace to Group 1 at the address of the university, and returns the
// invitation and the token of its mail.
func (w world) inviteGrace() (id globalid.ID, token string) {
	w.t.Helper()
	payload, err := w.Invitations.Invite(w.t.Context(), w.User("ada"), invitation.InviteUsersInput{
		InstanceID: w.Instance("Group 1"), Role: tenant.Viewer, Emails: []string{invited}, Message: new("Welcome")})
	if err != nil {
		w.t.Fatal(err)
	}
	return payload.Results[0].InvitationID, w.Token(invited)
}

func (w world) askReaddressing(who, token string, key *string) (request.RequestPayload, string) {
	w.t.Helper()
	payload, err := w.Requests.RequestReaddressing(w.t.Context(), w.User(who), request.RequestReaddressingInput{Token: token, Message: new("It is me"), IdempotencyKey: key})
	return payload, testworld.Refusal(err)
}

func (w world) readdressed(id globalid.ID) string {
	w.t.Helper()
	return w.Text(`select email || ' ' || status from invitation where id = $1`, id.UUID)
}

func TestReaddressingMovesTheInvitation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, token := w.inviteGrace()
	payload, refusal := w.askReaddressing(private, token, new("key"))
	if refusal != "" || !payload.Created {
		t.Fatalf("%s, %+v", refusal, payload)
	}
	r := payload.Request
	if r.Kind != request.Address || *r.InvitedEmail != invited || *r.AccountEmail != private || r.SpaceName != testworld.Econometrics || *r.InstanceName != "Group 1" || r.ExpiresAt.Sub(r.CreatedAt) < 13*24*time.Hour {
		t.Errorf("%+v", r)
	}
	again, refusal := w.askReaddressing(private, token, nil)
	if refusal != "" || again.Created || again.Request.ID != r.ID {
		t.Errorf("once more: %s, %+v", refusal, again)
	}
	mails := w.Mails()
	if mails[0].To != "ada@uni.example" || !strings.Contains(mails[0].Text, invited) || !strings.Contains(mails[0].Text, private) || !strings.Contains(mails[0].Subject, "asks you to send an invitation to another address") {
		t.Errorf("%s: %s\n%s", mails[0].To, mails[0].Subject, mails[0].Text)
	}
	for _, who := range []string{"vic", "ed", "rita", "mia", private} {
		if refusal := w.approve(who, r.ID); refusal == "" {
			t.Errorf("%s approves", who)
		}
	}
	w.Advance(23 * time.Hour)
	if refusal := w.approve("ada", r.ID); refusal != "" {
		t.Fatal(refusal)
	}
	if got := w.readdressed(id); got != private+" PENDING" {
		t.Error(got)
	}
	// The old link accepts and refuses nothing, and shows nothing.
	w.User(invited)
	_, err := w.Invitations.Accept(t.Context(), w.User(invited), invitation.AnswerInput{Token: &token})
	if refusal := testworld.Refusal(err); refusal != "INVITATION_NOT_USABLE" {
		t.Errorf("the old link: %s", refusal)
	}
	_, err = w.Invitations.Refuse(t.Context(), nil, invitation.RefuseInvitationsInput{Token: token})
	if refusal := testworld.Refusal(err); refusal != "INVITATION_NOT_USABLE" {
		t.Errorf("the old link refuses: %s", refusal)
	}
	payload, refusal = w.askReaddressing(private, token, new("key"))
	if refusal != "" || !payload.Created || payload.Request.Status != request.Approved {
		t.Errorf("the same key: %s, %+v", refusal, payload)
	}
	// The new one is in the mail to the new address.
	if _, err := w.Invitations.Accept(t.Context(), w.User(private), invitation.AnswerInput{Token: new(w.Token(private))}); err != nil {
		t.Errorf("the new link: %v", err)
	}
	if refusal := w.approve("ada", r.ID); refusal != "CONFLICT REQUEST_APPROVED" {
		t.Errorf("once more: %s", refusal)
	}
	if got, want := strings.Join(w.Lines(`select action || ' ' || coalesce(details ->> 'emails', '') from audit_log where action like '%READDRESSED' or details ->> 'request' = 'ADDRESS' order by id`), "; "),
		`REQUEST_MADE ["grace@uni.example", "grace@private.example"]; INVITATION_READDRESSED ["grace@uni.example", "grace@private.example"]; REQUEST_APPROVED ["grace@uni.example", "grace@private.example"]`; got != want {
		t.Errorf("the trail: %s", got)
	}
}

func TestReaddressingIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, token := w.inviteGrace()
	want := func(what, want, got string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	ask := func(who, token string) string {
		t.Helper()
		_, refusal := w.askReaddressing(who, token, nil)
		return refusal
	}
	want("an unknown token", "INVITATION_NOT_USABLE", ask("sam", "unknown"))
	want("the invited person", "CONFLICT NOT_NEEDED", ask(invited, token))
	want("a member", "CONFLICT NOT_NEEDED", ask("vic", token))
	_, err := w.Invitations.Invite(t.Context(), w.User("ada"), invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer, Emails: []string{"twice@new.example"}})
	if err != nil {
		t.Fatal(err)
	}
	want("somebody who is invited", "CONFLICT NOT_NEEDED", ask("twice@new.example", token))
	w.Requests.Limits.ByPerson = 0
	want("too many", "RATE_LIMITED REQUESTS_BY_PERSON", ask(private, token))
	w.Requests.Limits.ByPerson = 20

	// What has changed since.
	payload, refusal := w.askReaddressing(private, token, nil)
	want("asking", "", refusal)
	w.Grant(w.User(private), tenant.InstanceEditor, w.Instance("Group 1"))
	want("a member by now", "CONFLICT NOT_NEEDED", w.approve("ada", payload.Request.ID))
	w.Revoke(w.User(private), w.Instance("Group 1"))
	w.Invitations.Limits.ByPerson = 0
	want("too many invitations", "RATE_LIMITED INVITATIONS_BY_PERSON", w.approve("ada", payload.Request.ID))
	w.Invitations.Limits.ByPerson = 100
	want("unchanged", invited+" PENDING", w.readdressed(id))

	// The request ends with the invitation.
	if _, err := w.Invitations.Revoke(t.Context(), w.User("ada"), invitation.SelectionInput{InvitationIDs: []globalid.ID{id}}); err != nil {
		t.Fatal(err)
	}
	want("a revoked invitation", "CONFLICT REQUEST_EXPIRED", w.approve("ada", payload.Request.ID))
	if n, err := w.Requests.EndExpired(t.Context()); n != 1 || err != nil {
		t.Errorf("%d requests ended, %v", n, err)
	}
	want("its request", "EXPIRED", w.Text(`select status from request where id = $1`, payload.Request.ID.UUID))
	want("a revoked invitation's token", "INVITATION_NOT_USABLE", ask("sam", token))

	// Invitations to administrate the space can be moved.
	_, err = w.Invitations.InviteAdministrators(t.Context(), w.User("ada"), invitation.InviteSpaceAdministratorsInput{SpaceID: w.Space(testworld.Econometrics), Emails: []string{"lea@uni.example"}})
	if err != nil {
		t.Fatal(err)
	}
	payload, refusal = w.askReaddressing("lea@private.example", w.Token("lea@uni.example"), nil)
	want("of a space", "", refusal)
	// Managers may have invited: they answer, too. What others asked for by the link ends.
	other, refusal := w.askReaddressing("lee@private.example", w.Token("lea@uni.example"), nil)
	want("of a space, by another person", "", refusal)
	want("of a space, approved by a manager", "", w.approve("mia", payload.Request.ID))
	want("of a space, the other one", "CONFLICT REQUEST_EXPIRED", w.approve("ada", other.Request.ID))

	// Who is declined is told, though not by whom.
	_, err = w.Invitations.Invite(t.Context(), w.User("ada"), invitation.InviteUsersInput{InstanceID: w.Instance("Group 1"), Role: tenant.Viewer, Emails: []string{"first@uni.example", "second@uni.example"}})
	if err != nil {
		t.Fatal(err)
	}
	first, second := w.Token("first@uni.example"), w.Token("second@uni.example")
	before, refusal := w.askReaddressing("carl@private.example", first, nil)
	want("the first link", "", refusal)
	payload, refusal = w.askReaddressing("carl@private.example", second, nil)
	want("the second link", "", refusal)
	if !payload.Created || payload.Request.ID == before.Request.ID {
		t.Errorf("by another link: %+v", payload)
	}
	want("by the first link", "EXPIRED", w.Text(`select status from request where id = $1`, before.Request.ID.UUID))
	if _, err := w.Requests.Decline(t.Context(), w.User("ada"), request.DeclineRequestInput{RequestID: payload.Request.ID, Message: new("Ask Vic")}); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, m := range w.Mails() {
		if m.To == "carl@private.example" && strings.Contains(m.Text, "Ask Vic") {
			told++
			if strings.Contains(m.Text, "Ada") || strings.Contains(m.Text, "ada@") || !strings.Contains(m.Text, "University of Example has declined") {
				t.Error(m.Text)
			}
		}
	}
	if told != 1 {
		t.Errorf("%d mails about the refusal", told)
	}
	_, err = w.Requests.Withdraw(t.Context(), w.User("carl@private.example"), request.WithdrawRequestInput{RequestID: payload.Request.ID})
	if err == nil || strings.Contains(err.Error(), "Ada") {
		t.Error(err)
	}

	// Those to an organization cannot be moved.
	_, err = w.Invitations.InviteOrganizationMembers(t.Context(), w.User("mia"), invitation.InviteOrganizationMembersInput{
		OrganizationID: w.Organization("University of Example"), Role: tenant.Faculty, Emails: []string{"nora@uni.example"}})
	if err != nil {
		t.Fatal(err)
	}
	want("of an organization", "INVITATION_NOT_USABLE OTHER_ADDRESS", ask("nora@private.example", w.Token("nora@uni.example")))
}

// Each trial ends with one of both, whichever is first.
func TestReaddressingRacingRevoking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Requests.Limits.ByPerson, w.Requests.Limits.BySpace, w.Invitations.Limits.ByAddress = 10_000, 10_000, 10_000
	var r racetest.Race
	for range racetest.Trials {
		w.Exec(`delete from request_notice`)
		w.Exec(`delete from request`)
		w.Exec(`delete from invitation where email in ($1, $2)`, invited, private)
		id, token := w.inviteGrace()
		payload, refusal := w.askReaddressing(private, token, nil)
		if refusal != "" {
			t.Fatal(refusal)
		}
		var approved string
		r.Run(
			func() { approved = w.approve("ada", payload.Request.ID) },
			func() {
				if _, err := w.Invitations.Revoke(t.Context(), w.User("ada"), invitation.SelectionInput{InvitationIDs: []globalid.ID{id}}); err != nil {
					t.Error(err)
				}
			})
		first := approved == ""
		r.Record(first)
		now := w.readdressed(id)
		if first && now != private+" REVOKED" || !first && (now != invited+" REVOKED" || approved != "CONFLICT REQUEST_EXPIRED") {
			t.Fatalf("approving: %q; the invitation: %s", approved, now)
		}
		if n := w.Number(`select count(*) from outbox o join invitation v on v.id = o.subject_id where o.state = 'QUEUED' and v.email = $1`, invited); n != 0 {
			t.Fatalf("%d mails are queued to the old address", n)
		}
	}
	r.End(t)
}
