package invitation_test

import (
	"strings"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

func (w *world) university() globalid.ID { return w.Organization("University of Example") }

func (w *world) tryInviteToOrganization(who string, role tenant.OrganizationRole, key *string, emails ...string) ([]*invitation.InviteResult, error) {
	w.t.Helper()
	payload, err := w.Invitations.InviteOrganizationMembers(w.t.Context(), w.User(who), invitation.InviteOrganizationMembersInput{
		OrganizationID: w.university(), Role: role, Emails: emails, IdempotencyKey: key})
	return payload.Results, err
}

func (w *world) inviteToOrganization(role tenant.OrganizationRole, emails ...string) []*invitation.InviteResult {
	w.t.Helper()
	results, err := w.tryInviteToOrganization("mia", role, nil, emails...)
	w.must(err)
	return results
}

// organizationOutcomes returns outcome, role and previous role of each address.
func organizationOutcomes(results []*invitation.InviteResult) (lines []string) {
	for _, r := range results {
		line := string(r.Outcome)
		for _, role := range []*tenant.OrganizationRole{r.OrganizationRole, r.PreviousOrganizationRole} {
			if role != nil {
				line += " " + string(*role)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func TestManagersInviteToTheOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Grant(w.User("vic"), tenant.OrganizationMember, w.university())
	wantEqual(t, "first", []string{"INVITED FACULTY", "ALREADY_MEMBER MEMBER", "DUPLICATE FACULTY", "ALREADY_MEMBER MANAGER"},
		organizationOutcomes(w.inviteToOrganization(tenant.Faculty, "zoe@new.example", "vic@uni.example", "ZOE@new.example", "mia@uni.example")))
	wantEqual(t, "again", []string{"ALREADY_INVITED FACULTY"}, organizationOutcomes(w.inviteToOrganization(tenant.Faculty, "zoe@new.example")))
	wantEqual(t, "another role", []string{"ROLE_CHANGED MANAGER FACULTY"}, organizationOutcomes(w.inviteToOrganization(tenant.Manager, "zoe@new.example")))
	id := w.Invitation("zoe@new.example")
	wantEqual(t, "mails", 1, w.mailCount(id))
	wantEqual(t, "events", 2, w.Number(`select count(*) from event where place_id = $1 and change in ('CREATED', 'ROLE_CHANGED')`, w.university().UUID))

	mails := w.Mails()
	if len(mails) != 1 || mails[0].To != "zoe@new.example" || mails[0].Subject != "DataHub Mia has sent you an invitation" {
		t.Fatalf("%+v", mails)
	}
	for _, part := range []string{"Organization", "University of Example", "manager of the organization"} {
		if !strings.Contains(mails[0].Text, part) || !strings.Contains(mails[0].HTML, part) {
			t.Errorf("the mail lacks %q: %s", part, mails[0].Text)
		}
	}

	zoe, token := w.User("zoe@new.example"), w.Token("zoe@new.example")
	v, err := w.Invitations.ByToken(t.Context(), &zoe, token)
	w.must(err)
	wantEqual(t, "summary", invitation.SpaceSummary{Name: "University of Example", OrganizationName: "University of Example"}, *v.Space)
	if v.Role != nil || *v.OrganizationRole != tenant.Manager || v.InstanceName != nil {
		t.Errorf("%+v", v)
	}
	list, err := w.Invitations.ListPendingFor(t.Context(), zoe, relay.Page{First: 10, Total: true})
	w.must(err)
	wantEqual(t, "pending", 1, list.Total)
	payload, err := w.Invitations.Accept(t.Context(), zoe, invitation.AnswerInput{Token: &token})
	w.must(err)
	if payload.Organization == nil || payload.Space != nil || payload.Instance != nil || !payload.Organization.Roles.Has(tenant.OrganizationManager) {
		t.Errorf("%+v", payload)
	}
	wantEqual(t, "role", "ORGANIZATION_MANAGER", w.RoleOf(zoe, w.university()))
	wantEqual(t, "trail", []string{"Mia INVITATION_SENT FACULTY", "Mia INVITATION_ROLE_CHANGED MANAGER", "Zoe INVITATION_ACCEPTED MANAGER"},
		w.Lines(`select concat_ws(' ', actor_name, action, details ->> 'organizationRole') from audit_log
			where organization_id = $1 and space_id is null order by id`, w.university().UUID))
}

func TestInvitingToTheOrganizationIsForManagers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Grant(w.User("max"), tenant.OrganizationFaculty, w.university())
	for who, code := range map[string]fault.Code{"ada": fault.Forbidden, "max": fault.Forbidden, "ed": fault.Forbidden, "sam": fault.NotFound, "rita": fault.NotFound} {
		for _, email := range []string{"zoe@new.example", "x"} {
			_, err := w.tryInviteToOrganization(who, tenant.Member, nil, email)
			wantRefused(t, err, code, "")
		}
	}
	wantEqual(t, "invitations", 0, w.Number(`select count(*) from invitation`))
}

// One address that is not valid, and nobody is invited; each is reported.
func TestInvitingToTheOrganizationIsAllOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.tryInviteToOrganization("mia", tenant.Member, nil, "zoe@new.example", "myemail@.uni.edu.com", "x")
	wantEqual(t, "errors", []string{"INVALID_EMAIL DOMAIN_LABEL_EMPTY", "INVALID_EMAIL AT_SIGN_MISSING"}, described(faultsOf(t, err)))
	wantEqual(t, "invitations", 0, w.Number(`select count(*) from invitation`))
	// What comes first in the order of errors decides first.
	_, err = w.tryInviteToOrganization("mia", tenant.Member, new("k"), "zoe@new.example")
	w.must(err)
	_, err = w.tryInviteToOrganization("mia", tenant.Member, new("k"), "x")
	wantRefused(t, err, fault.IdempotencyKeyReused, "")
	w.Invitations.Limits.ByPerson = 2
	_, err = w.tryInviteToOrganization("mia", tenant.Member, nil, "x", "y")
	wantRefused(t, err, fault.RateLimited, fault.InvitationsByPerson)
}

func TestInvitingToTheOrganizationIsRepeatable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, err := w.tryInviteToOrganization("mia", tenant.Faculty, new("k"), "zoe@new.example", "zoe@new.example")
	w.must(err)
	again, err := w.tryInviteToOrganization("mia", tenant.Faculty, new("k"), "zoe@new.example", "zoe@new.example")
	w.must(err)
	wantEqual(t, "outcomes", organizationOutcomes(first), organizationOutcomes(again))
	wantEqual(t, "id", first[0].InvitationID, again[0].InvitationID)
	wantEqual(t, "mails", 1, w.mailCount(first[0].InvitationID))
}

// Managers list, resend and revoke the invitations to the organization. Nobody else
// knows of them.
func TestManagersHandleInvitationsToTheOrganization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.inviteToOrganization(tenant.Member, "zoe@new.example")[0].InvitationID
	in := invitation.SelectionInput{InvitationIDs: []globalid.ID{id}}
	for who, code := range map[string]fault.Code{"ada": fault.Forbidden, "sam": fault.NotFound, "rita": fault.NotFound} {
		_, err := w.Invitations.Resend(t.Context(), w.User(who), in)
		wantRefused(t, err, code, "")
		_, err = w.Invitations.Revoke(t.Context(), w.User(who), in)
		wantRefused(t, err, code, "")
	}
	resent, err := w.Invitations.Resend(t.Context(), w.User("mia"), in)
	w.must(err)
	wantEqual(t, "resent", invitation.OutcomeResent, resent.Results[0].Outcome)
	_, err = w.Invitations.Resend(t.Context(), w.User("mia"), in)
	wantRefused(t, err, fault.RateLimited, fault.ResendsByAddress)
	for _, stored := range []bool{false, true} {
		for status, want := range map[invitation.Status]int{"": 1, invitation.Pending: 1, invitation.Expired: 0, invitation.Revoked: 0} {
			lists, err := w.Invitations.List(t.Context(), []globalid.ID{w.university()}, invitation.Filter{Status: status, Stored: stored}, relay.Page{First: 10, Total: true})
			w.must(err)
			list := lists[w.university()]
			if list.Total != want || len(list.Nodes) != want || want == 1 && *list.Nodes[0].OrganizationRole != tenant.Member {
				t.Errorf("%q: %+v", status, list)
			}
		}
	}
	wantEqual(t, "mails", 1, len(w.Mails()))
	token := w.Token("zoe@new.example")
	revoked, err := w.Invitations.Revoke(t.Context(), w.User("mia"), in)
	w.must(err)
	wantEqual(t, "revoked", invitation.OutcomeRevoked, revoked.Results[0].Outcome)
	_, err = w.Invitations.Accept(t.Context(), w.User("zoe@new.example"), invitation.AnswerInput{Token: &token})
	f := wantRefused(t, err, fault.InvitationNotUsable, "REVOKED")
	wantEqual(t, "remedy", "Ask Mia (mia@uni.example) to invite you again.", f.Remedy)
}

