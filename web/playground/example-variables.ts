// Functions that find the ids for the variables of an example. Where the demo
// world has changed so much that nothing fits, they use '' and the gateway says
// what is missing.

/** Asks the gateway as the person of the example. Resolves to {} if it refuses. */
export type Ask = <Data>(query: string) => Promise<Partial<Data>>

type Connection<Node> = { nodes: Node[] }
type Named = { id: string; name: string }
type Space = Named & { instances: Connection<Named> }
type Request = { id: string; kind: string; emails: string[] }
type Member = { user: { id: string; email: string } }

/** Returns a new key each time an example is opened, so that it is not taken for a repetition. */
export const newKey = () => `playground-${Date.now().toString(36)}`

/** Returns the id of the item with the name or, if there is none, of the first item. */
const idByName = (items: Named[], name: string) => (items.find((item) => item.name === name) ?? items[0])?.id ?? ''

async function spaces(ask: Ask) {
  const { viewer } = await ask<{ viewer: { spaces: Connection<Space> } }>(
    '{ viewer { spaces(state: null) { nodes { id name instances(state: null) { nodes { id name } } } } } }',
  )
  return viewer?.spaces.nodes ?? []
}

export const spaceId = async (ask: Ask) => idByName(await spaces(ask), 'Econometrics 2026')

/** Returns the id of the organization of a space: people can ask for a role in it who do not belong to it. */
export async function organizationOfSpace(ask: Ask) {
  const { viewer } = await ask<{ viewer: { spaces: Connection<{ organization: Named }> } }>(
    '{ viewer { spaces(state: null) { nodes { organization { id name } } } } }',
  )
  const organizations = (viewer?.spaces.nodes ?? []).map((space) => space.organization)
  return idByName(organizations, 'University of Example')
}

export async function instanceId(ask: Ask, name: string) {
  const instances = (await spaces(ask)).flatMap((space) => space.instances.nodes)
  return idByName(instances, name)
}

export async function organizationId(ask: Ask) {
  const { viewer } = await ask<{ viewer: { organizations: Connection<Named> } }>(
    '{ viewer { organizations { nodes { id name } } } }',
  )
  return idByName(viewer?.organizations.nodes ?? [], 'University of Example')
}

export async function userId(ask: Ask, instanceName: string, email: string) {
  const id = JSON.stringify(await instanceId(ask, instanceName))
  const { instance } = await ask<{ instance: { members: Connection<Member> } }>(
    `{ instance(id: ${id}) { members { nodes { user { id email } } } } }`,
  )
  const members = instance?.members?.nodes ?? []
  return (members.find(({ user }) => user.email === email) ?? members[0])?.user.id ?? ''
}

/** Returns the input of a mutation on an instance. */
export const instanceInput =
  (name: string, fields: object = {}) =>
  async (ask: Ask) => ({ input: { instanceId: await instanceId(ask, name), ...fields, idempotencyKey: newKey() } })

/** Returns the input of a mutation on all pending invitations to an instance. */
export const pendingInvitationsInput = (instanceName: string) => async (ask: Ask) => {
  const id = JSON.stringify(await instanceId(ask, instanceName))
  const { instance } = await ask<{ instance: { invitations: Connection<{ id: string }> } }>(
    `{ instance(id: ${id}) { invitations(status: PENDING) { nodes { id } } } }`,
  )
  const invitationIds = (instance?.invitations?.nodes ?? []).map(({ id }) => id)
  return { input: { invitationIds, idempotencyKey: newKey() } }
}

/** Returns the newest course link of an instance, with the token in its address. */
export async function newestLink(ask: Ask, instanceName: string) {
  const id = JSON.stringify(await instanceId(ask, instanceName))
  const { instance } = await ask<{ instance: { inviteLinks: Connection<{ id: string; url: string }> } }>(
    `{ instance(id: ${id}) { inviteLinks(first: 1) { nodes { id url } } } }`,
  )
  const link = instance?.inviteLinks?.nodes[0]
  return { id: link?.id ?? '', token: link?.url?.split('#')[1] ?? '' }
}

/** Returns the input of a mutation on the newest course link of an instance. */
export const linkInput = (instanceName: string) => async (ask: Ask) => ({
  input: { linkId: (await newestLink(ask, instanceName)).id, idempotencyKey: newKey() },
})

/** Returns the input of a mutation on the person's first invitation. */
export async function ownInvitationInput(ask: Ask) {
  const { viewer } = await ask<{ viewer: { invitations: Connection<{ id: string }> } }>(
    '{ viewer { invitations { nodes { id } } } }',
  )
  return { input: { invitationId: viewer?.invitations.nodes[0]?.id ?? '', idempotencyKey: newKey() } }
}

/** Returns the input of a mutation on the person's first open request. */
export async function ownRequestInput(ask: Ask) {
  const { viewer } = await ask<{ viewer: { requests: Connection<{ id: string }> } }>(
    '{ viewer { requests(status: OPEN) { nodes { id } } } }',
  )
  return { input: { requestId: viewer?.requests.nodes[0]?.id ?? '', idempotencyKey: newKey() } }
}

/** Returns a request of the kind that the person can answer or, if there is none, any request that they can answer. */
export async function requestToAnswer(ask: Ask, kind: string) {
  const { viewer } = await ask<{ viewer: { requestsToAnswer: Connection<Request> } }>(
    '{ viewer { requestsToAnswer { nodes { id kind emails } } } }',
  )
  const requests = viewer?.requestsToAnswer.nodes ?? []
  return requests.find((request) => request.kind === kind) ?? requests[0] ?? { id: '', kind, emails: [] }
}

/** Returns the token in the newest invitation link of the development mailbox. */
export async function newestInvitationToken() {
  const response = await fetch('/mailbox.json')
  const mails: { link: string }[] = response.ok ? await response.json() : []
  return mails.find(({ link }) => link?.includes('/app/invitation#'))?.link.split('#')[1] ?? ''
}
