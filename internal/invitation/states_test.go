package invitation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"alphacruncher.com/datahub-gateway/internal/graphqltypes/globalid"
	"alphacruncher.com/datahub-gateway/internal/graphqltypes/relay"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/privacy"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/space"
	"alphacruncher.com/datahub-gateway/internal/state"
	"alphacruncher.com/datahub-gateway/internal/state/statetest"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// tried is an invitation with people and places of its own.
type tried struct {
	id             globalid.ID // zero: it is not made yet
	place          globalid.ID // where it leads
	organization   globalid.ID
	space          globalid.ID
	instance       globalid.ID
	sender, person tenant.User
	token          string // "": there is none
}

func TestStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Invitations.Limits.ByDomain, w.Invitations.Limits.ByPerson, w.Invitations.Limits.BySpace = 1e6, 1e6, 1e6
	owner := w.Open(w.DSN)
	const retention = 180 * 24 * time.Hour

	made := 0
	newTried := func(event string) *tried {
		made++
		r := &tried{
			organization: w.NewOrganization(fmt.Sprintf("University %d", made)),
			sender:       w.User(fmt.Sprintf("sender%d@uni.example", made)),
			person:       w.User(fmt.Sprintf("person%d@new.example", made)),
		}
		r.space = w.NewSpace(r.organization, "Physics")
		r.instance = w.NewInstance(r.space, "Group 1")
		for _, u := range []tenant.User{w.User("ada"), r.sender} {
			w.Grant(u, tenant.OrganizationManager, r.organization)
			w.Grant(u, tenant.SpaceAdministrator, r.space)
		}
		switch event {
		case "inviteSpaceAdministrators":
			r.place = r.space
		case "inviteOrganizationMembers", "changeOrganizationRole":
			r.place = r.organization
		default:
			r.place = r.instance
		}
		return r
	}
	invite := func(r *tried) error {
		var err error
		switch emails := []string{r.person.Email}; r.place {
		case r.instance:
			_, err = w.Invitations.Invite(t.Context(), r.sender, invitation.InviteUsersInput{InstanceID: r.instance, Role: tenant.Editor, Emails: emails})
		case r.space:
			_, err = w.Invitations.InviteAdministrators(t.Context(), r.sender, invitation.InviteSpaceAdministratorsInput{SpaceID: r.space, Emails: emails})
		case r.organization:
			_, err = w.Invitations.InviteOrganizationMembers(t.Context(), r.sender, invitation.InviteOrganizationMembersInput{
				OrganizationID: r.organization, Role: tenant.Faculty, Emails: emails})
		}
		return err
	}
	answer := func(r *tried) invitation.AnswerInput { return invitation.AnswerInput{InvitationID: new(known(r))} }
	accept := func(r *tried) error { return second(w.Invitations.Accept(t.Context(), r.person, answer(r))) }
	decline := func(r *tried) error { return second(w.Invitations.Decline(t.Context(), r.person, answer(r))) }
	selected := func(r *tried) invitation.SelectionInput {
		return invitation.SelectionInput{InvitationIDs: []globalid.ID{known(r)}}
	}
	revoke := func(r *tried) error { return second(w.Invitations.Revoke(t.Context(), r.sender, selected(r))) }
	expire := func(r *tried) error {
		w.Exec(`update invitation set expires_at = clock_timestamp() where id = $1 and status = 'PENDING'`, r.id.UUID)
		return nil
	}
	// join gives the person the role of the invitation by another way.
	join := func(r *tried) {
		if r.place == r.organization {
			w.Grant(r.person, tenant.OrganizationFaculty, r.organization)
		} else {
			w.Grant(r.person, tenant.InstanceEditor, r.instance)
		}
	}
	remove := func(user func(*tried) tenant.User, place func(*tried) membership.RemoveMemberInput) func(*tried) error {
		return func(r *tried) error {
			join(r)
			in := place(r)
			in.UserID = user(r).ID
			return second(w.Memberships.Remove(t.Context(), w.User("ada"), in))
		}
	}
	fromInstance := func(r *tried) membership.RemoveMemberInput {
		return membership.RemoveMemberInput{InstanceID: &r.instance}
	}
	fromSpace := func(r *tried) membership.RemoveMemberInput { return membership.RemoveMemberInput{SpaceID: &r.space} }
	fromOrganization := func(r *tried) membership.RemoveMemberInput {
		return membership.RemoveMemberInput{OrganizationID: &r.organization}
	}
	theRecipient := func(r *tried) tenant.User { return r.person }
	theSender := func(r *tried) tenant.User { return r.sender }
	erase := func(user func(*tried) tenant.User) func(*tried) error {
		return func(r *tried) error {
			p, err := privacy.FindAccount(t.Context(), owner, user(r).ID)
			w.must(err)
			return second(privacy.Erase(t.Context(), owner, p, privacy.Options{}))
		}
	}

	trial := statetest.Trial[*tried]{
		Row: func(from, event string) *tried {
			r := newTried(event)
			if from == state.None {
				return r
			}
			w.must(invite(r))
			r.id = w.Invitation(r.person.Email)
			r.token = w.secret(r.id)
			bring := map[string]func(*tried) error{"PENDING": nil, "ACCEPTED": accept, "DECLINED": decline, "REVOKED": revoke, "EXPIRED": expire}[from]
			if bring != nil {
				w.must(bring(r))
			}
			return r
		},
		State: func(r *tried) string {
			lists, err := w.Invitations.List(t.Context(), []globalid.ID{r.place}, invitation.Filter{}, relay.Page{First: 100})
			w.must(err)
			for _, v := range lists[r.place].Nodes {
				if v.ID == r.id || r.id.Kind == "" && v.Email == r.person.Email {
					return string(v.Status)
				}
			}
			return state.None
		},
		Events: map[string][]func(*tried) error{
			"inviteUsers":               {invite},
			"inviteSpaceAdministrators": {invite},
			"inviteOrganizationMembers": {invite},
			"approveRequest": {func(r *tried) error {
				viewer := w.User(fmt.Sprintf("viewer%d@new.example", made))
				w.Grant(viewer, tenant.InstanceViewer, r.instance)
				asked, err := w.Requests.RequestInvitations(t.Context(), viewer, request.RequestInvitationsInput{
					InstanceID: r.instance, Role: tenant.Editor, Emails: []string{r.person.Email}})
				if err != nil {
					return err
				}
				return second(w.Requests.Approve(t.Context(), w.User("ada"), request.ApproveRequestInput{RequestID: asked.Request.ID}))
			}},
			"syncRoster": {func(r *tried) error {
				return second(w.Rosters.Sync(t.Context(), r.sender, roster.SyncRosterInput{SpaceID: r.space, Entries: []*roster.Entry{
					{Email: r.person.Email, Role: tenant.Editor, Instance: roster.Where{ID: &r.instance}}}}))
			}},
			"syncRoster without the address": {func(r *tried) error {
				return second(w.Rosters.Sync(t.Context(), r.sender, roster.SyncRosterInput{SpaceID: r.space, Others: roster.Remove, Entries: []*roster.Entry{
					{Email: "somebody@new.example", Role: tenant.Editor, Instance: roster.Where{ID: &r.instance}}}}))
			}},
			"joinByLink": {func(r *tried) error {
				made, err := w.Links.Create(t.Context(), r.sender, link.CreateInviteLinkInput{InstanceID: &r.instance, Role: tenant.Viewer, ExpiresAt: time.Now().Add(time.Hour), MaxUses: 1})
				if err != nil {
					return err
				}
				_, token, _ := strings.Cut(*made.Link.URL, "#")
				return second(w.Links.Join(t.Context(), link.Caller{}, link.JoinByLinkInput{Token: token, Email: r.person.Email}))
			}},
			"resendInvitations": {func(r *tried) error { return second(w.Invitations.Resend(t.Context(), r.sender, selected(r))) }},
			"acceptInvitation": {accept, func(r *tried) error {
				return second(w.Invitations.Accept(t.Context(), r.person, invitation.AnswerInput{Token: &r.token}))
			}},
			"declineInvitation": {decline, func(r *tried) error {
				return second(w.Invitations.Decline(t.Context(), r.person, invitation.AnswerInput{Token: &r.token}))
			}},
			"refuseInvitations": {func(r *tried) error {
				return second(w.Invitations.Refuse(t.Context(), nil, invitation.RefuseInvitationsInput{Token: r.token}))
			}},
			"revokeInvitations": {revoke},
			"removeMember": {
				remove(theRecipient, fromInstance), remove(theRecipient, fromSpace), remove(theRecipient, fromOrganization),
				remove(theSender, fromOrganization), // from the space, they stay a manager, who may appoint themselves
			},
			"reinstateMember": {func(r *tried) error {
				w.Exec(`insert into ended_membership (removal, account_id, instance_id, role, since, reason) values (gen_random_uuid(), $1, $2, 'EDITOR', clock_timestamp(), 'REMOVED')`,
					r.person.ID.UUID, r.instance.UUID)
				return second(w.Memberships.Reinstate(t.Context(), w.User("ada"), membership.ReinstateMemberInput{InstanceID: &r.instance, UserID: r.person.ID}))
			}},
			"end of a membership": {func(r *tried) error {
				join(r)
				w.Exec(`update instance_member set until = clock_timestamp() where instance_id = $1 and account_id = $2`, r.instance.UUID, r.person.ID.UUID)
				return second(w.Memberships.EndDue(t.Context()))
			}},
			"changeMemberRole": {func(r *tried) error {
				join(r)
				return second(w.Memberships.ChangeRole(t.Context(), w.User("ada"), membership.ChangeMemberRoleInput{InstanceID: r.instance, UserID: r.person.ID, Role: tenant.Viewer}))
			}},
			"changeOrganizationRole": {func(r *tried) error {
				join(r)
				return second(w.Memberships.ChangeOrganizationRole(t.Context(), w.User("ada"), membership.ChangeOrganizationRoleInput{
					OrganizationID: r.organization, UserID: r.person.ID, Role: tenant.Member}))
			}},
			"deleteInstance": {func(r *tried) error {
				return second(w.Instances.Delete(t.Context(), w.User("ada"), instance.InstanceInput{InstanceID: r.instance}))
			}},
			"deleteSpace": {func(r *tried) error {
				return second(w.Spaces.Delete(t.Context(), w.User("ada"), space.Input{SpaceID: r.space}))
			}},
			"leaveInstance": {func(r *tried) error {
				join(r)
				return second(w.Memberships.Leave(t.Context(), r.person, membership.LeaveInstanceInput{InstanceID: r.instance}))
			}},
			"leaveOrganization": {func(r *tried) error {
				join(r)
				w.Grant(r.person, tenant.OrganizationMember, r.organization)
				return second(w.Memberships.LeaveOrganization(t.Context(), r.person, membership.LeaveOrganizationInput{OrganizationID: r.organization}))
			}},
			"time": {expire, func(r *tried) error {
				w.must(expire(r))
				return second(invitation.MarkExpired(t.Context(), w.DB))
			}},
			"retention": {func(r *tried) error {
				w.Exec(`
					update invitation set ended_at = ended_at - $2 * interval '1 second',
						expires_at = case when expires_at <= clock_timestamp() then expires_at - $2 * interval '1 second' else expires_at end
					where id = $1`, r.id.UUID, retention.Seconds())
				return second(invitation.DeleteEnded(t.Context(), w.DB, retention))
			}},
			"purge": {func(r *tried) error {
				w.DeleteSpace(r.space, w.User("ada"))
				w.Exec(`update space set restorable_until = clock_timestamp() where id = $1`, r.space.UUID)
				return second(space.Purge(t.Context(), w.DB, 0))
			}},
			"erasure of the recipient": {erase(theRecipient)},
			"erasure of the sender":    {erase(theSender)},
		},
	}
	statetest.Check(t, invitation.States, trial)

	statetest.CheckInDeleted(t, invitation.States, trial, func(r *tried) { w.DeleteSpace(r.space, w.User("ada")) })
}

// known returns the id of an invitation, or that of none.
func known(r *tried) globalid.ID {
	if r.id.Kind == "" {
		return globalid.New(globalid.Invitation)
	}
	return r.id
}
