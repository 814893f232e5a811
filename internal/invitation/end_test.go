package invitation_test

import (
	"slices"
	"testing"

	"alphacruncher.com/datahub-gateway/internal/fault"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/tenant"
	"alphacruncher.com/datahub-gateway/internal/testworld"
)

// statuses are the statuses of invitations in the database, in the order of the ids.
func (w *world) statuses(ids ...globalid.ID) (statuses []string) {
	w.t.Helper()
	for _, id := range ids {
		statuses = append(statuses, w.Text(`select status from invitation where id = $1`, id.UUID))
	}
	return statuses
}

// last returns the newest lines of the trail, sorted: those of one moment have no order.
func (w *world) last(n int) []string {
	w.t.Helper()
	trail := w.Trail()
	return slices.Sorted(slices.Values(trail[len(trail)-n:]))
}

func (w *world) removeFromSpace(who, user string, sent membership.SentInvitations) membership.RemoveMemberPayload {
	w.t.Helper()
	payload, err := w.Memberships.Remove(w.t.Context(), w.User(who), membership.RemoveMemberInput{
		UserID: w.User(user).ID, SpaceID: new(w.Space(testworld.Econometrics)), SentInvitations: sent})
	w.must(err)
	return payload
}

func (w *world) removeFromInstance(who, user, instance string) membership.RemoveMemberPayload {
	w.t.Helper()
	payload, err := w.Memberships.Remove(w.t.Context(), w.User(who), membership.RemoveMemberInput{
		UserID: w.User(user).ID, InstanceID: new(w.Instance(instance))})
	w.must(err)
	return payload
}

// inviteAs invites one address to an instance, and returns the invitation's id.
func (w *world) inviteAs(who, instance string, role tenant.InstanceRole, email string) globalid.ID {
	w.t.Helper()
	results, err := w.tryInvite(who, instance, role, email)
	w.must(err)
	return results[0].InvitationID
}

// Removed people do not come back by an invitation that was pending before. They can
// be invited again.
func TestRemovalRevokesInvitationsToThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vic := w.User("vic")
	toMaster := w.invite("Master", tenant.Viewer, "Vic@UNI.example", "zoe@new.example")
	admin := w.inviteAdministrators("vic@uni.example")[0].InvitationID
	w.Grant(w.User("rita"), tenant.SpaceAdministrator, w.Space("Private Research"))
	elsewhere, err := w.Invitations.InviteAdministrators(t.Context(), w.User("rita"), invitation.InviteSpaceAdministratorsInput{
		SpaceID: w.Space("Private Research"), Emails: []string{"vic@uni.example"}})
	w.must(err)
	ids := []globalid.ID{toMaster[0].InvitationID, admin, toMaster[1].InvitationID, elsewhere.Results[0].InvitationID}
	token := w.secret(ids[0])

	// From an instance, only that instance's.
	wantEqual(t, "from Group 1", membership.RemoveMemberPayload{Removed: true}, w.removeFromInstance("ada", "vic", "Group 1"))
	wantEqual(t, "statuses", []string{"PENDING", "PENDING", "PENDING", "PENDING"}, w.statuses(ids...))
	w.Exec(`update invitation set expires_at = clock_timestamp() - interval '1 hour' where id = $1`, admin.UUID) // it could be resent
	wantEqual(t, "from the space", membership.RemoveMemberPayload{Removed: true, EndedInvitations: membership.EndedInvitations{Revoked: 2}},
		w.removeFromSpace("ada", "vic", ""))
	wantEqual(t, "statuses", []string{"REVOKED", "REVOKED", "PENDING", "PENDING"}, w.statuses(ids...))
	wantRefused(t, second(w.Invitations.Accept(t.Context(), vic, invitation.AnswerInput{Token: &token})), fault.InvitationNotUsable, "REVOKED")
	wantEqual(t, "trail", []string{"Ada INVITATION_REVOKED", "Ada INVITATION_REVOKED Master"}, w.last(2))
	wantEqual(t, "events", 2, w.Number(`select count(*) from event where change = 'REVOKED'`))
	wantEqual(t, "removing again", membership.RemoveMemberPayload{}, w.removeFromSpace("ada", "vic", ""))

	again := w.invite("Master", tenant.Viewer, "vic@uni.example")[0]
	wantEqual(t, "outcome", invitation.Invited, again.Outcome)
	_, err = w.accept("vic", again.InvitationID)
	w.must(err)
	wantEqual(t, "role", "INSTANCE_VIEWER", w.RoleOf(vic, w.Instance("Master")))
}

