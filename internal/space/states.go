package space

import (
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/state"
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// States is what happens to a space. Its instances keep the states that they have.
var States = state.Machine{
	Name:   "space",
	Enum:   "SpaceState",
	States: instance.DeletableStates,
	Events: []state.Event{
		{Name: "createSpace", By: "a manager, or faculty", Changes: state.To(tenant.Active, state.None)},
		{Name: "create-space", By: "the operator", Changes: state.To(tenant.Active, state.None)},
		{Name: "deleteSpace", By: "an administrator", Changes: state.To(tenant.Deleted, tenant.Active)},
		{Name: "restoreSpace", By: "an administrator, or a manager", Changes: state.To(tenant.Active, tenant.Deleted)},
		{Name: "approveRequest", By: "the same, who approve a request to restore it", Changes: state.To(tenant.Active, tenant.Deleted)},
		{Name: "time", By: "the end of the 24 hours", Changes: state.To(instance.Unrestorable, tenant.Deleted)},
		{Name: "purge", By: "the gateway, days (a setting) later", Changes: state.To(state.None, instance.Unrestorable)},
	},
}
