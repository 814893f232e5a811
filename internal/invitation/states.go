package invitation

import "alphacruncher.com/datahub-gateway/internal/state"

// States is what happens to an invitation. An expired one is a pending one in the database
// (Status), which can be renewed or revoked.
var States = state.Machine{
	Name: "invitation",
	Enum: "InvitationStatus",
	States: []state.State{
		{Name: string(Pending)}, {Name: string(Accepted)}, {Name: string(Declined)}, {Name: string(Revoked)}, {Name: string(Expired)},
	},
	Events: []state.Event{
		{Name: "inviteUsers", By: "an administrator of the space", Changes: whenInvited},
		{Name: "inviteSpaceAdministrators", By: "an administrator of the space, or a manager", Changes: whenInvited},
		{Name: "inviteOrganizationMembers", InDeleted: true, By: "a manager", Changes: whenInvited},
		{Name: "approveRequest", By: "an administrator of the space, who approves a request for invitations", Changes: whenInvited},
		{Name: "syncRoster", By: "an administrator of the space, whose roster names the address there", Changes: whenInvited},
		{Name: "syncRoster without the address", By: "the same, whose roster removes the others", Changes: whenEnded},
		{Name: "joinByLink", By: "anyone who has a course link, in the name of the person who made it", Changes: whenInvited},
		{Name: "resendInvitations", By: "those who may invite there", Changes: state.To(Pending, Expired)},
		{Name: "acceptInvitation", By: "the invited person", Changes: state.To(Accepted, Pending)},
		{Name: "declineInvitation", By: "the invited person", Changes: state.To(Declined, Pending)},
		{Name: "refuseInvitations", InDeleted: true, By: "anyone who has the mail", Changes: state.To(Declined, Pending)},
		{Name: "revokeInvitations", InDeleted: true, By: "those who may invite there", Changes: whenEnded},
		{Name: "removeMember", InDeleted: true, By: "those who end a role there of the invited person, or of the person who sent it", Changes: whenEnded},
		{Name: "reinstateMember", By: "those who give the invited person a former role there back that is not lower", Changes: whenEnded},
		{Name: "end of a membership", InDeleted: true, By: "the gateway, when the invited person was a member until then, and was invited before", Changes: whenEnded},
		{Name: "changeMemberRole", InDeleted: true, By: "an administrator, who gives the invited person a lower role", Changes: whenEnded},
		{Name: "changeOrganizationRole", InDeleted: true, By: "a manager, who gives the invited person a lower role", Changes: whenEnded},
		{Name: "deleteInstance", By: "those who can delete the instance: nobody can accept the invitation until it is restored"},
		{Name: "deleteSpace", By: "those who can delete the space: nobody can accept the invitation until it is restored"},
		{Name: "leaveInstance", InDeleted: true, By: "the invited person, who was a member", Changes: whenEnded},
		{Name: "leaveOrganization", InDeleted: true, By: "the invited person, who was a member", Changes: whenEnded},
		{Name: "time", InDeleted: true, By: "the end of the invitation's 30 days (a setting)", Changes: state.To(Expired, Pending)},
		{Name: "retention", InDeleted: true, By: "the gateway, 180 days (a setting) after the end", Changes: state.To(state.None, Accepted, Declined, Revoked, Expired)},
		{Name: "purge", InDeleted: true, By: "the gateway, days (a setting) after the place could last be restored", Changes: whenGone},
		{Name: "erasure of the recipient", InDeleted: true, By: "the operator", Changes: whenGone},
		{Name: "erasure of the sender", InDeleted: true, By: "the operator", Changes: whenEnded},
	},
}

// Changes that several events make.
var (
	whenInvited = state.To(Pending, state.None, Expired)
	whenEnded   = state.To(Revoked, Pending, Expired)
	whenGone    = state.To(state.None, Pending, Accepted, Declined, Revoked, Expired)
)
