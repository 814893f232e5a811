package audit

import (
	"strconv"
	"strings"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// sentences say in English what was done. Summary replaces what stands in braces;
// {place} is the instance, without one the space, and without both the organization.
var sentences = map[Action]string{
	SpaceCreated:          "{actor} created the space {space}.",
	SpaceDeleted:          "{actor} deleted the space {space}.",
	SpaceRestored:         "{actor} restored the space {space}.",
	SpacePurged:           "{actor} removed the space {space} permanently.",
	InstanceCreated:       "{actor} created {place}.",
	InstanceDeleted:       "{actor} deleted {place}.",
	InstanceRestored:      "{actor} restored {place}.",
	InstancePurged:        "{actor} removed {place} permanently.",
	InvitationSent:        "{actor} invited {emails} to {place} as {role}.",
	InvitationRoleChanged: "{actor} changed the role in the {invitation} of {emails} to {place}, to {role}.",
	InvitationResent:      "{actor} sent the {invitation} of {emails} to {place} again.",
	InvitationRevoked:     "{actor} revoked the {invitation} of {emails} to {place}.",
	InvitationTakenOver:   "{actor} took over the {invitation} of {emails} to {place}.",
	InvitationAccepted:    "{actor} accepted the {invitation} of {emails} to {place} as {role}.",
	InvitationDeclined:    "{actor} declined the {invitation} of {emails} to {place}.",
	MemberRoleChanged:     "{actor} changed {user} from {previous} to {role} of {place}.",
	MemberRemoved:         "{actor} removed {user} from {place}.",
	MemberLeft:            "{actor} left {place}.",
	MemberReinstated:      "{actor} reinstated {user} in {place}.",
	MemberEndChanged:      "{actor} changed until when {user} is {role} of {place}.",
	MemberExpired:         "The time of {user} as {role} of {place} was over.",
	RoleGranted:           "{actor} made {user} {role} of {place}.",
	RosterSynced:          "{actor} set the roster of {place}: {changes}.",
	LinkCreated:           "{actor} made a course link to {place}, for people to be {role}.",
	LinkRefreshed:         "{actor} refreshed a course link to {place}, for people to be {role}.",
	LinkRevoked:           "{actor} revoked a course link to {place}.",
	LinkUsed:              "{actor} gave {emails} at a course link to {place}, and the address was invited as {role}.",
	RequestMade:           "{actor} asked {request}.",
	RequestApproved:       "{actor} approved the request of {user} {request}.",
	RequestDeclined:       "{actor} declined the request of {user} {request}.",
	RequestWithdrawn:      "{actor} withdrew the request {request}.",
	RequestExpired:        "The request of {user} {request} expired.",
}

// requestPhrases stand for {request}, by the kind of the request.
var requestPhrases = map[string]string{
	"ROLE":        "to be {role} of {place}",
	"INVITATIONS": "to have {emails} invited to {place} as {role}",
	"RESTORE":     "to have {place} restored",
}

// sentenceOf returns the sentence of an action with the phrase of a kind of request;
// false where one of them is unknown.
func sentenceOf(action Action, request string) (sentence string, known bool) {
	sentence, known = sentences[action]
	if strings.Contains(sentence, "{request}") {
		var phrase string
		phrase, known = requestPhrases[request]
		sentence = strings.ReplaceAll(sentence, "{request}", phrase)
	}
	return sentence, known
}

// Summary says in a sentence what was done. It names three addresses at most. Of an
// action that a newer gateway wrote it returns only who acted, and the action's name.
func (e *Entry) Summary() string {
	const maxNamed = 3
	var request, user string
	if e.Request != nil {
		request = *e.Request
	}
	if e.UserName != nil {
		user = *e.UserName
	}
	sentence, known := sentenceOf(e.Action, request)
	if !known {
		return e.ActorName + ": " + string(e.Action)
	}
	place := e.SpaceName
	if e.InstanceName != nil {
		place = *e.InstanceName
	} else if place == "" {
		place = e.OrganizationName
	}
	invitation := "invitation"
	if len(e.Emails) > 1 {
		invitation = "invitations"
	}
	named := min(len(e.Emails), maxNamed)
	emails := strings.Join(e.Emails[:named], ", ")
	if left := len(e.Emails) + e.MoreEmails - named; left > 0 {
		emails += ", " + strconv.Itoa(left) + " more"
	}
	changes := ""
	if e.Roster != nil {
		changes = e.Roster.String()
	}
	return strings.NewReplacer(
		"{actor}", e.ActorName,
		"{space}", e.SpaceName,
		"{place}", place,
		"{user}", user,
		"{emails}", emails,
		"{changes}", changes,
		"{invitation}", invitation,
		"{role}", roleNoun(e.Role, e.OrganizationRole),
		"{previous}", roleNoun(e.PreviousRole, e.PreviousOrganizationRole),
	).Replace(sentence)
}

// roleNoun returns what a holder of a role in an instance or an organization is; where
// both are nil, an administrator of the space.
func roleNoun(role *tenant.InstanceRole, inOrganization *tenant.OrganizationRole) string {
	switch {
	case inOrganization != nil:
		return inOrganization.Role().Noun()
	case role != nil:
		return role.Role().Noun()
	}
	return tenant.SpaceAdministrator.Noun()
}
