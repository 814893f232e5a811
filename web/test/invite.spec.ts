import { expect, type Page } from '@playwright/test'
import { strToU8, zipSync } from 'fflate'
import { test } from './support/fixtures'
import { ada } from './support/gateway'
import { addressField, expectAccessible, openInstance, screenshot, trackSubscription } from './support/page'

const sendButton = (page: Page) => page.getByRole('button', { name: /^Send (one|\d+) invitations?/ })
const invitation = (page: Page, email: string) => page.locator(`[data-email="${email}"]`)

async function paste(page: Page, text: string) {
  await addressField(page).evaluate((field, text) => {
    const data = new DataTransfer()
    data.setData('text', text)
    field.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
  }, text)
}

test('invalid addresses are corrected one by one, then everybody is invited', async ({ visit, gateway }) => {
  const page = await visit(ada)
  await expect(page.getByText('You can invite people').first()).toBeVisible()
  await screenshot(page, 'spaces')
  await openInstance(page, 'Group 1')
  await paste(
    page,
    'Zoe <zoe@invite.example>; myemail@.uni.edu.com, kim@@invite.example\nlee@gmial.com\nzoe@invite.example\nfoo',
  )
  await expect(page.getByText('3 addresses are not valid')).toBeVisible()
  await expect(page.getByText('The part after the @ cannot begin or end with a dot')).toBeVisible()
  await expect(page.getByText('Did you mean lee@gmail.com?')).toBeVisible()
  await expect(page.locator('[data-kind=twice]')).toHaveCount(1)
  await expect(sendButton(page)).toBeDisabled()
  await screenshot(page, 'invite-problems')

  await page.getByRole('button', { name: 'Use myemail@uni.edu.com' }).click()
  await expect(page.getByText('2 addresses are not valid')).toBeVisible()
  await page.getByRole('button', { name: 'Use kim@invite.example' }).click()
  await expect(page.getByText('One address is not valid')).toBeVisible()
  await page.getByRole('button', { name: 'Remove foo' }).last().click()
  await page.getByRole('button', { name: 'Use lee@gmail.com' }).click()
  await page.getByRole('textbox', { name: /Message/ }).fill('Welcome to the group!')
  await page.getByRole('radio', { name: 'Editor' }).check()
  await sendButton(page).click()
  await expect(page.getByRole('heading', { name: '4 people were invited' })).toBeVisible()
  await expect(invitation(page, 'zoe@invite.example').locator('[data-stage=SENT]')).toBeVisible()
  await expect(page.locator('.success [data-stage=SENT]')).toHaveCount(4)
  await screenshot(page, 'invite-result')
  expect((await gateway.mail('myemail@uni.edu.com')).subject).toBe('DataHub Ada has sent you an invitation')
})

test('an address that the gateway refuses to invite is marked', async ({ visit }) => {
  const page = await visit(ada)
  await openInstance(page, 'Group 1')
  // Without checkEmails, only the refusal says what is wrong.
  const error = { message: 'Refused by the test.', extensions: { code: 'RATE_LIMITED' } }
  await page.route('**/graphql', (route) =>
    route.request().postData()?.includes('checkEmails')
      ? route.fulfill({
          contentType: 'application/graphql-response+json',
          body: JSON.stringify({ data: null, errors: [error] }),
        })
      : route.continue(),
  )
  await paste(page, 'good@refused.example, bad@.refused.example')
  await page.getByRole('button', { name: 'Send 2 invitations' }).click()
  await expect(page.getByText('One address is not valid')).toBeVisible()
  await expect(page.locator('[data-kind=bad]')).toHaveText('bad@.refused.example')
  await page.getByRole('button', { name: 'Use bad@refused.example' }).click()
  await page.getByRole('button', { name: 'Send 2 invitations' }).click()
  await expect(page.getByRole('heading', { name: '2 people were invited' })).toBeVisible()
})

// Each look of a web-first assertion that fails takes an accessibility snapshot
// of the page. With a thousand addresses on it, a snapshot keeps the page busy
// for seconds. waitFor takes none.
test('a thousand addresses are read from a CSV file and invited', async ({ visit }) => {
  const page = await visit(ada)
  await openInstance(page, 'Master')
  const rows = Array.from({ length: 1_000 }, (_, i) => `"Doe, Jane",student${i}@csv.example,${i}`)
  await page.locator('input[type=file]').setInputFiles({
    name: 'course.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(['Name,E-mail,Number', ...rows].join('\r\n')),
  })
  const good = page.locator('[data-kind=good]')
  await good.nth(999).waitFor()
  expect(await good.count()).toBe(1_000)
  await screenshot(page, 'invite-thousand')
  const send = page.locator('button[type=submit]') // by role, the names of 2,000 buttons would be computed
  await send.filter({ hasText: 'Send 1000 invitations' }).click()
  await page.getByRole('heading', { name: '1000 people were invited' }).waitFor()
})

