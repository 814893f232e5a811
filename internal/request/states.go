package request

import "alphacruncher.com/datahub-gateway/internal/state"

// States is what happens to a request. In a deleted space, approveRequest is refused, except
// for a request to restore it.
var States = state.Machine{
	Name: "request",
	Enum: "RequestStatus",
	States: []state.State{
		{Name: string(Open)}, {Name: string(Approved)}, {Name: string(Declined)}, {Name: string(Withdrawn)}, {Name: string(Expired)},
	},
	Events: []state.Event{
		{Name: "requestRole", By: "a person with a role in the space, or who can see the organization", Changes: whenAsked},
		{Name: "requestInvitations", By: "a person with a role in the instance", Changes: whenAsked},
		{Name: "requestRestore", By: "a person who had a role in the deleted place", Changes: whenAsked},
		{Name: "approveRequest", By: "those who can do what was asked for", Changes: whenApproved},
		{Name: "restoreInstance", By: "those who can restore the instance: the request was to do so", Changes: whenApproved},
		{Name: "restoreSpace", InDeleted: true, By: "those who can restore the space: the request was to do so", Changes: whenApproved},
		{Name: "declineRequest", InDeleted: true, By: "those who can do what was asked for", Changes: state.To(Declined, Open)},
		{Name: "withdrawRequest", InDeleted: true, By: "the person who asked", Changes: state.To(Withdrawn, Open)},
		{Name: "deleteInstance", By: "those who can delete the instance: the request ends with its 24 hours, at the latest"},
		{Name: "deleteSpace", By: "those who can delete the space: the request ends with its 24 hours, at the latest"},
		{Name: "removeMember", By: "those who remove the person who asked, from the space or the organization: the request cannot be approved any more"},
		{Name: "merger", InDeleted: true, By: "the operator, of two accounts that have asked for the same", Changes: state.To(Withdrawn, Open)},
		{Name: "time", InDeleted: true, By: "the end of the request's 14 days (a setting), or of the 24 hours in which the place could be restored", Changes: state.To(Expired, Open)},
		{Name: "retention", InDeleted: true, By: "the gateway, 180 days (a setting) after the end", Changes: state.To(state.None, Approved, Declined, Withdrawn, Expired)},
		{Name: "purge", InDeleted: true, By: "the gateway, days (a setting) after the place could last be restored", Changes: whenGone},
		{Name: "erasure of the requester", InDeleted: true, By: "the operator", Changes: whenGone},
		{Name: "erasure of the invitee", InDeleted: true, By: "the operator: the request was to invite nobody else", Changes: state.To(Expired, Open)},
	},
}

// Changes that several events make.
var (
	whenAsked    = state.To(Open, state.None)
	whenApproved = state.To(Approved, Open)
	whenGone     = state.To(state.None, Open, Approved, Declined, Withdrawn, Expired)
)
