/** Asks the gateway, as the person of the example; what it refuses is {}. */
export type Ask = (query: string) => Promise<any>

export type Example = {
  title: string
  /** Who asks; '' is nobody. */
  as: string
  query: string
  /** Finds the ids that the operation needs. */
  variables?: (ask: Ask) => Promise<object> | object
  /** The code that it is refused with, in the demo world. */
  refused?: string
}

const [ada, ed, vic, mia, sam, nobody] = [
  'ada@uni.example',
  'ed@uni.example',
  'vic@uni.example',
  'mia@uni.example',
  'sam@uni.example',
  '',
]

type Named = { id: string; name: string }

async function spaces(ask: Ask): Promise<(Named & { instances: { nodes: Named[] } })[]> {
  return (
    (await ask('{ viewer { spaces { nodes { id name instances(state: null) { nodes { id name } } } } } }')).viewer
      ?.spaces.nodes ?? []
  )
}

/** The id of what is called so or, where nothing is, of the first. */
const idOf = (things: Named[], name: string) => (things.find((thing) => thing.name === name) ?? things[0])?.id ?? ''

const instance = async (ask: Ask, name: string) =>
  idOf(
    (await spaces(ask)).flatMap((space) => space.instances.nodes),
    name,
  )
const space = async (ask: Ask) => idOf(await spaces(ask), 'Econometrics 2026')

/** An input that names an instance. */
const on =
  (name: string, more: object = {}) =>
  async (ask: Ask) => ({ input: { instanceId: await instance(ask, name), ...more, idempotencyKey: key() } })

/** A new key for each time that an example is opened: what is sent twice is carried out once. */
const key = () => `playground-${Date.now().toString(36)}`

async function invitationsOf(ask: Ask, name: string): Promise<{ id: string }[]> {
  const id = JSON.stringify(await instance(ask, name))
  return (
    (await ask(`{ instance(id: ${id}) { invitations(status: PENDING) { nodes { id email } } } }`)).instance?.invitations
      ?.nodes ?? []
  )
}

const ownInvitation = async (ask: Ask) => ({
  input: {
    invitationId: (await ask('{ viewer { invitations { nodes { id } } } }')).viewer?.invitations.nodes[0]?.id ?? '',
    idempotencyKey: key(),
  },
})

async function member(ask: Ask, name: string, email: string): Promise<string> {
  const id = JSON.stringify(await instance(ask, name))
  const members =
    (await ask(`{ instance(id: ${id}) { members { nodes { user { id email } } } } }`)).instance?.members?.nodes ?? []
  return (members.find((m: any) => m.user.email === email) ?? members[0])?.user.id ?? ''
}

/** The request of a kind that the person can answer. */
const requestToAnswer = (kind: string, message: string) => async (ask: Ask) => {
  const requests =
    (await ask('{ viewer { requestsToAnswer { nodes { id kind } } } }')).viewer?.requestsToAnswer.nodes ?? []
  return {
    input: {
      requestId: (requests.find((r: any) => r.kind === kind) ?? requests[0])?.id ?? '',
      message,
      idempotencyKey: key(),
    },
  }
}

/** What stands behind the # of the newest link to an invitation in the mailbox of development. */
async function tokenOfMail(): Promise<string> {
  const response = await fetch('/mailbox.json')
  const mails: { link: string }[] = response.ok ? await response.json() : []
  return mails.find(({ link }) => link?.includes('/app/invitation#'))?.link.split('#')[1] ?? ''
}

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

const request = `{
      id
      kind
      status
      expiresAt
    }`