/** Returns a workbook (.xlsx) whose second sheet has the rows, with shared strings as Excel writes them. */
function workbook(rows: string[][]): Buffer {
  const relationships = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
  const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
  const strings = [...new Set(rows.flat())]
  const cell = (text: string, row: number, column: number) =>
    text && `<c r="${'ABCDEF'[column]}${row + 1}" t="s"><v>${strings.indexOf(text)}</v></c>`
  const sheet = rows.map((row, i) => `<row r="${i + 1}">${row.map((text, j) => cell(text, i, j)).join('')}</row>`)
  const parts = {
    'xl/workbook.xml': `<workbook xmlns="${main}" xmlns:r="${relationships}"><sheets><sheet name="Notes" sheetId="1" r:id="r1"/><sheet name="People" sheetId="2" r:id="r2"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Target="/xl/worksheets/sheet2.xml"/></Relationships>`,
    'xl/sharedStrings.xml': `<sst xmlns="${main}">${strings.map((text) => `<si><r><t>${text.slice(0, 2)}</t></r><r><t>${text.slice(2)}</t></r></si>`).join('')}</sst>`,
    'xl/worksheets/sheet1.xml': `<worksheet xmlns="${main}"><sheetData><row r="1"><c r="A1"><v>42</v></c></row></sheetData></worksheet>`,
    'xl/worksheets/sheet2.xml': `<worksheet xmlns="${main}"><sheetData>${sheet.join('')}</sheetData></worksheet>`,
  }
  return Buffer.from(zipSync(Object.fromEntries(Object.entries(parts).map(([name, xml]) => [name, strToU8(xml)]))))
}

