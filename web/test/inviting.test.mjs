import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { barriers, shoot, world } from './world.mjs'

let w
before(async () => { w = await world() })
after(() => w?.end())
afterEach(() => w.quiet())

const open = async (tab, name) => {
  await tab.getByRole('link', { name, exact: true }).click()
  await tab.getByRole('heading', { level: 1, name }).waitFor()
}
const field = (tab) => tab.getByRole('textbox', { name: 'E-mail addresses' })
const invitations = (tab) => tab.getByRole('region', { name: 'Invitations' })
/** How long the page is busy with a key, in milliseconds. */
const keystroke = async (tab) => {
  await field(tab).focus()
  const busy = await tab.evaluate(async () => {
    const input = document.activeElement
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set
    const times = []
    for (const text of ['s', 'so', 'som', 'some', 'someb', 'somebo', 'somebod', '']) {
      const began = performance.now()
      set.call(input, text)
      input.dispatchEvent(new Event('input', { bubbles: true }))
      document.body.offsetHeight // laid out
      times.push(performance.now() - began)
      await new Promise(requestAnimationFrame)
    }
    return times.sort((a, b) => a - b)[4]
  })
  return busy.toFixed(1)
}
const paste = async (tab, text) => {
  await field(tab).focus()
  await tab.evaluate((text) => {
    const data = new DataTransfer()
    data.setData('text', text)
    document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
  }, text)
}

test('addresses that are not valid are corrected one by one', async () => {
  const tab = await w.visit('Ada')
  await tab.getByText('You can invite people').first().waitFor()
  await shoot(tab, 'spaces')
  await open(tab, 'Group 1')
  await paste(tab, 'Zoe <zoe@new.example>; myemail@.uni.edu.com, kim@@new.example\nlee@gmial.com\nzoe@new.example\nfoo')
  await tab.getByText('3 addresses are not valid yet').waitFor()
  await tab.getByText('After the @, a dot cannot stand').waitFor()
  await tab.getByText('Did you mean lee@gmail.com?', { exact: false }).waitFor()
  assert.equal(await tab.locator('[data-kind=twice]').count(), 1)
  const send = tab.getByRole('button', { name: /^Send \d+ invitations|^Send one invitation/ })
  assert.ok(await send.isDisabled())
  await shoot(tab, 'inviting-problems')
  await tab.getByRole('button', { name: 'Use myemail@uni.edu.com' }).click()
  await tab.getByText('2 addresses are not valid yet').waitFor()
  await tab.getByRole('button', { name: 'Use kim@new.example' }).click()
  await tab.getByText('One address is not valid yet').waitFor()
  await tab.getByRole('button', { name: 'Remove foo' }).last().click()
  await tab.getByRole('button', { name: 'Use lee@gmail.com' }).click()
  await tab.getByRole('textbox', { name: /Message/ }).fill('Welcome to the group!')
  await tab.getByRole('radio', { name: 'Editor' }).check()
  await send.click()
  await tab.getByRole('heading', { name: '4 people were invited' }).waitFor()
  await tab.locator('[data-email="zoe@new.example"] [data-stage=SENT]').waitFor()
  await tab.locator('.good [data-stage=SENT]').nth(3).waitFor()
  await shoot(tab, 'inviting-done')
  assert.equal((await w.mail('myemail@uni.edu.com')).subject, 'DataHub Ada has sent you an invitation')
})

test('what the gateway refuses lands on its chip', async () => {
  const tab = await w.visit('Ada')
  await open(tab, 'Group 1')
  // checkEmails does not answer: only the sending can say what is wrong.
  await tab.route('**/graphql', (route) =>
    route.request().postData()?.includes('checkEmails')
      ? route.fulfill({ contentType: 'application/graphql-response+json', body: '{"data":null,"errors":[{"message":"no","extensions":{"code":"RATE_LIMITED"}}]}' })
      : route.continue())
  await paste(tab, 'good@new.example, bad@.new.example')
  await tab.getByRole('button', { name: 'Send 2 invitations' }).click()
  await tab.getByText('One address is not valid yet').waitFor()
  assert.equal(await tab.locator('[data-kind=bad]').innerText(), 'bad@.new.example')
  await tab.getByRole('button', { name: 'Use bad@new.example' }).click()
  await tab.getByRole('button', { name: 'Send 2 invitations' }).click()
  await tab.getByRole('heading', { name: '2 people were invited' }).waitFor()
})