// Invitations by a manager who is one no longer are not usable until another one takes
// them over.
func TestInvitationsOfFormerManagersAreNotUsable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.inviteToOrganization(tenant.Faculty, "zoe@new.example")[0].InvitationID
	w.Grant(w.User("rita"), tenant.OrganizationManager, w.university())
	_, err := w.Memberships.ChangeOrganizationRole(t.Context(), w.User("rita"), membership.ChangeOrganizationRoleInput{
		OrganizationID: w.university(), UserID: w.User("mia").ID, Role: tenant.Member})
	w.must(err)
	f := wantRefused(t, second(w.accept("zoe@new.example", id)), fault.InvitationNotUsable, "INVITER_LEFT")
	wantEqual(t, "remedy", "Ask a manager of University of Example to resend the invitation. It is valid again then.", f.Remedy)
	results, err := w.tryInviteToOrganization("rita", tenant.Faculty, nil, "zoe@new.example")
	w.must(err)
	wantEqual(t, "outcome", invitation.AlreadyInvited, results[0].Outcome)
	_, err = w.accept("zoe@new.example", id)
	w.must(err)
}

// A removal from the organization revokes what would bring the person back, and what
// they sent anywhere in it.
func TestRemovalFromTheOrganizationEndsInvitations(t *testing.T) {
	t.Parallel()
	for _, sent := range []membership.SentInvitations{membership.RevokeSent, membership.TakeOverSent} {
		t.Run(string(sent), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			eva := w.User("eva")
			w.Grant(eva, tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
			toAnother := w.invite("Master", tenant.Viewer, "bob@new.example")[0].InvitationID
			w.Grant(w.User("rita"), tenant.OrganizationManager, w.university())
			byEva := w.inviteAs("eva", "Group 1", tenant.Viewer, "bob@new.example")
			appointed, err := w.Invitations.InviteAdministrators(t.Context(), eva, invitation.InviteSpaceAdministratorsInput{
				SpaceID: w.Space(testworld.Econometrics), Emails: []string{"noah@new.example"}})
			w.must(err)
			administrator := appointed.Results[0].InvitationID
			toOrganization := w.inviteToOrganization(tenant.Faculty, "eva@uni.example", "zoe@new.example")
			payload, err := w.Memberships.Remove(t.Context(), w.User("mia"), membership.RemoveMemberInput{
				UserID: eva.ID, OrganizationID: new(w.university()), SentInvitations: sent})
			w.must(err)
			want, status, reason := membership.EndedInvitations{Revoked: 3}, "REVOKED", "REVOKED"
			if sent == membership.TakeOverSent {
				// Mia may appoint administrators, and not invite to instances.
				want, status, reason = membership.EndedInvitations{Revoked: 1, TakenOver: 1}, "PENDING", "INVITER_LEFT"
			}
			wantEqual(t, "ended", want, payload.EndedInvitations)
			wantEqual(t, "statuses", []string{status, status, "REVOKED", "PENDING", "PENDING"},
				w.statuses(byEva, administrator, toOrganization[0].InvitationID, toOrganization[1].InvitationID, toAnother))
			wantRefused(t, second(w.accept("bob@new.example", byEva)), fault.InvitationNotUsable, reason)
			if _, err := w.accept("noah@new.example", administrator); (err == nil) != (sent == membership.TakeOverSent) {
				t.Errorf("the new administrator: %v", err)
			}
		})
	}
}

