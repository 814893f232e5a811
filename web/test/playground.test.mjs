import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { shoot, world } from './world.mjs'

let w, tab
before(async () => { w = await world() })
beforeEach(async () => {
  tab = await w.visit(undefined, { path: '../', width: 1440, height: 900 })
  await tab.locator('.examples button:enabled').first().waitFor() // the editor is there
})
after(() => w?.end())
afterEach(() => w.quiet())

const asking = () => tab.getByLabel('Ask as')
const answer = (text) => tab.locator('.graphiql-response .view-lines', { hasText: text })
const execute = () => tab.getByRole('button', { name: 'Execute query (Ctrl-Enter)' }).click()

async function choose(title) {
  await tab.getByRole('button', { name: title, exact: true }).click()
  await tab.locator('.examples button[aria-current=true]', { hasText: title }).waitFor() // with its variables
}

/** Sends what the editors have, and gives the answer. */
async function run() {
  const answered = tab.waitForResponse((response) => response.url() === `${w.origin}/graphql` && !response.request().postData().includes('__schema'))
  await execute()
  return (await answered).json()
}

test('somebody is chosen, and an example is answered', async () => {
  await tab.locator('.graphiql-query-editor .view-lines', { hasText: 'query Viewer' }).waitFor()
  assert.equal((await run()).data.viewer.name, 'Ada')
  await asking().selectOption({ label: 'Vic, viewer of Groups 1 and 2' })
  await run()
  await answer('"Vic"').waitFor()
  await choose('With an address that is not valid')
  assert.equal(await asking().inputValue(), 'ada@uni.example')
  await run()
  await answer('Nobody was invited').waitFor()
  await shoot(tab, 'playground')
})

test('every example is answered as it says, from the first to the last', async () => {
  const examples = await tab.locator('.examples li').evaluateAll((items) =>
    items.map((item) => ({ title: item.querySelector('button').textContent, refused: item.querySelector('code')?.textContent })),
  )
  assert.ok(examples.length > 30, `${examples.length} examples`)
  for (const { title, refused } of examples) {
    await choose(title)
    if ((await tab.locator('.graphiql-query-editor .view-lines').innerText()).startsWith('subscription')) continue
    const { data, errors = [] } = await run()
    assert.deepEqual(errors.map((error) => error.extensions.code), refused ? [refused] : [], `${title}: ${JSON.stringify(errors)}`)
    assert.ok(refused || !Object.values(data).includes(null), `${title}: ${JSON.stringify(data)}`)
  }
})

test('a subscription tells what happens, until it is stopped', async () => {
  await choose('Invitations to an instance')
  let sent, told, closed
  const connected = tab.waitForEvent('websocket', (socket) => {
    sent = socket.waitForEvent('framesent', ({ payload }) => payload.includes('"subscribe"'))
    told = socket.waitForEvent('framereceived', ({ payload }) => payload.includes('"next"'))
    closed = socket.waitForEvent('close')
    return true
  })
  await execute()
  await connected
  await sent
  const { viewer } = await w.ask('Ada', '{ viewer { spaces { nodes { instances { nodes { id name } } } } } }')
  const { id } = viewer.spaces.nodes[0].instances.nodes.find(({ name }) => name === 'Group 1')
  // It begins a little after it was sent, and tells what happens from then on.
  for (let n = 0; (await Promise.race([told, setTimeout(500, 'later')])) === 'later'; n++)
    await w.ask('Ada', `mutation { inviteUsers(input: {instanceId: "${id}", role: VIEWER, emails: ["watched-${n}@new.example"]}) { results { outcome } } }`)
  await answer('@new.example').waitFor()
  await tab.getByRole('button', { name: 'Stop query (Ctrl-Enter)' }).click()
  await closed
})

test('the documentation is the schema’s', async () => {
  await tab.getByRole('button', { name: 'Show Documentation Explorer' }).click()
  await tab.getByRole('link', { name: 'Mutation', exact: true }).click()
  await tab.getByText('Every mutation is carried out wholly or not at all').waitFor()
  await tab.getByRole('link', { name: 'inviteUsers', exact: true }).click()
  await tab.getByText('Either everybody is invited or, where one address is not valid, nobody').first().waitFor()
})