// Leaving, and a lower role, end what would return the role that was held. So does a
// removal from the instance alone.
func TestEveryEndOfARoleRevokesInvitationsToIt(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world){
		"leaving": func(w *world) {
			_, err := w.Memberships.Leave(t.Context(), w.User("ed"), membership.LeaveInstanceInput{InstanceID: w.Instance("Group 1")})
			w.must(err)
		},
		"removal": func(w *world) { w.removeFromInstance("ada", "ed", "Group 1") },
		"a lower role": func(w *world) {
			_, err := w.Memberships.ChangeRole(t.Context(), w.User("ada"), membership.ChangeMemberRoleInput{
				InstanceID: w.Instance("Group 1"), UserID: w.User("ed").ID, Role: tenant.Viewer})
			w.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var ids []globalid.ID
			for _, instance := range []string{"Group 1", "Master"} {
				// Invited while they were no member yet.
				w.Revoke(w.User("ed"), w.Instance(instance))
				ids = append(ids, w.invite(instance, tenant.Editor, "ed@uni.example")[0].InvitationID)
				w.Grant(w.User("ed"), tenant.InstanceEditor, w.Instance(instance))
			}
			end(w)
			wantEqual(t, "statuses", []string{"REVOKED", "PENDING"}, w.statuses(ids...))
		})
	}
}

// An invitation to the role that is left stays.
func TestALowerRoleKeepsInvitationsToIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Revoke(w.User("vic"), w.Instance("Group 1"))
	id := w.invite("Group 1", tenant.Viewer, "vic@uni.example")[0].InvitationID
	for _, role := range []tenant.InstanceRole{tenant.Viewer, tenant.Editor, tenant.Viewer} {
		w.Grant(w.User("vic"), tenant.InstanceEditor, w.Instance("Group 1"))
		_, err := w.Memberships.ChangeRole(t.Context(), w.User("ada"), membership.ChangeMemberRoleInput{
			InstanceID: w.Instance("Group 1"), UserID: w.User("vic").ID, Role: role})
		w.must(err)
	}
	wantEqual(t, "statuses", []string{"PENDING"}, w.statuses(id))
}

