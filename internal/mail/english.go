package mail

import (
	"fmt"
	"time"

	"golang.org/x/text/language"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

var english = texts{
	tag:          language.English,
	instance:     "Instance",
	space:        "Space",
	organization: "Organization",
	role:         "Role",
	addresses:    "Addresses",
	colon:        ":",
	roles: map[tenant.Role]string{
		tenant.InstanceViewer:      "viewer",
		tenant.InstanceEditor:      "editor",
		tenant.SpaceAdministrator:  "administrator of the space",
		tenant.OrganizationManager: "manager of the organization",
		tenant.OrganizationFaculty: "faculty member",
		tenant.OrganizationMember:  "member of the organization",
	},
	more:     "and {count} more",
	quoting:  "{person} writes:",
	manager:  "A manager of {organization}",
	fallback: "If the button does not work, open this address:",
	invitation: sentences{
		subject: "DataHub {person} has sent you an invitation",
		opening: "{person} ({address}) invites you to DataHub.",
		button:  "Review invitation",
		closing: "The invitation is for {to}. You can accept it until {until}, with a DataHub account that has this address. " +
			"If you do not know {person}, ignore this mail; nothing will happen.",
		notice: "{entered} DataHub uses it for this invitation only. " +
			"If you do not accept, the invitation is deleted on {kept}, and the record that you were invited on {logged}.",
		refuse: "Never invite me again",
	},
	entered:       "{person} entered your address to invite you.",
	enteredByLink: "Your address was entered at a course link of {person}, by you or by somebody else.",
	requested:     "{person} ({address}) invites you to DataHub, at the request of {requester} ({requester address}).",
	notices: [...]sentences{
		RequestMade: {
			subject: "DataHub {person} {asks}",
			opening: "{person} ({address}) {asks}.",
			button:  "Answer the request",
			closing: "{deadline} You receive this mail because {because}. Everyone else who can answer the request receives it, too.",
		},
		RequestApproved: {
			subject: "DataHub {person} has approved your request",
			opening: "{person} ({address}) has approved {request}.",
			button:  "See the request",
			closing: "{approved}",
		},
		RequestDeclined: {
			subject: "DataHub {person} has declined your request",
			opening: "{person} ({address}) has declined {request}.",
			button:  "See the request",
			closing: "If you would like to know more, reply to this mail. The reply goes to {person}.",
		},
		RequestExpired: {
			subject: "DataHub Your request was not answered",
			opening: "Nobody has answered {request} in time.",
			button:  "See the request",
			closing: "{expired}",
		},
	},
	requests: [...]requestTexts{
		RoleRequest: {
			asks:     "asks you for a role",
			request:  "your request for a role",
			deadline: "The request can be answered until {until}.",
			because:  "you are an administrator of the space",
			approved: "You have this role now.",
			expired:  "You can ask again.",
		},
		InvitationsRequest: {
			asks:     "asks you to invite people",
			request:  "your request to invite people",
			deadline: "The request can be answered until {until}.",
			because:  "you are an administrator of the space",
			approved: "DataHub has invited {people} on behalf of {person}.",
			expired:  "You can ask again.",
		},
		RestoreRequest: {
			asks:     "asks you to restore {instance}",
			request:  "your request to restore {instance}",
			deadline: "The instance can be restored until {until}.",
			because:  "you are an administrator of the space or an editor of the instance",
			approved: "The instance is available again.",
			expired:  "The instance can no longer be restored, because the 24 hours for that are over.",
		},
		SpaceRestoreRequest: {
			asks:     "asks you to restore the space {space}",
			request:  "your request to restore the space {space}",
			deadline: "The space can be restored until {until}, with everything in it.",
			because:  "you are an administrator of the space or a manager of the organization",
			approved: "The space is available again, with everything in it.",
			expired:  "The space can no longer be restored, because the 24 hours for that are over.",
		},
		FacultyRequest: {
			asks:     "asks to become a faculty member of {organization}",
			request:  "your request to become a faculty member of {organization}",
			deadline: "The request can be answered until {until}.",
			because:  "you are a manager of the organization",
			approved: "You can create spaces in the organization now.",
			expired:  "You can ask again.",
		},
		ManagerRequest: {
			asks:     "asks to become a manager of {organization}",
			request:  "your request to become a manager of {organization}",
			deadline: "The request can be answered until {until}.",
			because:  "you are a manager of the organization",
			approved: "You are a manager of the organization now.",
			expired:  "You can ask again.",
		},
	},
	reminder: englishReminder,
	people: func(n int) string {
		if n == 1 {
			return "one person"
		}
		return fmt.Sprintf("%d people", n)
	},
	date:     func(t time.Time) string { return t.Format("2 January 2006") },
	dateTime: func(t time.Time) string { return t.Format("2 January 2006, 15:04 UTC") },
}
