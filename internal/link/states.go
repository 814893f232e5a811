package link

import "alphacruncher.com/datahub-gateway/internal/state"

// States is what happens to a course link. Nobody can use an open one while its place is
// deleted, or while the person who made it may not invite.
var States = state.Machine{
	Name: "link",
	Enum: "InviteLinkState",
	States: []state.State{
		{Name: string(Open)}, {Name: string(UsedUp)}, {Name: string(Expired)}, {Name: string(Revoked)},
	},
	Apart: []string{string(InstanceDeleted), string(SpaceDeleted), string(InviterLeft)},
	Events: []state.Event{
		{Name: "createInviteLink", By: "an administrator of the space", Changes: state.To(Open, state.None)},
		{Name: "joinByLink", By: "the person who gives the last address that the link is for", Changes: state.To(UsedUp, Open)},
		{Name: "refreshInviteLink", By: "an administrator of the space, in whose name it invites from then on", Changes: state.To(Open, UsedUp, Expired)},
		{Name: "revokeInviteLink", InDeleted: true, By: "an administrator of the space", Changes: state.To(Revoked, Open, UsedUp, Expired)},
		{Name: "removeMember", By: "those who remove the person who made it: nobody can use it until it is refreshed"},
		{Name: "deleteInstance", By: "those who can delete the instance: nobody can use it until the instance is restored"},
		{Name: "deleteSpace", By: "those who can delete the space: nobody can use it until the space is restored"},
		{Name: "time", InDeleted: true, By: "the end of the link", Changes: state.To(Expired, Open, UsedUp)},
		{Name: "retention", InDeleted: true, By: "the gateway, 180 days (a setting) after the end", Changes: state.To(state.None, Expired, Revoked)},
		{Name: "purge", InDeleted: true, By: "the gateway, days (a setting) after the place could last be restored", Changes: state.To(state.None, Open, UsedUp, Expired, Revoked)},
	},
}
