import {
  type Ask,
  instanceId,
  instanceInput,
  linkInput,
  newestInvitationToken,
  newestLink,
  newKey,
  organizationId,
  organizationOfSpace,
  ownInvitationInput,
  ownRequestInput,
  pendingInvitationsInput,
  requestToAnswer,
  spaceId,
  userId,
} from './example-variables'

export type Example = {
  title: string
  /** The address of the person who asks; '' is nobody. */
  as: string
  query: string
  /** Returns the variables, with the ids of the demo world. */
  variables?: (ask: Ask) => Promise<object> | object
  /** The error code with which the gateway refuses the operation in the demo world. */
  refused?: string
}

export type ExampleGroup = { title: string; examples: Example[] }

const ada = 'ada@uni.example'
const ed = 'ed@uni.example'
const vic = 'vic@uni.example'
const mia = 'mia@uni.example'
const sam = 'sam@uni.example'
const nobody = ''

const inviteUsers = `mutation InviteUsers($input: InviteUsersInput!) {
  inviteUsers(input: $input) {
    results {
      email
      outcome
      role
      previousRole
      invitation { id status expiresAt }
    }
  }
}`

/** In this order each example works after the ones before it. */
export const exampleGroups: ExampleGroup[] = [
  {
    title: 'Your account',
    examples: [
      {
        title: 'Your spaces, instances and roles',
        as: ada,
        query: `query Viewer {
  viewer {
    name
    email
    organizations { nodes { id name viewerRoles } }
    spaces {
      nodes {
        id
        name
        viewerRoles
        administrators { name email }
        instances(state: null) { nodes { id name kind state viewerRoles } }
      }
    }
  }
}`,
      },
      {
        title: 'Without a role, nothing is visible',
        as: sam,
        query: `query Viewer {
  viewer {
    name
    spaces { totalCount nodes { name } }
    invitations { totalCount }
  }
}`,
      },
    ],
  },
  {
    title: 'Check before you act',
    examples: [
      {
        title: 'What you can do, and what prevents it',
        as: vic,
        query: `query Readiness {
  viewer {
    spaces {
      nodes {
        name
        instances(state: null) {
          nodes {
            name
            inviting { allowed obstacles { ...Obstacle } }
            restoring { allowed obstacles { ...Obstacle } }
          }
        }
      }
    }
  }
}

fragment Obstacle on Obstacle {
  code
  message
  remedy
  contacts { name email }
  request
  restorableUntil
}`,
      },
      {
        title: 'Check e-mail addresses',
        as: ada,
        query: `query CheckEmails($emails: [String!]!) {
  checkEmails(emails: $emails) {
    index
    input
    email
    valid
    reason
    suggestion
    warning
  }
}`,
        variables: () => ({
          emails: [
            'Zoe <zoe@new.example>',
            'myemail@.uni.edu.com',
            'kim@gmial.com',
            'lea@uni.exampel',
            'ed@uni',
            'no address',
          ],
        }),
      },
    ],
  },
  {
    title: 'Invite people',
    examples: [
      {
        title: 'Invite people to an instance',
        as: ada,
        query: inviteUsers,
        variables: instanceInput('Group 1', {
          role: 'VIEWER',
          emails: ['Zoe <zoe@new.example>', sam, ed],
          message: 'Welcome to the course.',
        }),
      },
      {
        title: 'Invite an address that is not valid',
        as: ada,
        query: inviteUsers,
        variables: instanceInput('Group 1', { role: 'VIEWER', emails: ['kim@new.example', 'myemail@.uni.edu.com'] }),
        refused: 'INVALID_EMAIL',
      },
      {
        title: 'Invite people to the Distributed instance',
        as: ada,
        query: inviteUsers,
        variables: instanceInput('Distributed', { role: 'VIEWER', emails: ['kim@new.example'] }),
        refused: 'INSTANCE_DISTRIBUTED',
      },
      {
        title: 'Invite people to a deleted instance',
        as: ada,
        query: inviteUsers,
        variables: instanceInput('Group 2', { role: 'VIEWER', emails: ['kim@new.example'] }),
        refused: 'INSTANCE_DELETED',
      },
      {
        title: 'Invite people without permission',
        as: vic,
        query: inviteUsers,
        variables: instanceInput('Group 1', { role: 'VIEWER', emails: ['kim@new.example'] }),
        refused: 'FORBIDDEN',
      },
      {
        title: 'Invite administrators of a space',
        as: ada,
        query: `mutation InviteSpaceAdministrators($input: InviteSpaceAdministratorsInput!) {
  inviteSpaceAdministrators(input: $input) {
    results { email outcome invitation { id status } }
  }
}`,
        variables: async (ask) => ({
          input: { spaceId: await spaceId(ask), emails: [mia], idempotencyKey: newKey() },
        }),
      },
    ],
  },
  {
    title: 'Answer an invitation',
    examples: [
      {
        title: 'The invitation in the newest e-mail',
        as: nobody,
        query: `query Invitation($token: String!) {
  invitation(token: $token) {
    email
    role
    status
    instanceName
    space { name organizationName }
    invitedBy { name email }
    message
    expiresAt
    accepting { allowed obstacles { message remedy } }
  }
}`,
        variables: async () => ({ token: await newestInvitationToken() }),
      },
      {
        title: 'Your invitations',
        as: sam,
        query: `query OwnInvitations {
  viewer {
    invitations {
      nodes { id role instanceName space { name } invitedBy { name } accepting { allowed } }
    }
  }
}`,
      },
      {
        title: 'Accept an invitation',
        as: sam,
        query: `mutation AcceptInvitation($input: AcceptInvitationInput!) {
  acceptInvitation(input: $input) {
    invitation { status }
    instance { name viewerRoles }
    space { name viewerRoles }
  }
}`,
        variables: ownInvitationInput,
      },
      {
        title: 'Decline an invitation',
        as: mia,
        query: `mutation DeclineInvitation($input: DeclineInvitationInput!) {
  declineInvitation(input: $input) {
    invitation { status }
  }
}`,
        variables: ownInvitationInput,
      },
    ],
  },
  {
    title: 'Invitations and members',
    examples: [
      {
        title: 'Invitations, and the delivery of their e-mails',
        as: ada,
        query: `query Invitations($id: ID!) {
  instance(id: $id) {
    name
    invitations {
      totalCount
      nodes {
        id
        email
        role
        status
        expiresAt
        requestedBy { name }
        delivery { status attempts lastAttemptAt explanation reply }
      }
    }
  }
}`,
        variables: async (ask) => ({ id: await instanceId(ask, 'Group 1') }),
      },
      {
        title: 'Send invitations again',
        as: ada,
        query: `mutation ResendInvitations($input: ResendInvitationsInput!) {
  resendInvitations(input: $input) {
    results { outcome invitation { email status expiresAt } }
  }
}`,
        variables: pendingInvitationsInput('Group 1'),
      },
      {
        title: 'Revoke invitations',
        as: ada,
        query: `mutation RevokeInvitations($input: RevokeInvitationsInput!) {
  revokeInvitations(input: $input) {
    results { outcome invitation { email status } }
  }
}`,
        variables: pendingInvitationsInput('Group 1'),
      },
      {
        title: 'Members of an instance',
        as: ed,
        query: `query Members($id: ID!) {
  instance(id: $id) {
    name
    members {
      totalCount
      nodes { role since user { id name email } }
    }
  }
}`,
        variables: async (ask) => ({ id: await instanceId(ask, 'Group 1') }),
      },
      {
        title: 'Change the role of a member',
        as: ada,
        query: `mutation ChangeMemberRole($input: ChangeMemberRoleInput!) {
  changeMemberRole(input: $input) {
    previousRole
    changed
    member { role user { name } }
  }
}`,
        variables: async (ask) => ({
          input: {
            instanceId: await instanceId(ask, 'Group 1'),
            userId: await userId(ask, 'Group 1', vic),
            role: 'EDITOR',
            idempotencyKey: newKey(),
          },
        }),
      },
      {
        title: 'Remove a member',
        as: ada,
        query: `mutation RemoveMember($input: RemoveMemberInput!) {
  removeMember(input: $input) {
    removed
  }
}`,
        variables: async (ask) => ({
          input: {
            instanceId: await instanceId(ask, 'Group 1'),
            userId: await userId(ask, 'Group 1', sam),
            idempotencyKey: newKey(),
          },
        }),
      },
      {
        title: 'Leave an instance',
        as: vic,
        query: `mutation LeaveInstance($input: LeaveInstanceInput!) {
  leaveInstance(input: $input) {
    left
  }
}`,
        variables: instanceInput('Group 1'),
      },
    ],
  },
  {
    title: 'Course links',
    examples: [
      {
        title: 'Make a link for a slide',
        as: ada,
        query: `mutation CreateInviteLink($input: CreateInviteLinkInput!) {
  createInviteLink(input: $input) {
    link { id url state expiresAt maxUses }
  }
}`,
        variables: async (ask) => ({
          input: {
            instanceId: await instanceId(ask, 'Group 1'),
            role: 'VIEWER',
            expiresAt: new Date(Date.now() + 30 * 86_400_000).toISOString(),
            maxUses: 300,
            idempotencyKey: newKey(),
          },
        }),
      },
      {
        title: 'What anyone sees who has the link',
        as: ada,
        query: `query InviteLink($token: String!) {
  inviteLink(token: $token) {
    space { name organizationName }
    instanceName
    role
    inviterName
    allowedDomains
    expiresAt
  }
}`,
        variables: async (ask) => ({ token: (await newestLink(ask, 'Group 1')).token }),
      },
      {
        title: 'Get the invitation at an address',
        as: ada,
        query: `mutation JoinByLink($input: JoinByLinkInput!) {
  joinByLink(input: $input) {
    email
  }
}`,
        variables: async (ask) => ({
          input: { token: (await newestLink(ask, 'Group 1')).token, email: 'student@playground.example' },
        }),
      },
      {
        title: 'Refresh a link, which keeps its address',
        as: ada,
        query: `mutation RefreshInviteLink($input: RefreshInviteLinkInput!) {
  refreshInviteLink(input: $input) {
    link { url state uses expiresAt }
  }
}`,
        variables: linkInput('Group 1'),
      },
      {
        title: 'Revoke a link',
        as: ada,
        query: `mutation RevokeInviteLink($input: RevokeInviteLinkInput!) {
  revokeInviteLink(input: $input) {
    revoked
    link { state revokedAt }
  }
}`,
        variables: linkInput('Group 1'),
      },
    ],
  },
  {
    title: 'Send requests',
    examples: [
      {
        title: 'Ask for a role',
        as: vic,
        query: `mutation RequestRole($input: RequestRoleInput!) {
  requestRole(input: $input) {
    created
    request { id kind status expiresAt }
  }
}`,
        variables: async (ask) => ({
          input: {
            spaceId: await spaceId(ask),
            role: 'SPACE_ADMINISTRATOR',
            message: 'I look after the groups.',
            idempotencyKey: newKey(),
          },
        }),
      },
      {
        title: 'Ask to become faculty',
        as: vic,
        query: `mutation RequestRole($input: RequestRoleInput!) {
  requestRole(input: $input) {
    created
    request { id kind role status organizationName expiresAt }
  }
}`,
        variables: async (ask) => ({
          input: {
            organizationId: await organizationOfSpace(ask),
            role: 'ORGANIZATION_FACULTY',
            message: 'I teach a course next term.',
            idempotencyKey: newKey(),
          },
        }),
      },
      {
        title: 'Ask for people to be invited',
        as: ed,
        query: `mutation RequestInvitations($input: RequestInvitationsInput!) {
  requestInvitations(input: $input) {
    created
    request { id kind status expiresAt }
  }
}`,
        variables: instanceInput('Group 1', {
          role: 'VIEWER',
          emails: ['kim@new.example', 'lea@new.example'],
          message: 'They join my group.',
        }),
      },
      {
        title: 'Ask for an instance to be restored',
        as: vic,
        query: `mutation RequestRestore($input: RequestRestoreInput!) {
  requestRestore(input: $input) {
    created
    request { id kind status expiresAt }
  }
}`,
        variables: instanceInput('Group 2', { message: 'My data is in there.' }),
      },
      {
        title: 'Your requests, and their answers',
        as: vic,
        query: `query OwnRequests {
  viewer {
    requests {
      nodes { id kind status spaceName instanceName role message expiresAt answeredBy { name } answer endReason }
    }
  }
}`,
      },
      {
        title: 'Withdraw a request',
        as: vic,
        query: `mutation WithdrawRequest($input: WithdrawRequestInput!) {
  withdrawRequest(input: $input) {
    request { id kind status expiresAt }
  }
}`,
        variables: ownRequestInput,
      },
    ],
  },
  {
    title: 'Answer requests',
    examples: [
      {
        title: 'Requests that you can answer',
        as: ada,
        query: `query RequestsToAnswer {
  viewer {
    requestsToAnswer {
      totalCount
      nodes { id kind spaceName instanceName role emails message expiresAt requestedBy { name email } }
    }
  }
}`,
      },
      {
        title: 'Approve a request for some of its addresses',
        as: ada,
        query: `mutation ApproveRequest($input: ApproveRequestInput!) {
  approveRequest(input: $input) {
    request { kind status answeredBy { name } approvedEmails }
    results { email outcome }
  }
}`,
        variables: async (ask) => {
          const { id, emails } = await requestToAnswer(ask, 'INVITATIONS')
          const some = emails.length > 0 ? { emails: emails.slice(0, 1) } : {}
          return { input: { requestId: id, ...some, message: 'Welcome.', idempotencyKey: newKey() } }
        },
      },
      {
        title: 'Decline a request',
        as: ada,
        query: `mutation DeclineRequest($input: DeclineRequestInput!) {
  declineRequest(input: $input) {
    request { kind status answeredBy { name } answer }
  }
}`,
        variables: async (ask) => {
          const { id } = await requestToAnswer(ask, 'ROLE')
          return {
            input: { requestId: id, message: 'There are two administrators already.', idempotencyKey: newKey() },
          }
        },
      },
    ],
  },
  {
    title: 'Delete and restore',
    examples: [
      {
        title: 'Restore an instance within 24 hours',
        as: ed,
        query: `mutation RestoreInstance($input: RestoreInstanceInput!) {
  restoreInstance(input: $input) {
    restored
    instance { name state viewerRoles }
  }
}`,
        variables: instanceInput('Group 2'),
      },
      {
        title: 'Restore an instance after 24 hours',
        as: ed,
        query: `mutation RestoreInstance($input: RestoreInstanceInput!) {
  restoreInstance(input: $input) {
    restored
  }
}`,
        variables: instanceInput('Group 3'),
        refused: 'RESTORE_WINDOW_EXPIRED',
      },
      {
        title: 'Delete an instance',
        as: ed,
        query: `mutation DeleteInstance($input: DeleteInstanceInput!) {
  deleteInstance(input: $input) {
    deleted
    instance { name state deletedAt restorableUntil }
  }
}`,
        variables: instanceInput('Group 2'),
      },
      {
        title: 'Delete the Master instance',
        as: ada,
        query: `mutation DeleteInstance($input: DeleteInstanceInput!) {
  deleteInstance(input: $input) {
    deleted
  }
}`,
        variables: instanceInput('Master'),
        refused: 'INSTANCE_PROTECTED',
      },
      {
        title: 'Delete a space',
        as: ada,
        query: `mutation DeleteSpace($input: DeleteSpaceInput!) {
  deleteSpace(input: $input) {
    deleted
    space { name state deletedAt restorableUntil }
  }
}`,
        variables: async (ask) => ({ input: { spaceId: await spaceId(ask), idempotencyKey: newKey() } }),
      },
      {
        title: 'What is possible with a deleted space',
        as: vic,
        query: `{
  viewer {
    spaces(state: DELETED) {
      nodes {
        name
        deletedBy { name }
        restorableUntil
        restoring { allowed obstacles { code remedy request contacts { name email } } }
      }
    }
  }
}`,
      },
      {
        title: 'Restore a space within 24 hours',
        as: mia,
        query: `mutation RestoreSpace($input: RestoreSpaceInput!) {
  restoreSpace(input: $input) {
    restored
    space { name state }
  }
}`,
        variables: async (ask) => ({ input: { spaceId: await spaceId(ask), idempotencyKey: newKey() } }),
      },
    ],
  },
  {
    title: 'Spaces',
    examples: [
      {
        title: 'Audit log of a space',
        as: ada,
        query: `query AuditLog($id: ID!) {
  space(id: $id) {
    name
    auditLog(first: 50) {
      totalCount
      nodes { at action summary actorName instanceName userName emails }
    }
  }
}`,
        variables: async (ask) => ({ id: await spaceId(ask) }),
      },
      {
        title: 'Create an instance',
        as: ada,
        query: `mutation CreateInstance($input: CreateInstanceInput!) {
  createInstance(input: $input) {
    instance { id name kind state }
  }
}`,
        variables: async (ask) => ({
          input: { spaceId: await spaceId(ask), name: 'Group 4', idempotencyKey: newKey() },
        }),
      },
      {
        title: 'A course in one request',
        as: ada,
        query: `mutation SyncRoster($input: SyncRosterInput!) {
  syncRoster(input: $input) {
    results { index email outcome role previousRole instance { name } }
    createdInstances { name }
    removed { user { name } roles }
    revoked { email instanceName }
  }
}`,
        variables: async (ask) => ({
          input: {
            spaceId: await spaceId(ask),
            entries: [
              { email: 'ann@new.example', name: 'Ann Other', role: 'EDITOR', instance: { own: 'Homework of {name}' } },
              { email: 'ann@new.example', role: 'VIEWER', instance: { joint: 'Team 7' } },
              { email: 'ben@new.example', role: 'EDITOR', instance: { joint: 'Team 7' } },
            ],
            others: 'KEEP',
            validateOnly: true,
            idempotencyKey: newKey(),
          },
        }),
      },
      {
        title: 'Create a space',
        as: mia,
        query: `mutation CreateSpace($input: CreateSpaceInput!) {
  createSpace(input: $input) {
    space { id name viewerRoles instances { nodes { name kind } } }
  }
}`,
        variables: async (ask) => ({
          input: { organizationId: await organizationId(ask), name: 'Statistics 2026', idempotencyKey: newKey() },
        }),
      },
    ],
  },
  {
    title: 'Organizations',
    examples: [
      {
        title: 'Invite people to an organization',
        as: mia,
        query: `mutation InviteOrganizationMembers($input: InviteOrganizationMembersInput!) {
  inviteOrganizationMembers(input: $input) {
    results { email outcome role }
  }
}`,
        variables: async (ask) => ({
          input: {
            organizationId: await organizationId(ask),
            role: 'FACULTY',
            emails: ['nora@new.example'],
            idempotencyKey: newKey(),
          },
        }),
      },
      {
        title: 'People, invitations, spaces and activity',
        as: mia,
        query: `query Organization($id: ID!) {
  organization(id: $id) {
    name
    members { nodes { user { name } role since } }
    invitations { nodes { email organizationRole status } }
    spaces { nodes { name administrators { name } } }
    auditLog { nodes { at summary } }
  }
}`,
        variables: async (ask) => ({ id: await organizationId(ask) }),
      },
      {
        title: 'The last manager cannot leave',
        as: mia,
        query: `mutation LeaveOrganization($input: LeaveOrganizationInput!) {
  leaveOrganization(input: $input) {
    left
  }
}`,
        variables: async (ask) => ({
          input: { organizationId: await organizationId(ask), idempotencyKey: newKey() },
        }),
        refused: 'CONFLICT',
      },
    ],
  },
  {
    title: 'Subscribe to changes',
    examples: [
      {
        title: 'Changes of the invitations to an instance',
        as: ada,
        query: `subscription InvitationChanged($instanceId: ID!) {
  invitationChanged(instanceId: $instanceId) {
    change
    at
    invitation { email role status delivery { status } }
  }
}`,
        variables: async (ask) => ({ instanceId: await instanceId(ask, 'Group 1') }),
      },
      {
        title: 'Changes of your requests, and of those that you can answer',
        as: ada,
        query: `subscription RequestChanged {
  requestChanged {
    change
    at
    request { kind status spaceName instanceName message requestedBy { name } }
  }
}`,
      },
    ],
  },
]