// newWorldWithMia returns a world in which Mia is a second administrator, who has
// sent invitations, and their ids: to Group 1, to Master, to administrate.
func newWorldWithMia(t *testing.T) (w *world, sent []globalid.ID) {
	t.Helper()
	w = newWorld(t)
	// As a manager, Mia could always invite administrators.
	university := w.Organization("University of Example")
	w.Grant(w.User("rita"), tenant.OrganizationManager, university)
	w.Revoke(w.User("mia"), university)
	w.Grant(w.User("mia"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
	administrators, err := w.Invitations.InviteAdministrators(t.Context(), w.User("mia"), invitation.InviteSpaceAdministratorsInput{
		SpaceID: w.Space(testworld.Econometrics), Emails: []string{"mia@second.example"}})
	w.must(err)
	return w, []globalid.ID{w.inviteAs("mia", "Group 1", tenant.Editor, "crony@new.example"), w.inviteAs("mia", "Master", tenant.Viewer, "zoe@new.example"),
		administrators.Results[0].InvitationID}
}

func TestRemovalRevokesInvitationsByThePerson(t *testing.T) {
	t.Parallel()
	for _, sent := range []membership.SentInvitations{"", membership.RevokeSent} {
		w, ids := newWorldWithMia(t)
		ofAda := w.invite("Group 1", tenant.Viewer, "bob@new.example")[0].InvitationID
		// An administrator who is removed from an instance still is one.
		w.Grant(w.User("mia"), tenant.InstanceEditor, w.Instance("Group 1"))
		wantEqual(t, "from Group 1", membership.RemoveMemberPayload{Removed: true}, w.removeFromInstance("ada", "mia", "Group 1"))
		wantEqual(t, "from the space", membership.RemoveMemberPayload{Removed: true, EndedInvitations: membership.EndedInvitations{Revoked: 3}},
			w.removeFromSpace("ada", "mia", sent))
		wantEqual(t, "statuses", []string{"REVOKED", "REVOKED", "REVOKED", "PENDING"}, w.statuses(append(ids, ofAda)...))
		_, err := w.accept("crony@new.example", ids[0])
		wantRefused(t, err, fault.InvitationNotUsable, "REVOKED")
	}
}

// Taken over, the invitations stay valid with the links that were sent, in the name
// of the person who removes.
func TestRemovalTakesInvitationsOver(t *testing.T) {
	t.Parallel()
	w, ids := newWorldWithMia(t)
	token := w.secret(ids[0])
	wantEqual(t, "from the space", membership.EndedInvitations{TakenOver: 3}, w.removeFromSpace("ada", "mia", membership.TakeOverSent).EndedInvitations)
	wantEqual(t, "trail", []string{"Ada INVITATION_TAKEN_OVER", "Ada INVITATION_TAKEN_OVER Group 1", "Ada INVITATION_TAKEN_OVER Master"},
		w.last(3))
	payload, err := w.Invitations.Accept(t.Context(), w.User("crony@new.example"), invitation.AnswerInput{Token: &token})
	w.must(err)
	wantEqual(t, "inviter", "Ada", payload.Invitation.InvitedBy.Name)
	_, err = w.accept("mia@second.example", ids[2])
	w.must(err)
}

// People who remove themselves cannot take over what they sent.
func TestRemovingOneselfLeavesInvitationsUnusable(t *testing.T) {
	t.Parallel()
	w, ids := newWorldWithMia(t)
	wantEqual(t, "from the space", membership.RemoveMemberPayload{Removed: true}, w.removeFromSpace("mia", "mia", membership.TakeOverSent))
	_, err := w.accept("crony@new.example", ids[0])
	wantRefused(t, err, fault.InvitationNotUsable, "INVITER_LEFT")

	w, _ = newWorldWithMia(t)
	wantEqual(t, "from the space", membership.EndedInvitations{Revoked: 3}, w.removeFromSpace("mia", "mia", membership.RevokeSent).EndedInvitations)
}

// However an inviter loses the role, the invitations that they sent are not usable
// until somebody with the role takes them over.
func TestInvitationsOfThoseWhoMayNotInviteAreNotUsable(t *testing.T) {
	t.Parallel()
	takeOver := map[string]func(*world, globalid.ID){
		"resending": func(w *world, id globalid.ID) { w.resend(id) },
		"inviting again": func(w *world, _ globalid.ID) {
			wantEqual(t, "outcome", invitation.AlreadyInvited, w.invite("Group 1", tenant.Editor, "crony@new.example")[0].Outcome)
		},
		"another role": func(w *world, _ globalid.ID) {
			wantEqual(t, "outcome", invitation.RoleChanged, w.invite("Group 1", tenant.Viewer, "crony@new.example")[0].Outcome)
		},
		"the role back": func(w *world, _ globalid.ID) {
			w.Grant(w.User("mia"), tenant.SpaceAdministrator, w.Space(testworld.Econometrics))
		},
	}
	for name, takeOver := range takeOver {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ids := newWorldWithMia(t)
			id, token := ids[0], w.secret(ids[0])
			w.Revoke(w.User("mia"), w.Space(testworld.Econometrics))
			crony := w.User("crony@new.example")

			f := wantRefused(t, second(w.accept("crony@new.example", id)), fault.InvitationNotUsable, "INVITER_LEFT")
			if f.Message != "Mia, who invited you, may not invite people to Group 1 any more." ||
				f.Remedy != "Ask an administrator of the space Econometrics 2026 to resend the invitation. It is valid again then." {
				t.Errorf("%q %q", f.Message, f.Remedy)
			}
			wantEqual(t, "contacts", []fault.Contact(nil), f.Contacts) // strangers may not know them
			// What the page shows agrees with what accepting answers.
			v, err := w.Invitations.ByToken(t.Context(), &crony, token)
			w.must(err)
			shown, err := v.Obstacle(t.Context(), w.DB, &crony)
			w.must(err)
			wantEqual(t, "shown", f, shown)
			w.Grant(crony, tenant.InstanceViewer, w.Instance("Master"))
			f = wantRefused(t, second(w.accept("crony@new.example", id)), fault.InvitationNotUsable, "INVITER_LEFT")
			wantEqual(t, "contacts", []fault.Contact{w.User("ada").Contact()}, f.Contacts)
			sam := w.User("sam")
			if v, err = w.Invitations.ByToken(t.Context(), &sam, token); v != nil || err != nil {
				t.Errorf("others see %v, %v", v, err)
			}
			list, err := w.Invitations.ListPendingFor(t.Context(), crony, relay.Page{First: 10, Total: true})
			w.must(err)
			if len(list.Nodes) != 0 || list.Total != 0 {
				t.Errorf("%+v can be accepted", list.Nodes)
			}

			mails := w.mailCount(id)
			takeOver(w, id)
			if name != "resending" && w.mailCount(id) != mails {
				t.Error("a second mail")
			}
			if name != "the role back" {
				wantEqual(t, "inviter", "Ada", w.invitationNow("Group 1", id).InvitedBy.Name)
				took := slices.ContainsFunc(w.Trail(), func(line string) bool { return line == "Ada INVITATION_TAKEN_OVER Group 1" })
				wantEqual(t, "in the trail", name == "inviting again", took)
			}
			_, err = w.accept("crony@new.example", id)
			w.must(err)
		})
	}
}
