import { expect, type Page } from '@playwright/test'
import { test } from './support/fixtures'
import { ada, type Gateway, vic } from './support/gateway'
import { cutButtons, expectAccessible, openInstance, phone, screenshot } from './support/page'

/** Makes a course link to Group 1, as Ada. Returns its path in the page, and its id. */
async function courseLink(gateway: Gateway, more = 'maxUses: 10') {
  const until = new Date(Date.now() + 86_400_000).toISOString()
  const { createInviteLink } = await gateway.query(
    ada,
    `mutation {
      createInviteLink(input: {instanceId: "${await gateway.instanceId('Group 1')}", role: VIEWER, expiresAt: "${until}", ${more}}) {
        link { id url }
      }
    }`,
  )
  const { id, url } = createInviteLink.link
  return { id, path: `join#${url.split('#')[1]}` }
}

const title = (page: Page, name: string) => page.getByRole('heading', { level: 1, name })
const field = (page: Page) => page.getByRole('textbox', { name: 'Your e-mail address' })
const answer = (page: Page) =>
  page.getByRole('status').filter({ has: page.getByRole('heading', { name: 'Look into your inbox' }) })
const send = (page: Page) => page.getByRole('button', { name: 'Send me the invitation' })

test('a student joins by the link on a slide, with the keyboard, on a phone', async ({ visit, gateway }) => {
  const { path } = await courseLink(gateway, 'maxUses: 10, allowedDomains: ["join.example", "uni.example"]')
  const page = await visit(undefined, { path, viewport: phone })
  await expect(title(page, 'Join Group 1')).toBeVisible()
  await expect(page.getByText('Ada invites you.')).toBeVisible()
  await expect(page.getByText('Econometrics 2026')).toBeVisible()
  await expect(page.getByText('Use an address of: join.example, uni.example')).toBeVisible()
  await expect(page.getByText(ada)).toHaveCount(0)
  await expectAccessible(page)
  await screenshot(page, 'join-phone')

  await field(page).fill('student@other.example')
  await field(page).press('Enter')
  await expect(page.getByRole('alert').filter({ hasText: 'Use an address of' })).toBeVisible()
  await field(page).fill('student@.join.example')
  await field(page).press('Enter')
  await expect(page.getByRole('alert').filter({ hasText: 'cannot begin or end with a dot' })).toBeVisible()
  await expectAccessible(page)
  await screenshot(page, 'join-problem-phone')
  await page.getByRole('button', { name: 'Use student@join.example' }).click()
  await expect(field(page)).toHaveValue('student@join.example')
  await expect(field(page)).toBeFocused()
  await expect(page.getByRole('alert').filter({ hasText: 'cannot begin or end with a dot' })).toHaveCount(0)
  await field(page).press('Enter')
  await expect(title(page, 'Look into your inbox')).toBeFocused()
  const told = ((await answer(page).textContent()) ?? '').replace('student@join.example', '')
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(phone.width)
  expect(await cutButtons(page)).toEqual([])
  await expectAccessible(page)
  await screenshot(page, 'joined-phone')
  await gateway.mail('student@join.example', 'Group 1')

  // A member is told the same, and gets no mail.
  await page.getByRole('button', { name: 'Give another address' }).press('Enter')
  await expect(field(page)).toBeFocused()
  await field(page).fill(vic)
  await send(page).click()
  await expect(title(page, 'Look into your inbox')).toBeFocused()
  expect(((await answer(page).textContent()) ?? '').replace(vic, '')).toBe(told)
  expect(await gateway.mails(vic)).toHaveLength(0)
})

test('an administrator makes a link on the page of the instance, opens it again, and revokes it', async ({
  visit,
  gateway,
}) => {
  const page = await visit(ada)
  await openInstance(page, 'Master')
  const panel = page.getByRole('region', { name: 'Course link' })
  await panel.getByRole('button', { name: 'Make the link' }).press('Enter')
  await expect(panel.getByRole('radio', { name: 'Viewer' })).toBeFocused()
  await panel.getByRole('radio', { name: 'Editor' }).check()
  const uses = panel.getByRole('textbox', { name: 'Number of addresses' })
  await uses.fill('0')
  await expect(panel.getByRole('button', { name: 'Make the link' })).toBeDisabled()
  await uses.fill('1')
  await expectAccessible(page)
  await panel.getByRole('button', { name: 'Make the link' }).press('Enter')
  await expect(panel.getByText('The link is open, and invites in the name of Ada.')).toBeVisible()
  await expect(panel.getByText('0 of 1')).toBeVisible()
  await expectAccessible(page)
  await screenshot(page, 'course-link')
  const url = await panel.getByRole('textbox', { name: 'Address of the link' }).inputValue()
  const path = `join#${url.split('#')[1]}`

  const student = await visit(undefined, { path })
  await expect(title(student, 'Join Master')).toBeVisible()
  await field(student).fill('panel@join.example')
  await send(student).click()
  await expect(title(student, 'Look into your inbox')).toBeFocused()
  await gateway.mail('panel@join.example', 'Master')

  await page.reload()
  await expect(panel.getByText('as many addresses were given as can be')).toBeVisible()
  await panel.getByRole('button', { name: 'Open for as long again' }).press('Enter')
  await expect(panel.getByText('The link is open, and invites in the name of Ada.')).toBeVisible()
  await panel.getByRole('button', { name: 'Revoke' }).press('Enter')
  await expect(panel.getByRole('button', { name: 'Yes, revoke it' })).toBeFocused()
  await expectAccessible(page)
  await panel.getByRole('button', { name: 'Yes, revoke it' }).press('Enter')
  await expect(panel.getByRole('heading', { name: 'Course link' })).toBeFocused()
  await expect(panel.getByText('The last link was revoked.')).toBeVisible()
  await expect(panel.getByRole('button', { name: 'Make the link' })).toBeVisible()
})

test('a link that is not open leads to one page, whatever the reason', async ({ visit, gateway }) => {
  const { id, path } = await courseLink(gateway, 'maxUses: 1')
  const page = await visit(undefined, { path })
  await expect(title(page, 'Join Group 1')).toBeVisible()
  await gateway.query(ada, `mutation { revokeInviteLink(input: {linkId: "${id}"}) { revoked } }`)
  // It ends while it is open.
  await field(page).fill('late@join.example')
  await send(page).click()
  await expect(title(page, 'This link is not open')).toBeFocused()
  const told = await page.getByRole('main').textContent()
  await expectAccessible(page)
  await screenshot(page, 'join-not-open')
  for (const other of [path, `join#${'A'.repeat(43)}`, 'join']) {
    const another = await visit(undefined, { path: other })
    await expect(title(another, 'This link is not open')).toBeVisible()
    expect(await another.getByRole('main').textContent()).toBe(told)
  }
})

test('the page of a link speaks the language of the browser, and repairs the link', async ({ visit, gateway }) => {
  const { path } = await courseLink(gateway)
  const page = await visit(undefined, { path: `${path.replace('#', '%23')}.`, locale: 'de-DE' })
  await expect(title(page, 'Group 1 beitreten')).toBeVisible()
  await expectAccessible(page)
  const french = await visit(undefined, { path, locale: 'fr-FR' })
  await expect(title(french, 'Rejoindre Group 1')).toBeVisible()
})
