import { expect, type Page } from '@playwright/test'
import { exampleGroups } from '../playground/examples'
import { test as base } from './support/fixtures'
import { ada, vic } from './support/gateway'
import { screenshot, trackSubscription } from './support/page'

const viewport = { width: 1440, height: 900 }

const test = base.extend<{ playground: Page }>({
  async playground({ visit }, use) {
    const page = await visit(undefined, { path: '../', viewport })
    await expect(page.locator('.examples button').first()).toBeEnabled() // the editors are ready
    await use(page)
  },
})

// The examples change the demo world, and depend on the ones before them.
test.use({ gatewayName: 'playground' })
test.describe.configure({ mode: 'default' })

const examples = exampleGroups.flatMap((group) => group.examples)
const person = (page: Page) => page.getByLabel('Send as')
const editor = (page: Page) => page.locator('.graphiql-query-editor .view-lines')
const response = (page: Page) => page.locator('.graphiql-response .view-lines')
const executeButton = (page: Page) => page.getByRole('button', { name: 'Execute query (Ctrl-Enter)' })

/** Opens an example. Afterwards the editors have its query and variables. */
async function openExample(page: Page, title: string) {
  await page.getByRole('button', { name: title, exact: true }).click()
  await expect(page.locator('.examples button[aria-current=true]')).toHaveText(title)
}

/** Sends the operation in the editors. Returns the answer. */
async function execute(page: Page) {
  const answer = page.waitForResponse(
    (response) => response.url().endsWith('/graphql') && !response.request().postData()?.includes('__schema'),
  )
  await executeButton(page).click()
  return (await answer).json()
}

test('a person and an example are selected, and the gateway answers', async ({ playground }) => {
  await expect(editor(playground)).toContainText('query Viewer')
  expect((await execute(playground)).data.viewer.name).toBe('Ada')
  await person(playground).selectOption({ value: vic })
  await execute(playground)
  await expect(response(playground)).toContainText('"Vic"')
  await openExample(playground, 'Invite an address that is not valid')
  await expect(person(playground)).toHaveValue(ada)
  await execute(playground)
  await expect(response(playground)).toContainText('INVALID_EMAIL')
  await screenshot(playground, 'playground')
})

test('every example is answered as it says, from the first to the last', async ({ playground }) => {
  expect(examples.length).toBeGreaterThan(30)
  for (const { title, query, refused } of examples) {
    await openExample(playground, title)
    if (query.startsWith('subscription')) continue
    const { data, errors = [] } = await execute(playground)
    const codes = errors.map((error: { extensions: { code: string } }) => error.extensions.code)
    expect(codes, title).toEqual(refused ? [refused] : [])
    if (!refused) expect(Object.values(data), title).not.toContain(null)
  }
})

test('a subscription shows changes until it is stopped', async ({ visit, gateway }) => {
  let subscription = { started: Promise.resolve() }
  const page = await visit(undefined, {
    path: '../',
    viewport,
    before: async (page) => {
      subscription = await trackSubscription(page, 'invitationChanged')
    },
  })
  await openExample(page, 'Changes of the invitations to an instance')
  const connected = page.waitForEvent('websocket')
  await executeButton(page).click()
  const socket = await connected
  await subscription.started
  const instanceId = await gateway.instanceId('Group 1')
  await gateway.query(
    ada,
    `mutation {
      inviteUsers(input: {instanceId: "${instanceId}", role: VIEWER, emails: ["watched@playground.example"]}) {
        results { outcome }
      }
    }`,
  )
  await expect(response(page)).toContainText('watched@playground.example')
  const closed = socket.waitForEvent('close')
  await page.getByRole('button', { name: 'Stop query (Ctrl-Enter)' }).click()
  await closed
})

test('the documentation comes from the schema', async ({ playground, gateway }) => {
  const { __type: mutation } = await gateway.query(
    ada,
    '{ __type(name: "Mutation") { description fields { name description } } }',
  )
  const inviteUsers = mutation.fields.find(({ name }: { name: string }) => name === 'inviteUsers')
  await playground.getByRole('button', { name: 'Show Documentation Explorer' }).click()
  await playground.getByRole('link', { name: 'Mutation', exact: true }).click()
  await expect(playground.getByText(firstSentence(mutation.description))).toBeVisible()
  await playground.getByRole('link', { name: 'inviteUsers', exact: true }).click()
  await expect(playground.getByText(firstSentence(inviteUsers.description)).first()).toBeVisible()
})

const firstSentence = (description: string) => description.split(/[.:]\s/)[0].replaceAll('\n', ' ')
