package mail

import (
	"fmt"
	"time"

	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

var english = words{
	tag:       language.English,
	instance:  "Instance",
	space:     "Space",
	role:      "Role",
	addresses: "Addresses",
	roles: map[tenant.Role]string{
		tenant.InstanceViewer:     "viewer",
		tenant.InstanceEditor:     "editor",
		tenant.SpaceAdministrator: "administrator of the space",
	},
	more:     "and {count} more",
	quoting:  "{person} writes:",
	fallback: "If the button does not work, open this address:",
	invitation: sentences{
		subject: "DataHub {person} has sent you an invitation",
		opening: "{person} ({address}) invites you to DataHub.",
		button:  "Review invitation",
		closing: "The invitation is for {to} and can be accepted until {until}, with a DataHub account of this address. " +
			"If you do not know {person}, ignore this mail: nothing happens then.",
	},
	requested: "{person} ({address}) invites you to DataHub, at the request of {requester} ({requester address}).",
	notices: [...]sentences{
		Asked: {
			subject: "DataHub {person} {asks}",
			opening: "{person} ({address}) {asks}.",
			button:  "Answer the request",
			closing: "{deadline} Whoever else can answer the request was asked, too. You receive this mail because {because}.",
		},
		Approved: {
			subject: "DataHub {person} has granted your request",
			opening: "{person} ({address}) has granted {request}.",
			button:  "See the request",
			closing: "{granted}",
		},
		Declined: {
			subject: "DataHub {person} has declined your request",
			opening: "{person} ({address}) has declined {request}.",
			button:  "See the request",
			closing: "If you would like to know more, reply to this mail: the reply goes to {person}.",
		},
		Ended: {
			subject: "DataHub Your request was not answered",
			opening: "Nobody has answered {request} in time.",
			button:  "See the request",
			closing: "{missed}",
		},
	},
	requests: [...]request{
		AskRole: {
			asks:     "asks you for a role",
			request:  "your request for a role",
			deadline: "The request can be answered until {until}.",
			because:  "you administrate the space",
			granted:  "You have this role from now on.",
			missed:   "You can ask again.",
		},
		AskInvitations: {
			asks:     "asks you to invite people",
			request:  "your request to invite people",
			deadline: "The request can be answered until {until}.",
			because:  "you administrate the space",
			granted:  "DataHub has invited {people} in the name of {person}.",
			missed:   "You can ask again.",
		},
		AskRestore: {
			asks:     "asks you to restore {instance}",
			request:  "your request to restore {instance}",
			deadline: "The instance can be restored until {until}, and not later.",
			because:  "you administrate the space or edit the instance",
			granted:  "The instance is there again.",
			missed:   "The 24 hours in which the instance could be restored are over.",
		},
	},
	people: func(n int) string {
		if n == 1 {
			return "one person"
		}
		return fmt.Sprintf("%d people", n)
	},
	moment: func(t time.Time) string { return t.Format("2 January 2006, 15:04 UTC") },
}