test('a CSV file is taken, and a thousand addresses stay smooth', async () => {
  const tab = await w.visit('Ada')
  await open(tab, 'Master')
  const alone = await keystroke(tab)
  const lines = Array.from({ length: 1_000 }, (_, n) => `"Doe, Jane",student${n}@new.example,${n}`)
  await tab.locator('input[type=file]').setInputFiles({
    name: 'course.csv', mimeType: 'text/csv', buffer: Buffer.from(['Name,E-mail,Number', ...lines].join('\r\n')),
  })
  await tab.locator('[data-kind=good]').nth(999).waitFor({ state: 'attached' })
  const beside = await keystroke(tab)
  console.log(`a keystroke: ${alone} ms beside none, ${beside} ms beside 1,000 chips`)
  await shoot(tab, 'inviting-thousand')
  await tab.getByRole('button', { name: 'Send 1000 invitations' }).click()
  await tab.getByRole('heading', { name: '1000 people were invited' }).waitFor({ timeout: 90_000 })
})

test('the reply is cut: the sending is repeated, and carried out once', async () => {
  const tab = await w.visit('Ada', { lost: true })
  await open(tab, 'Group 1')
  let cut = 0
  const keys = new Set()
  await tab.route('**/graphql', async (route) => {
    const body = route.request().postDataJSON()
    if (body?.operationName !== 'InviteUsers') return route.continue()
    keys.add(body.variables.input.idempotencyKey)
    if (cut++ > 1) return route.continue()
    await route.fetch() // the gateway carries it out …
    await route.abort('connectionreset') // … and nobody hears of it
  })
  await field(tab).fill('once@new.example,')
  await tab.getByRole('button', { name: 'Send one invitation' }).click()
  await tab.getByText('DataHub does not answer').waitFor()
  await tab.getByRole('heading', { name: 'One person was invited' }).waitFor()
  await tab.getByText('DataHub does not answer').waitFor({ state: 'detached' })
  assert.equal(cut, 3)
  assert.equal(keys.size, 1)
  await tab.locator('[data-email="once@new.example"] [data-stage=SENT]').waitFor()
  assert.equal((await w.mails('once@new.example')).length, 1)
})

test('offline in the middle, and a reload: what was typed is there, and the sending is completed once', async () => {
  const tab = await w.visit('Ada', { lost: true })
  await open(tab, 'Group 1')
  await invitations(tab).waitFor()
  await field(tab).fill('later@new.example,')
  await field(tab).fill('half.typed')
  await tab.getByRole('textbox', { name: /Message/ }).fill('See you on Monday.')
  await tab.context().setOffline(true)
  await tab.getByText('You are offline').waitFor()
  await shoot(tab, 'offline')
  await tab.context().setOffline(false)
  await tab.getByText('You are offline').waitFor({ state: 'detached' })
  await tab.reload()
  assert.equal(await field(tab).inputValue(), 'half.typed')
  assert.equal(await tab.getByRole('textbox', { name: /Message/ }).inputValue(), 'See you on Monday.')
  await field(tab).fill('')

  await tab.route('**/graphql', (route) => route.request().postData()?.includes('InviteUsers') ? route.abort('internetdisconnected') : route.continue())
  await tab.getByRole('button', { name: 'Send one invitation' }).click()
  await tab.getByText('Waiting for the connection').waitFor()
  await tab.reload()
  await tab.getByText('Waiting for the connection').waitFor()
  await tab.unrouteAll({ behavior: 'ignoreErrors' })
  await tab.getByRole('heading', { name: 'One person was invited' }).waitFor()
  assert.equal(await tab.locator('[data-kind]').count(), 0)
  await tab.locator('[data-email="later@new.example"] [data-stage=SENT]').waitFor()
  assert.equal((await w.mails('later@new.example')).length, 1)
  assert.match((await w.mail('later@new.example')).text, /See you on Monday/)
})

test('two browsers watch one another', async () => {
  const [one, two] = [await w.visit('Ada'), await w.visit('Ada')]
  await open(one, 'Group 1')
  await open(two, 'Group 1')
  await field(one).fill('watched@new.example,')
  await one.getByRole('button', { name: 'Send one invitation' }).click()
  const row = two.locator('[data-email="watched@new.example"]')
  await row.locator('[data-stage=SENT]').waitFor()
  await row.getByRole('button', { name: /^Revoke/ }).click()
  await one.locator('[data-email="watched@new.example"] [data-stage=REVOKED]').waitFor()
  await one.locator('.good [data-stage=REVOKED]').waitFor()
})

test('Distributed leads to the instances that can be invited to', async () => {
  const tab = await w.visit('Ada')
  await open(tab, 'Distributed')
  await tab.getByText('Nobody can be invited to the Distributed instance').waitFor()
  await shoot(tab, 'distributed')
  assert.deepEqual(await barriers(tab), [])
  await tab.getByRole('link', { name: 'Group 1' }).click()
  await field(tab).waitFor()
})
