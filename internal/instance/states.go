package instance

import (
	"alphacruncher.com/datahub-gateway/internal/state"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Unrestorable is the state of a deleted instance or space whose 24 hours are over.
const Unrestorable = "UNRESTORABLE"

// States is what happens to a working instance. Master and Distributed stay as long as
// their space.
var States = state.Machine{
	Name:   "instance",
	Enum:   "InstanceState",
	States: DeletableStates,
	Events: []state.Event{
		{Name: "createInstance", By: "an administrator of the space", Changes: state.To(tenant.Active, state.None)},
		{Name: "syncRoster", By: "an administrator of the space, whose roster names it", Changes: state.To(tenant.Active, state.None)},
		{Name: "deleteInstance", By: "an editor of the instance, or an administrator of the space", Changes: state.To(tenant.Deleted, tenant.Active)},
		{Name: "restoreInstance", By: "an editor of the instance, or an administrator of the space", Changes: state.To(tenant.Active, tenant.Deleted)},
		{Name: "approveRequest", By: "the same, who approve a request to restore it", Changes: state.To(tenant.Active, tenant.Deleted)},
		{Name: "time", InDeleted: true, By: "the end of the 24 hours", Changes: state.To(Unrestorable, tenant.Deleted)},
		{Name: "purge", InDeleted: true, By: "the gateway, days (a setting) later", Changes: state.To(state.None, Unrestorable)},
		{Name: "purge of the space", InDeleted: true, By: "the gateway, days (a setting) after the space could last be restored",
			Changes: state.To(state.None, tenant.Active, tenant.Deleted, Unrestorable)},
	},
}

// DeletableStates are the states of what can be restored for 24 hours.
var DeletableStates = []state.State{
	{Name: string(tenant.Active)},
	{Name: string(tenant.Deleted), Means: "It is deleted, and can be restored: `restorable` is true."},
	{Name: Unrestorable, Shown: []string{string(tenant.Deleted)}, Means: "It is deleted, and its 24 hours are over: `restorable` is false."},
}
