package resolvers

import (
	"context"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/access"
	"alphacruncher.com/datahub-gateway/internal/instance"
	"alphacruncher.com/datahub-gateway/internal/invitation"
	"alphacruncher.com/datahub-gateway/internal/membership"
	"alphacruncher.com/datahub-gateway/internal/request"
	"alphacruncher.com/datahub-gateway/internal/space"
)

type mutation struct{ *Root }

var _ graph.MutationResolver = mutation{}

// carryOut has a domain's service carry out an input for the person who asks.
func carryOut[I, P any](ctx context.Context, service func(context.Context, access.Actor, I) (P, error), input I) (*P, error) {
	a, err := actor(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := service(ctx, a, input)
	return &payload, err
}

func (m mutation) InviteUsers(ctx context.Context, input invitation.Request) (*invitation.Results, error) {
	return carryOut(ctx, m.Invitations.Invite, input)
}

func (m mutation) InviteSpaceAdministrators(ctx context.Context, input invitation.AdministratorsRequest) (*invitation.AdministratorResults, error) {
	return carryOut(ctx, m.Invitations.InviteAdministrators, input)
}

func (m mutation) AcceptInvitation(ctx context.Context, input invitation.AnswerRequest) (*invitation.Acceptance, error) {
	return carryOut(ctx, m.Invitations.Accept, input)
}

func (m mutation) DeclineInvitation(ctx context.Context, input invitation.AnswerRequest) (*invitation.Declining, error) {
	return carryOut(ctx, m.Invitations.Decline, input)
}

func (m mutation) RevokeInvitations(ctx context.Context, input invitation.SelectionRequest) (*invitation.Selection, error) {
	return carryOut(ctx, m.Invitations.Revoke, input)
}

func (m mutation) ResendInvitations(ctx context.Context, input invitation.SelectionRequest) (*invitation.Selection, error) {
	return carryOut(ctx, m.Invitations.Resend, input)
}

func (m mutation) CreateInstance(ctx context.Context, input instance.CreateRequest) (*instance.Creation, error) {
	return carryOut(ctx, m.Instances.Create, input)
}

func (m mutation) DeleteInstance(ctx context.Context, input instance.Request) (*instance.Deletion, error) {
	return carryOut(ctx, m.Instances.Delete, input)
}

func (m mutation) RestoreInstance(ctx context.Context, input instance.Request) (*instance.Restoration, error) {
	return carryOut(ctx, m.Instances.Restore, input)
}

func (m mutation) ChangeMemberRole(ctx context.Context, input membership.ChangeRequest) (*membership.Change, error) {
	return carryOut(ctx, m.Memberships.ChangeRole, input)
}

func (m mutation) RemoveMember(ctx context.Context, input membership.RemovalRequest) (*membership.Removal, error) {
	return carryOut(ctx, m.Memberships.Remove, input)
}

func (m mutation) LeaveInstance(ctx context.Context, input membership.LeaveRequest) (*membership.Leave, error) {
	return carryOut(ctx, m.Memberships.Leave, input)
}

func (m mutation) CreateSpace(ctx context.Context, input space.CreateRequest) (*space.Creation, error) {
	return carryOut(ctx, m.Spaces.Create, input)
}

func (m mutation) RequestRole(ctx context.Context, input request.ForRole) (*request.Asked, error) {
	return carryOut(ctx, m.Requests.AskRole, input)
}

func (m mutation) RequestInvitations(ctx context.Context, input request.ForInvitations) (*request.Asked, error) {
	return carryOut(ctx, m.Requests.AskInvitations, input)
}

func (m mutation) RequestRestore(ctx context.Context, input request.ForRestore) (*request.Asked, error) {
	return carryOut(ctx, m.Requests.AskRestore, input)
}

func (m mutation) ApproveRequest(ctx context.Context, input request.Approval) (*request.Answered, error) {
	return carryOut(ctx, m.Requests.Approve, input)
}

func (m mutation) DeclineRequest(ctx context.Context, input request.Refusal) (*request.Answered, error) {
	return carryOut(ctx, m.Requests.Decline, input)
}

func (m mutation) WithdrawRequest(ctx context.Context, input request.Withdrawal) (*request.Answered, error) {
	return carryOut(ctx, m.Requests.Withdraw, input)
}