// A lower role keeps the invitations to places inside.
func TestALowerRoleInTheOrganizationKeepsOtherInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	zoe := w.User("zoe@new.example")
	toInstance := w.invite("Group 1", tenant.Editor, "zoe@new.example")[0].InvitationID
	toOrganization := w.inviteToOrganization(tenant.Manager, "zoe@new.example")[0].InvitationID
	w.Grant(zoe, tenant.OrganizationFaculty, w.university())
	_, err := w.Memberships.ChangeOrganizationRole(t.Context(), w.User("mia"), membership.ChangeOrganizationRoleInput{
		OrganizationID: w.university(), UserID: zoe.ID, Role: tenant.Member})
	w.must(err)
	wantEqual(t, "statuses", []string{"PENDING", "REVOKED"}, w.statuses(toInstance, toOrganization))
}

// A manager who chooses the role that a guest has makes them a member like others, and
// takes back the invitation to a higher one.
func TestTheSameRoleInTheOrganizationEndsHigherInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	higher := w.inviteToOrganization(tenant.Manager, "zoe@new.example")[0].InvitationID
	_, err := w.accept("zoe@new.example", w.invite("Group 1", tenant.Viewer, "zoe@new.example")[0].InvitationID)
	w.must(err)
	payload, err := w.Memberships.ChangeOrganizationRole(t.Context(), w.User("mia"), membership.ChangeOrganizationRoleInput{
		OrganizationID: w.university(), UserID: w.User("zoe@new.example").ID, Role: tenant.Member})
	w.must(err)
	wantEqual(t, "changed", false, payload.Changed)
	wantEqual(t, "statuses", []string{"REVOKED"}, w.statuses(higher))
	wantEqual(t, "guests", 0, w.Number(`select count(*) from organization_member where guest`))
}