test('a workbook is read, a picture is refused, and what is not valid is removed at once', async ({ visit }) => {
  const page = await visit(ada)
  await openInstance(page, 'Group 1')
  const chooseFile = (name: string, buffer: Buffer) =>
    page.locator('input[type=file]').setInputFiles({ name, mimeType: 'application/octet-stream', buffer })
  await chooseFile(
    'people.xlsx',
    workbook([
      ['Name', 'Phone', 'E-mail'],
      ['Ada', '', 'one@workbook.example'],
      ['Grace', '', 'two@workbook.example'],
      ['Mary', '1', ''],
      ['Kim', '', 'unknown'],
      ['Lee', '', 'later'],
    ]),
  )
  await expect(page.getByText('5 rows were read, from the column “E-mail”.')).toBeVisible()
  await expect(page.getByText('One row has no address.')).toBeVisible()
  await expect(page.locator('[data-kind=good]')).toHaveText(['one@workbook.example', 'two@workbook.example'])
  await page.getByRole('button', { name: 'Remove all 2 that are not valid' }).click()
  await expect(page.locator('[data-kind]')).toHaveCount(2)

  await chooseFile('photo.png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]))
  await expect(page.getByText('photo.png is neither a text file nor an .xlsx workbook.')).toBeVisible()
  await expect(page.locator('[data-kind]')).toHaveCount(2)
  await expectAccessible(page)
})

test('rows without an address are shown and can be completed', async ({ visit }) => {
  const page = await visit(ada)
  await openInstance(page, 'Group 1')
  await page.locator('input[type=file]').setInputFiles({
    name: 'course.csv',
    mimeType: 'text/csv',
    buffer: Buffer.from(
      'Name,E-mail\nAda,one@rows.example\nMary Shelley,\nKim,kim.rows.example\nLee,\nGrace,two@rows.example\n',
    ),
  })
  await expect(page.getByText('2 rows have no address.')).toBeVisible()
  await expect(page.locator('[data-kind=bad]')).toHaveText('kim.rows.example')
  await expectAccessible(page)
  await screenshot(page, 'invite-incomplete-rows')
  await page.getByRole('button', { name: 'Mary Shelley' }).click()
  await expect(addressField(page)).toBeFocused()
  await addressField(page).pressSequentially('mary@rows.example,')
  await expect(page.locator('[data-kind]').last()).toHaveText('mary@rows.example')
  await page.reload()
  await expect(page.getByText('One row has no address.')).toBeVisible()
  await page.getByRole('button', { name: 'Leave it out' }).click()
  await expect(page.getByText('One row has no address.')).toBeHidden()
  await expect(addressField(page)).toBeFocused()
})

test('people are invited once when the reply is lost', async ({ visit, gateway }) => {
  const page = await visit(ada, { interruptsNetwork: true })
  await openInstance(page, 'Group 1')
  let requests = 0
  const keys = new Set<string>()
  await page.route('**/graphql', async (route) => {
    const body = route.request().postDataJSON()
    if (body?.operationName !== 'InviteUsers') return route.continue()
    keys.add(body.variables.input.idempotencyKey)
    requests++
    if (requests > 2) return route.continue()
    await route.fetch() // the gateway carries it out, but the page gets no reply
    await route.abort('connectionreset')
  })
  await addressField(page).fill('once@invite.example,')
  await page.getByRole('button', { name: 'Send one invitation' }).click()
  const banner = page.getByText('DataHub does not answer')
  await expect(banner).toBeVisible()
  await expect(page.getByRole('heading', { name: 'One person was invited' })).toBeVisible()
  await expect(banner).toBeHidden()
  expect(requests).toBe(3)
  expect(keys.size).toBe(1)
  await expect(invitation(page, 'once@invite.example').locator('[data-stage=SENT]')).toBeVisible()
  expect(await gateway.mails('once@invite.example')).toHaveLength(1)
})

test('the draft is kept offline and across a reload', async ({ visit }) => {
  const page = await visit(ada, { interruptsNetwork: true })
  await openInstance(page, 'Group 1')
  await expect(page.getByRole('region', { name: 'Invitations' })).toBeVisible()
  await addressField(page).fill('draft@invite.example,')
  await addressField(page).fill('half.typed')
  await page.getByRole('textbox', { name: /Message/ }).fill('See you on Monday.')
  const banner = page.getByText('You are offline')
  await page.context().setOffline(true)
  await expect(banner).toBeVisible()
  await screenshot(page, 'offline')
  await page.context().setOffline(false)
  await expect(banner).toBeHidden()
  await page.reload()
  await expect(page.locator('[data-kind]')).toHaveText('draft@invite.example')
  await expect(addressField(page)).toHaveValue('half.typed')
  await expect(page.getByRole('textbox', { name: /Message/ })).toHaveValue('See you on Monday.')
})

test('an interrupted submission is completed once after a reload', async ({ visit, gateway }) => {
  const page = await visit(ada, { interruptsNetwork: true })
  await openInstance(page, 'Group 1')
  await page.route('**/graphql', (route) =>
    route.request().postData()?.includes('InviteUsers') ? route.abort('internetdisconnected') : route.continue(),
  )
  await addressField(page).fill('later@invite.example,')
  await page.getByRole('textbox', { name: /Message/ }).fill('See you on Tuesday.')
  await page.getByRole('button', { name: 'Send one invitation' }).click()
  const waiting = page.getByText('Waiting for the connection')
  await expect(waiting).toBeVisible()
  await page.reload()
  await expect(waiting).toBeVisible()
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  await expect(page.getByRole('heading', { name: 'One person was invited' })).toBeVisible()
  await expect(page.locator('[data-kind]')).toHaveCount(0)
  await expect(invitation(page, 'later@invite.example').locator('[data-stage=SENT]')).toBeVisible()
  const mails = await gateway.mails('later@invite.example')
  expect(mails).toHaveLength(1)
  expect(mails[0].text).toContain('See you on Tuesday')
})

test('new and revoked invitations appear in another browser', async ({ visit }) => {
  const first = await visit(ada)
  let subscription = { started: Promise.resolve() }
  const second = await visit(ada, {
    before: async (page) => {
      subscription = await trackSubscription(page, 'invitationChanged')
    },
  })
  await openInstance(first, 'Group 1')
  await openInstance(second, 'Group 1')
  await subscription.started
  await addressField(first).fill('watched@invite.example,')
  await first.getByRole('button', { name: 'Send one invitation' }).click()
  const row = invitation(second, 'watched@invite.example')
  await expect(row.locator('[data-stage=SENT]')).toBeVisible()
  await row.getByRole('button', { name: /^Revoke/ }).click()
  await expect(invitation(first, 'watched@invite.example').locator('[data-stage=REVOKED]')).toBeVisible()
  await expect(first.locator('.success [data-stage=REVOKED]')).toBeVisible()
})

test('a change between the first query and the start of the subscription is not missed', async ({ visit, gateway }) => {
  let start = () => {}
  const page = await visit(ada, {
    // The gateway gets nothing over the WebSocket before `start` is called.
    before: (page) =>
      page.routeWebSocket('**/graphql', (socket) => {
        const waiting: (string | Buffer)[] = []
        const server = socket.connectToServer()
        let started = false
        socket.onMessage((message) => {
          const isSubscription = String(message).includes('invitationChanged')
          if (started || (!isSubscription && waiting.length === 0)) server.send(message)
          else waiting.push(message)
        })
        start = () => {
          started = true
          for (const message of waiting) server.send(message)
        }
      }),
  })
  await openInstance(page, 'Group 1')
  await expect(page.getByRole('region', { name: 'Invitations' }).locator('ul, p').first()).toBeVisible()
  const id = await gateway.instanceId('Group 1')
  await gateway.query(
    ada,
    `mutation { inviteUsers(input: {instanceId: "${id}", role: VIEWER, emails: ["gap@invite.example"]}) { results { index } } }`,
  )
  await expect(invitation(page, 'gap@invite.example')).toHaveCount(0)
  start()
  await expect(invitation(page, 'gap@invite.example')).toBeVisible()
})

test('the Distributed instance leads to instances that people can be invited to', async ({ visit }) => {
  const page = await visit(ada)
  await openInstance(page, 'Distributed')
  await expect(page.getByText('Nobody can be invited to the Distributed instance')).toBeVisible()
  await screenshot(page, 'distributed')
  await expectAccessible(page)
  await page.getByRole('link', { name: 'Group 1' }).click()
  await expect(addressField(page)).toBeVisible()
})