export const stories: { title: string; examples: Example[] }[] = [
  {
    title: 'Who you are',
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
        title: 'Who has no role learns of nothing',
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
    title: 'Before anything fails',
    examples: [
      {
        title: 'What you can do, and what stands in the way',
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
        title: 'Checking addresses',
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
    title: 'Inviting',
    examples: [
      {
        title: 'Inviting people to an instance',
        as: ada,
        query: inviteUsers,
        variables: on('Group 1', {
          role: 'VIEWER',
          emails: ['Zoe <zoe@new.example>', sam, ed],
          message: 'Welcome to the course.',
        }),
      },
      {
        title: 'With an address that is not valid',
        as: ada,
        query: inviteUsers,
        variables: on('Group 1', { role: 'VIEWER', emails: ['kim@new.example', 'myemail@.uni.edu.com'] }),
        refused: 'INVALID_EMAIL',
      },
      {
        title: 'To the Distributed instance',
        as: ada,
        query: inviteUsers,
        variables: on('Distributed', { role: 'VIEWER', emails: ['kim@new.example'] }),
        refused: 'INSTANCE_DISTRIBUTED',
      },
      {
        title: 'To a deleted instance',
        as: ada,
        query: inviteUsers,
        variables: on('Group 2', { role: 'VIEWER', emails: ['kim@new.example'] }),
        refused: 'INSTANCE_DELETED',
      },
      {
        title: 'Without the permission',
        as: vic,
        query: inviteUsers,
        variables: on('Group 1', { role: 'VIEWER', emails: ['kim@new.example'] }),
        refused: 'FORBIDDEN',
      },
      {
        title: 'Inviting administrators of a space',
        as: ada,
        query: `mutation InviteSpaceAdministrators($input: InviteSpaceAdministratorsInput!) {
  inviteSpaceAdministrators(input: $input) {
    results { email outcome invitation { id status } }
  }
}`,
        variables: async (ask) => ({
          input: { spaceId: await space(ask), emails: ['mia@uni.example'], idempotencyKey: key() },
        }),
      },
    ],
  },
  {
    title: 'For the invited person',
    examples: [
      {
        title: 'The invitation of the newest mail',
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
        variables: async () => ({ token: await tokenOfMail() }),
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
        title: 'Accepting an invitation',
        as: sam,
        query: `mutation AcceptInvitation($input: AcceptInvitationInput!) {
  acceptInvitation(input: $input) {
    invitation { status }
    instance { name viewerRoles }
    space { name viewerRoles }
  }
}`,
        variables: ownInvitation,
      },
      {
        title: 'Declining an invitation',
        as: mia,
        query: `mutation DeclineInvitation($input: DeclineInvitationInput!) {
  declineInvitation(input: $input) {
    invitation { status }
  }
}`,
        variables: ownInvitation,
      },
    ],
  },
  {
    title: 'Invitations and members',
    examples: [
      {
        title: 'Invitations, and what became of their mails',
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
        variables: async (ask) => ({ id: await instance(ask, 'Group 1') }),
      },
      {
        title: 'Sending invitations again',
        as: ada,
        query: `mutation ResendInvitations($input: ResendInvitationsInput!) {
  resendInvitations(input: $input) {
    results { outcome invitation { email status expiresAt } }
  }
}`,
        variables: async (ask) => ({
          input: { invitationIds: (await invitationsOf(ask, 'Group 1')).map(({ id }) => id), idempotencyKey: key() },
        }),
      },
      {
        title: 'Taking invitations back',
        as: ada,
        query: `mutation RevokeInvitations($input: RevokeInvitationsInput!) {
  revokeInvitations(input: $input) {
    results { outcome invitation { email status } }
  }
}`,
        variables: async (ask) => ({
          input: { invitationIds: (await invitationsOf(ask, 'Group 1')).map(({ id }) => id), idempotencyKey: key() },
        }),
      },
      {
        title: 'Members',
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
        variables: async (ask) => ({ id: await instance(ask, 'Group 1') }),
      },
      {
        title: 'Changing a role',
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
            instanceId: await instance(ask, 'Group 1'),
            userId: await member(ask, 'Group 1', vic),
            role: 'EDITOR',
            idempotencyKey: key(),
          },
        }),
      },
      {
        title: 'Removing a member',
        as: ada,
        query: `mutation RemoveMember($input: RemoveMemberInput!) {
  removeMember(input: $input) {
    removed
  }
}`,
        variables: async (ask) => ({
          input: {
            instanceId: await instance(ask, 'Group 1'),
            userId: await member(ask, 'Group 1', sam),
            idempotencyKey: key(),
          },
        }),
      },
      {
        title: 'Leaving an instance',
        as: vic,
        query: `mutation LeaveInstance($input: LeaveInstanceInput!) {
  leaveInstance(input: $input) {
    left
  }
}`,
        variables: on('Group 1'),
      },
    ],
  },
  {
    title: 'Asking whoever can help',
    examples: [
      {
        title: 'Asking for a role',
        as: vic,
        query: `mutation RequestRole($input: RequestRoleInput!) {
  requestRole(input: $input) {
    created
    request ${request}
  }
}`,
        variables: async (ask) => ({
          input: {
            spaceId: await space(ask),
            role: 'SPACE_ADMINISTRATOR',
            message: 'I look after the groups.',
            idempotencyKey: key(),
          },
        }),
      },
      {
        title: 'Asking for people to be invited',
        as: ed,
        query: `mutation RequestInvitations($input: RequestInvitationsInput!) {
  requestInvitations(input: $input) {
    created
    request ${request}
  }
}`,
        variables: on('Group 1', {
          role: 'VIEWER',
          emails: ['kim@new.example', 'lea@new.example'],
          message: 'They join my group.',
        }),
      },
      {
        title: 'Asking for a restoration',
        as: vic,
        query: `mutation RequestRestore($input: RequestRestoreInput!) {
  requestRestore(input: $input) {
    created
    request ${request}
  }
}`,
        variables: on('Group 2', { message: 'My data is in there.' }),
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
        title: 'Taking a request back',
        as: vic,
        query: `mutation WithdrawRequest($input: WithdrawRequestInput!) {
  withdrawRequest(input: $input) {
    request ${request}
  }
}`,
        variables: async (ask) => ({
          input: {
            requestId:
              (await ask('{ viewer { requests(status: OPEN) { nodes { id } } } }')).viewer?.requests.nodes[0]?.id ?? '',
            idempotencyKey: key(),
          },
        }),
      },
    ],
  },
  {
    title: 'Answering',
    examples: [
      {
        title: 'What you are asked for',
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
        title: 'Approving a request, for some of its addresses',
        as: ada,
        query: `mutation ApproveRequest($input: ApproveRequestInput!) {
  approveRequest(input: $input) {
    request { kind status answeredBy { name } approvedEmails }
    results { email outcome }
  }
}`,
        variables: async (ask) => {
          const { input } = await requestToAnswer('INVITATIONS', 'Welcome.')(ask)
          const asked =
            (await ask('{ viewer { requestsToAnswer { nodes { id emails } } } }')).viewer?.requestsToAnswer.nodes ?? []
          const emails = asked.find((r: any) => r.id === input.requestId)?.emails.slice(0, 1)
          return { input: { ...input, ...(emails?.length && { emails }) } }
        },
      },
      {
        title: 'Declining a request',
        as: ada,
        query: `mutation DeclineRequest($input: DeclineRequestInput!) {
  declineRequest(input: $input) {
    request { kind status answeredBy { name } answer }
  }
}`,
        variables: requestToAnswer('ROLE', 'There are two administrators already.'),
      },
    ],
  },
  {
    title: 'Deleting and restoring',
    examples: [
      {
        title: 'Restoring, within 24 hours',
        as: ed,
        query: `mutation RestoreInstance($input: RestoreInstanceInput!) {
  restoreInstance(input: $input) {
    restored
    instance { name state viewerRoles }
  }
}`,
        variables: on('Group 2'),
      },
      {
        title: 'Restoring, too late',
        as: ed,
        query: `mutation RestoreInstance($input: RestoreInstanceInput!) {
  restoreInstance(input: $input) {
    restored
  }
}`,
        variables: on('Group 3'),
        refused: 'RESTORE_WINDOW_EXPIRED',
      },
      {
        title: 'Deleting an instance',
        as: ed,
        query: `mutation DeleteInstance($input: DeleteInstanceInput!) {
  deleteInstance(input: $input) {
    deleted
    instance { name state deletedAt restorableUntil }
  }
}`,
        variables: on('Group 2'),
      },
      {
        title: 'Deleting Master',
        as: ada,
        query: `mutation DeleteInstance($input: DeleteInstanceInput!) {
  deleteInstance(input: $input) {
    deleted
  }
}`,
        variables: on('Master'),
        refused: 'INSTANCE_PROTECTED',
      },
    ],
  },
  {
    title: 'Spaces',
    examples: [
      {
        title: 'Who did what',
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
        variables: async (ask) => ({ id: await space(ask) }),
      },
      {
        title: 'Making an instance',
        as: ada,
        query: `mutation CreateInstance($input: CreateInstanceInput!) {
  createInstance(input: $input) {
    instance { id name kind state }
  }
}`,
        variables: async (ask) => ({ input: { spaceId: await space(ask), name: 'Group 4', idempotencyKey: key() } }),
      },
      {
        title: 'Making a space',
        as: mia,
        query: `mutation CreateSpace($input: CreateSpaceInput!) {
  createSpace(input: $input) {
    space { id name viewerRoles instances { nodes { name kind } } }
  }
}`,
        variables: async (ask) => ({
          input: {
            organizationId: idOf(
              (await ask('{ viewer { organizations { nodes { id name } } } }')).viewer?.organizations.nodes ?? [],
              'University of Example',
            ),
            name: 'Statistics 2026',
            idempotencyKey: key(),
          },
        }),
      },
    ],
  },
  {
    title: 'Watching',
    examples: [
      {
        title: 'Invitations to an instance',
        as: ada,
        query: `subscription InvitationChanged($instanceId: ID!) {
  invitationChanged(instanceId: $instanceId) {
    change
    at
    invitation { email role status delivery { status } }
  }
}`,
        variables: async (ask) => ({ instanceId: await instance(ask, 'Group 1') }),
      },
      {
        title: 'Requests that you have made or can answer',
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
