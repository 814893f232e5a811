package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/link"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/roster"
	"alphacruncher.com/datahub-gateway/internal/space"
)

type mutation struct{ *Root }

var _ graph.MutationResolver = mutation{}

// call calls a service of the domain for the person who sent the request.
func call[I, P any](ctx context.Context, service func(context.Context, access.Actor, I) (P, error), input I) (*P, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := service(ctx, a, input)
	return &payload, err
}

func (m mutation) InviteUsers(ctx context.Context, input invitation.InviteUsersInput) (*invitation.InviteUsersPayload, error) {
	return call(ctx, m.Invitations.Invite, input)
}

func (m mutation) InviteSpaceAdministrators(ctx context.Context, input invitation.InviteSpaceAdministratorsInput) (*invitation.InviteSpaceAdministratorsPayload, error) {
	return call(ctx, m.Invitations.InviteAdministrators, input)
}

func (m mutation) InviteOrganizationMembers(ctx context.Context, input invitation.InviteOrganizationMembersInput) (*invitation.InviteOrganizationMembersPayload, error) {
	return call(ctx, m.Invitations.InviteOrganizationMembers, input)
}

func (m mutation) AcceptInvitation(ctx context.Context, input invitation.AnswerInput) (*invitation.AcceptInvitationPayload, error) {
	return call(ctx, m.Invitations.Accept, input)
}

func (m mutation) DeclineInvitation(ctx context.Context, input invitation.AnswerInput) (*invitation.DeclineInvitationPayload, error) {
	return call(ctx, m.Invitations.Decline, input)
}

// RefuseInvitations needs no account; see @public.
func (m mutation) RefuseInvitations(ctx context.Context, input invitation.RefuseInvitationsInput) (*invitation.RefuseInvitationsPayload, error) {
	payload, err := m.Invitations.Refuse(ctx, optionalActor(ctx), input)
	return &payload, err
}

func (m mutation) AllowInvitations(ctx context.Context, input invitation.AllowInvitationsInput) (*invitation.AllowInvitationsPayload, error) {
	return call(ctx, m.Invitations.Allow, input)
}

func (m mutation) RevokeInvitations(ctx context.Context, input invitation.SelectionInput) (*invitation.SelectionPayload, error) {
	return call(ctx, m.Invitations.Revoke, input)
}

func (m mutation) ResendInvitations(ctx context.Context, input invitation.SelectionInput) (*invitation.SelectionPayload, error) {
	return call(ctx, m.Invitations.Resend, input)
}

func (m mutation) CreateInviteLink(ctx context.Context, input link.CreateInviteLinkInput) (*link.CreateInviteLinkPayload, error) {
	return call(ctx, m.Links.Create, input)
}

func (m mutation) RefreshInviteLink(ctx context.Context, input link.RefreshInviteLinkInput) (*link.RefreshInviteLinkPayload, error) {
	return call(ctx, m.Links.Refresh, input)
}

func (m mutation) RevokeInviteLink(ctx context.Context, input link.RevokeInviteLinkInput) (*link.RevokeInviteLinkPayload, error) {
	return call(ctx, m.Links.Revoke, input)
}

// JoinByLink needs no account; see @public.
func (m mutation) JoinByLink(ctx context.Context, input link.JoinByLinkInput) (*link.JoinByLinkPayload, error) {
	payload, err := m.Links.Join(ctx, link.Caller{Actor: optionalActor(ctx), Client: m.Client(ctx)}, input)
	return &payload, err
}

func (m mutation) CreateInstance(ctx context.Context, input instance.CreateInstanceInput) (*instance.CreateInstancePayload, error) {
	return call(ctx, m.Instances.Create, input)
}

func (m mutation) DeleteInstance(ctx context.Context, input instance.InstanceInput) (*instance.DeleteInstancePayload, error) {
	return call(ctx, m.Instances.Delete, input)
}

func (m mutation) RestoreInstance(ctx context.Context, input instance.InstanceInput) (*instance.RestoreInstancePayload, error) {
	return call(ctx, m.Instances.Restore, input)
}

func (m mutation) ChangeMemberRole(ctx context.Context, input membership.ChangeMemberRoleInput) (*membership.ChangeMemberRolePayload, error) {
	return call(ctx, m.Memberships.ChangeRole, input)
}

func (m mutation) ChangeOrganizationRole(ctx context.Context, input membership.ChangeOrganizationRoleInput) (*membership.ChangeOrganizationRolePayload, error) {
	return call(ctx, m.Memberships.ChangeOrganizationRole, input)
}

func (m mutation) RemoveMember(ctx context.Context, input membership.RemoveMemberInput) (*membership.RemoveMemberPayload, error) {
	return call(ctx, m.Memberships.Remove, input)
}

func (m mutation) SyncRoster(ctx context.Context, input roster.SyncRosterInput) (*roster.SyncRosterPayload, error) {
	return call(ctx, m.Rosters.Sync, input)
}

func (m mutation) ReinstateMember(ctx context.Context, input membership.ReinstateMemberInput) (*membership.ReinstateMemberPayload, error) {
	return call(ctx, m.Memberships.Reinstate, input)
}

func (m mutation) LeaveOrganization(ctx context.Context, input membership.LeaveOrganizationInput) (*membership.LeaveOrganizationPayload, error) {
	return call(ctx, m.Memberships.LeaveOrganization, input)
}

func (m mutation) LeaveInstance(ctx context.Context, input membership.LeaveInstanceInput) (*membership.LeaveInstancePayload, error) {
	return call(ctx, m.Memberships.Leave, input)
}

func (m mutation) CreateSpace(ctx context.Context, input space.CreateSpaceInput) (*space.CreateSpacePayload, error) {
	return call(ctx, m.Spaces.Create, input)
}

func (m mutation) DeleteSpace(ctx context.Context, input space.Input) (*space.DeleteSpacePayload, error) {
	return call(ctx, m.Spaces.Delete, input)
}

func (m mutation) RestoreSpace(ctx context.Context, input space.Input) (*space.RestoreSpacePayload, error) {
	return call(ctx, m.Spaces.Restore, input)
}

func (m mutation) RequestRole(ctx context.Context, input request.RequestRoleInput) (*request.RequestPayload, error) {
	return call(ctx, m.Requests.RequestRole, input)
}

func (m mutation) RequestInvitations(ctx context.Context, input request.RequestInvitationsInput) (*request.RequestPayload, error) {
	return call(ctx, m.Requests.RequestInvitations, input)
}

func (m mutation) RequestRestore(ctx context.Context, input request.RequestRestoreInput) (*request.RequestPayload, error) {
	return call(ctx, m.Requests.RequestRestore, input)
}

func (m mutation) ApproveRequest(ctx context.Context, input request.ApproveRequestInput) (*request.AnswerPayload, error) {
	return call(ctx, m.Requests.Approve, input)
}

func (m mutation) DeclineRequest(ctx context.Context, input request.DeclineRequestInput) (*request.AnswerPayload, error) {
	return call(ctx, m.Requests.Decline, input)
}

func (m mutation) WithdrawRequest(ctx context.Context, input request.WithdrawRequestInput) (*request.AnswerPayload, error) {
	return call(ctx, m.Requests.Withdraw, input)
}