// A space whose administrators have left gets one from a manager, who sees what they
// sent and can take it back.
func TestManagersAppointAdministrators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space := w.NewSpace(w.university(), "Abandoned")
	in := invitation.InviteSpaceAdministratorsInput{SpaceID: space, Emails: []string{"zoe@new.example", "bob@new.example"}}
	payload, err := w.Invitations.InviteAdministrators(t.Context(), w.User("mia"), in)
	w.must(err)
	_, err = w.accept("zoe@new.example", payload.Results[0].InvitationID)
	w.must(err)
	wantEqual(t, "role", "SPACE_ADMINISTRATOR", w.RoleOf(w.User("zoe@new.example"), space))
	bob := invitation.SelectionInput{InvitationIDs: []globalid.ID{payload.Results[1].InvitationID}}
	_, err = w.Invitations.Resend(t.Context(), w.User("mia"), bob)
	w.must(err)
	_, err = w.Invitations.Revoke(t.Context(), w.User("mia"), bob)
	w.must(err)

	// Not to instances, and not in other organizations.
	_, err = w.tryInvite("mia", "Group 1", tenant.Viewer, "zoe@new.example")
	wantRefused(t, err, fault.Forbidden, "")
	toInstance := invitation.SelectionInput{InvitationIDs: []globalid.ID{w.invite("Group 1", tenant.Viewer, "bob@new.example")[0].InvitationID}}
	_, err = w.Invitations.Revoke(t.Context(), w.User("mia"), toInstance)
	wantRefused(t, err, fault.Forbidden, "")
	_, err = w.Invitations.InviteAdministrators(t.Context(), w.User("mia"), invitation.InviteSpaceAdministratorsInput{
		SpaceID: w.Space("Private Research"), Emails: []string{"zoe@new.example"}})
	wantRefused(t, err, fault.NotFound, "")
	// A manager who is one no longer appoints nobody.
	again, err := w.Invitations.InviteAdministrators(t.Context(), w.User("mia"), invitation.InviteSpaceAdministratorsInput{SpaceID: space, Emails: []string{"max@new.example"}})
	w.must(err)
	w.Grant(w.User("rita"), tenant.OrganizationManager, w.university())
	w.Revoke(w.User("mia"), w.university())
	_, err = w.accept("max@new.example", again.Results[0].InvitationID)
	wantRefused(t, err, fault.InvitationNotUsable, "INVITER_LEFT")
}

func TestReadinessForOrganizationsAndSpaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for who, want := range map[string][2]string{"mia": {"", ""}, "ada": {"FORBIDDEN", ""}, "ed": {"FORBIDDEN", "FORBIDDEN"}} {
		places, err := tenant.FindPlaces(t.Context(), w.DB, w.User(who), []globalid.ID{w.university(), w.Space(testworld.Econometrics)})
		w.must(err)
		for i, id := range []globalid.ID{w.university(), w.Space(testworld.Econometrics)} {
			obstacles, err := w.Invitations.Readiness(t.Context(), w.User(who), places[id])
			w.must(err)
			code := ""
			for _, f := range obstacles {
				code += string(f.Code)
			}
			wantEqual(t, who+" "+string(id.Kind), want[i], code)
		}
	}
	w.Invitations.Limits.ByPerson = 1
	w.inviteToOrganization(tenant.Member, "zoe@new.example")
	places, err := tenant.FindPlaces(t.Context(), w.DB, w.User("mia"), []globalid.ID{w.university()})
	w.must(err)
	obstacles, err := w.Invitations.Readiness(t.Context(), w.User("mia"), places[w.university()])
	w.must(err)
	if len(obstacles) != 1 || obstacles[0].Reason != fault.InvitationsByPerson {
		t.Errorf("%+v", obstacles)
	}
}
