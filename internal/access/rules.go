package access

import (
	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Rule says who may do one thing that the schema offers and, where it is done
// with an instance, with which instances. This one lets administrators invite
// people to the Master instance and the working instances of their space, unless
// they are deleted:
//
//	Rule{Field: "inviteUsers", Verb: "invite people to",
//		Roles: Administrators,
//		Kinds: []tenant.Kind{tenant.Master, tenant.Working}, States: []tenant.State{tenant.Active},
//		Request: "requestInvitations"}
type Rule struct {
	// Field is the field of the schema that the rule is of: a mutation or a
	// subscription by its name ("inviteUsers"), any other field with its type
	// ("Instance.members").
	Field string
	// Verb says in refusals what cannot be done. It ends where the name of the
	// place follows: "Only an administrator of the space Econometrics can invite
	// people to Group 1."
	Verb string
	// Roles are those that allow it: any of them is enough. Without any, it is for
	// everybody with an account (@authenticated), and the domain decides further.
	Roles tenant.Roles
	// OutsideInstances are further roles that allow it with a space or with an
	// organization itself, and not with an instance.
	OutsideInstances tenant.Roles
	// InOrganizations are further roles that allow it with an organization itself.
	InOrganizations tenant.Roles
	// Visitors says that everybody who may know of an organization may do it with the
	// organization itself, also where they have a role in one of its spaces alone.
	Visitors bool
	// Kinds are the kinds of instances that it can be done with; nil: any.
	Kinds []tenant.Kind
	// States are the states of instances that it can be done in; nil: any.
	States []tenant.State
	// Restorable says that it cannot be done with a deleted instance or space that can no
	// longer be restored.
	Restorable bool
	// InActiveSpace says that it cannot be done in a deleted space: neither with an instance
	// of it nor, unless Restorable, with the space itself.
	InActiveSpace bool
	// Request is the mutation by which people without the role ask for it to be
	// done; "": they can ask for a role, with requestRole. In an organization they ask for
	// the lowest of the roles that allow it.
	Request string
}

// The roles that more than one rule names.
var (
	Administrators = tenant.RolesOf(tenant.SpaceAdministrator)
	Managers       = tenant.RolesOf(tenant.OrganizationManager)
	editors        = tenant.RolesOf(tenant.SpaceAdministrator, tenant.InstanceEditor)
	everybody      = tenant.RolesOf(tenant.SpaceAdministrator, tenant.InstanceEditor, tenant.InstanceViewer) // who sees the place
	inOrganization = tenant.RolesOf(tenant.OrganizationManager, tenant.OrganizationFaculty, tenant.OrganizationMember)
)

// Where people can be invited to, and get a role on request.
var (
	invitableKinds  = []tenant.Kind{tenant.Master, tenant.Working}
	invitableStates = []tenant.State{tenant.Active}
)

// The rules of mutations.
var (
	CreateSpace = Rule{Field: "createSpace", Verb: "create spaces in", Roles: tenant.RolesOf(tenant.OrganizationManager, tenant.OrganizationFaculty)}

	DeleteSpace = Rule{Field: "deleteSpace", Verb: "delete", Roles: Administrators}
	// Managers restore, too: the administrators of a space may be away for the 24 hours.
	RestoreSpace = Rule{Field: "restoreSpace", Verb: "restore", Roles: Administrators | Managers, Restorable: true, Request: "requestRestore"}

	CreateInstance  = Rule{Field: "createInstance", Verb: "create instances in", Roles: Administrators, InActiveSpace: true}
	DeleteInstance  = Rule{Field: "deleteInstance", Verb: "delete", Roles: editors, Kinds: []tenant.Kind{tenant.Working}, InActiveSpace: true}
	RestoreInstance = Rule{Field: "restoreInstance", Verb: "restore", Roles: editors, Restorable: true, InActiveSpace: true, Request: "requestRestore"}

	InviteUsers = Rule{Field: "inviteUsers", Verb: "invite people to", Roles: Administrators,
		Kinds: invitableKinds, States: invitableStates, InActiveSpace: true, Request: "requestInvitations"}
	// Managers appoint administrators: a space whose administrators have left gets one so.
	InviteSpaceAdministrators = Rule{Field: "inviteSpaceAdministrators", Verb: "invite administrators to", Roles: Administrators | Managers, InActiveSpace: true}
	InviteOrganizationMembers = Rule{Field: "inviteOrganizationMembers", Verb: "invite people to", Roles: Managers}
	AcceptInvitation          = Rule{Field: "acceptInvitation", Verb: "accept invitations to"}
	DeclineInvitation         = Rule{Field: "declineInvitation", Verb: "decline invitations to"}
	RefuseInvitations         = Rule{Field: "refuseInvitations", Verb: "refuse invitations to"}
	AllowInvitations          = Rule{Field: "allowInvitations", Verb: "allow invitations to"}
	RevokeInvitations         = Rule{Field: "revokeInvitations", Verb: "revoke invitations to", Roles: Administrators, OutsideInstances: Managers}
	ResendInvitations         = Rule{Field: "resendInvitations", Verb: "resend invitations to", Roles: Administrators, OutsideInstances: Managers, States: invitableStates, InActiveSpace: true}

	CreateInviteLink = Rule{Field: "createInviteLink", Verb: "make course links to", Roles: Administrators,
		Kinds: invitableKinds, States: invitableStates, InActiveSpace: true, Request: "requestInvitations"}
	RefreshInviteLink = Rule{Field: "refreshInviteLink", Verb: "refresh course links to", Roles: Administrators, States: invitableStates, InActiveSpace: true}
	RevokeInviteLink  = Rule{Field: "revokeInviteLink", Verb: "revoke course links to", Roles: Administrators}
	JoinByLink        = Rule{Field: "joinByLink", Verb: "use course links to"}

	ChangeMemberRole       = Rule{Field: "changeMemberRole", Verb: "change roles in", Roles: Administrators}
	ChangeOrganizationRole = Rule{Field: "changeOrganizationRole", Verb: "change roles in", Roles: Managers}
	// A member of an organization is removed by its managers, of a space by its
	// administrators.
	RemoveMember = Rule{Field: "removeMember", Verb: "remove people from", Roles: Administrators, InOrganizations: Managers}
	// Who may remove people may undo it. Nobody comes back to something deleted.
	ReinstateMember = Rule{Field: "reinstateMember", Verb: "reinstate people in", Roles: Administrators, InOrganizations: Managers, States: invitableStates, InActiveSpace: true}
	LeaveInstance   = Rule{Field: "leaveInstance", Verb: "leave", Roles: tenant.RolesOf(tenant.InstanceEditor, tenant.InstanceViewer)}

	// Roles in places alone, from before people with such a role became members, are left
	// with leaveInstance and removeMember.
	LeaveOrganization = Rule{Field: "leaveOrganization", Verb: "leave", Roles: inOrganization}

	// Instances that a roster names are checked as by InviteUsers.
	SyncRoster = Rule{Field: "syncRoster", Verb: "set the roster of", Roles: Administrators, InActiveSpace: true}

	RequestRole        = Rule{Field: "requestRole", Verb: "ask for a role in", Roles: everybody, InOrganizations: inOrganization, Visitors: true, Kinds: invitableKinds, States: invitableStates, InActiveSpace: true}
	RequestInvitations = Rule{Field: "requestInvitations", Verb: "ask for invitations to", Roles: everybody, Kinds: invitableKinds, States: invitableStates, InActiveSpace: true}
	RequestRestore     = Rule{Field: "requestRestore", Verb: "ask for the restoration of", Roles: everybody, Restorable: true, InActiveSpace: true}
	ApproveRequest     = Rule{Field: "approveRequest", Verb: "approve requests about"}
	DeclineRequest     = Rule{Field: "declineRequest", Verb: "decline requests about"}
	WithdrawRequest    = Rule{Field: "withdrawRequest", Verb: "withdraw requests about"}
)

// The rules of subscriptions, and of fields that not everybody who sees the object
// may read.
var (
	InvitationChanged = Rule{Field: "invitationChanged", Verb: "watch the invitations to", Roles: Administrators}

	InstanceMembers     = Rule{Field: "Instance.members", Verb: "list the members of", Roles: editors}
	InstanceFormer      = Rule{Field: "Instance.formerMembers", Verb: "list the former members of", Roles: Administrators}
	InstanceInvitations = Rule{Field: "Instance.invitations", Verb: "list the invitations to", Roles: Administrators}
	SpaceMembers        = Rule{Field: "Space.members", Verb: "list the members of", Roles: Administrators}
	InstanceInviteLinks = Rule{Field: "Instance.inviteLinks", Verb: "list the course links to", Roles: Administrators}
	SpaceInviteLinks    = Rule{Field: "Space.inviteLinks", Verb: "list the course links to", Roles: Administrators}
	SpaceFormer         = Rule{Field: "Space.formerMembers", Verb: "list the former members of", Roles: Administrators}
	SpaceInvitations    = Rule{Field: "Space.invitations", Verb: "list the invitations to", Roles: Administrators | Managers}
	SpaceRequests       = Rule{Field: "Space.requests", Verb: "list the requests about", Roles: Administrators}
	SpaceAuditLog       = Rule{Field: "Space.auditLog", Verb: "read the audit log of", Roles: Administrators}

	OrganizationMembers     = Rule{Field: "Organization.members", Verb: "list the members of", Roles: Managers}
	OrganizationFormer      = Rule{Field: "Organization.formerMembers", Verb: "list the former members of", Roles: Managers}
	OrganizationInvitations = Rule{Field: "Organization.invitations", Verb: "list the invitations to", Roles: Managers}
	OrganizationSpaces      = Rule{Field: "Organization.spaces", Verb: "list the spaces of", Roles: Managers}
	OrganizationRequests    = Rule{Field: "Organization.requests", Verb: "list the requests about", Roles: Managers}
	OrganizationAuditLog    = Rule{Field: "Organization.auditLog", Verb: "read the audit log of", Roles: Managers}
)

// Rules are all rules. A test in package resolvers demands that each mutation of
// the schema has one, and that the schema's directives declare the same.
var Rules = []Rule{
	CreateSpace, DeleteSpace, RestoreSpace,
	CreateInstance, DeleteInstance, RestoreInstance,
	InviteUsers, InviteSpaceAdministrators, InviteOrganizationMembers, AcceptInvitation, DeclineInvitation, RefuseInvitations, AllowInvitations, RevokeInvitations, ResendInvitations,
	CreateInviteLink, RefreshInviteLink, RevokeInviteLink, JoinByLink,
	ChangeMemberRole, ChangeOrganizationRole, RemoveMember, ReinstateMember, LeaveInstance, LeaveOrganization, SyncRoster,
	RequestRole, RequestInvitations, RequestRestore, ApproveRequest, DeclineRequest, WithdrawRequest,
	InvitationChanged,
	InstanceMembers, InstanceFormer, InstanceInvitations, InstanceInviteLinks, SpaceInviteLinks, SpaceMembers, SpaceFormer, SpaceInvitations, SpaceRequests, SpaceAuditLog,
	OrganizationMembers, OrganizationFormer, OrganizationInvitations, OrganizationSpaces, OrganizationRequests, OrganizationAuditLog,
}

var rulesByField = func() map[string]Rule {
	rules := make(map[string]Rule, len(Rules))
	for _, r := range Rules {
		rules[r.Field] = r
	}
	return rules
}()

// RuleOf returns the rule of a field of the schema, named as in Rule.Field; false
// where it has none.
func RuleOf(field string) (Rule, bool) {
	r, found := rulesByField[field]
	return r, found
}
