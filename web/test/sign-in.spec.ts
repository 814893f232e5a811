import { expect, type Page } from '@playwright/test'
import { test } from './support/fixtures'
import { ada } from './support/gateway'
import { addressField, expectAccessible, openInstance, screenshot } from './support/page'

const refusal = (code: string, extensions: object = {}) =>
  JSON.stringify({ errors: [{ message: 'Refused by the test.', extensions: { code, ...extensions } }] })

/** Answers every operation that the text occurs in. Returns what ends that. */
async function answer(
  page: Page,
  operation: string,
  status: number,
  body: string,
  headers: Record<string, string> = {},
) {
  await page.route('**/graphql', (route) =>
    route.request().postData()?.includes(operation)
      ? route.fulfill({
          status,
          body,
          headers,
          contentType: headers['Content-Type'] ?? 'application/graphql-response+json',
        })
      : route.fallback(),
  )
  return () => page.unrouteAll({ behavior: 'ignoreErrors' })
}

test('a person of the demo world signs in on the page that they opened, and signs out', async ({ visit }) => {
  const page = await visit(undefined, { path: 'requests' })
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible()
  await screenshot(page, 'sign-in')
  await expectAccessible(page)
  await page.getByRole('button', { name: /^Ada/ }).click()
  const title = page.getByRole('heading', { level: 1, name: 'Requests' })
  await expect(title).toBeVisible()
  await page.reload()
  await expect(title).toBeVisible()
  await page.getByRole('button', { name: /Account and settings/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible()
})

test('a token that the gateway refuses leads to signing in', async ({ visit, gateway }) => {
  const [header, payload, signature] = (await gateway.token(ada)).split('.')
  const forged = [header, payload, [...signature].reverse().join('')].join('.')
  const page = await visit(undefined, {
    interruptsNetwork: true,
    before: (page) => page.addInitScript((token) => sessionStorage.setItem('datahub:token', token), forged),
  })
  await expect(page.getByText('Your session has ended.')).toBeVisible()
  await expect(page.getByText('DataHub did not answer')).toHaveCount(0)
  await page.getByRole('button', { name: /^Ada/ }).click()
  await expect(page.getByRole('link', { name: 'Group 1' })).toBeVisible()
})

test('what is sent after the session has ended is sent once the person signs in again', async ({ visit, gateway }) => {
  const page = await visit(ada, { interruptsNetwork: true })
  await openInstance(page, 'Group 1')
  await addressField(page).fill('again@session.example,')
  const restore = await answer(page, '', 401, refusal('UNAUTHENTICATED'))
  await page.getByRole('button', { name: 'Send one invitation' }).click()
  await expect(page.getByText('This is not sent yet.')).toBeVisible()
  await expect(page.getByText('Your session has ended.')).toBeVisible()
  await page.getByRole('button', { name: 'Sign in again' }).click()
  await restore() // not before: the gateway would accept the token again
  await page.getByRole('button', { name: /^Ada/ }).click()
  await expect(page.getByRole('heading', { name: 'One person was invited' })).toBeVisible()
  await gateway.mail('again@session.example')
  expect(await gateway.mails('again@session.example')).toHaveLength(1)
})

test('what a refused token has not sent is sent once the gateway accepts it again', async ({ visit, gateway }) => {
  const page = await visit(ada, { interruptsNetwork: true })
  await openInstance(page, 'Group 1')
  await addressField(page).fill('accepted@session.example,')
  const restore = await answer(page, '', 401, refusal('UNAUTHENTICATED'))
  await page.getByRole('button', { name: 'Send one invitation' }).click()
  await expect(page.getByText('This is not sent yet.')).toBeVisible()
  await restore()
  await page.getByRole('link', { name: /^Requests/ }).click()
  await expect(page.getByText('Your session has ended.')).toBeHidden()
  await gateway.mail('accepted@session.example')
})

test('a proxy that refuses a token in plain text leads to signing in', async ({ visit }) => {
  const page = await visit(ada, {
    interruptsNetwork: true,
    before: (page) => answer(page, 'Spaces', 401, '<h1>401</h1>', { 'Content-Type': 'text/html' }),
  })
  await expect(page.getByText('Your session has ended.')).toBeVisible()
})

test('a gateway that is busy says when the page tries again', async ({ visit }) => {
  let refusals = 0
  const page = await visit(ada, {
    interruptsNetwork: true,
    before: (page) =>
      page.route('**/graphql', (route) => {
        if (!route.request().postData()?.includes('Spaces') || refusals++ > 0) return route.fallback()
        return route.fulfill({ status: 503, body: 'busy', headers: { 'Retry-After': '90' } })
      }),
  })
  await expect(page.getByText('DataHub is busy. This page tries again in 2 minutes.')).toBeVisible()
  await page.evaluate(() => dispatchEvent(new Event('online'))) // what ends the wait early
  await expect(page.getByRole('link', { name: 'Group 1' })).toBeVisible()
  await expect(page.getByText('DataHub is busy.')).toBeHidden()
})

test('a limit says how long to wait, and the person can try again', async ({ visit }) => {
  let restore = async () => {}
  const page = await visit(ada, {
    interruptsNetwork: true,
    before: async (page) => {
      restore = await answer(page, 'Spaces', 429, 'too many', { 'Retry-After': '600', 'Content-Type': 'text/plain' })
    },
  })
  await expect(page.getByText('Try again in 10 minutes.')).toBeVisible()
  await expect(page.getByText('DataHub did not answer')).toHaveCount(0)
  await restore()
  await page.reload()
  await expect(page.getByRole('link', { name: 'Group 1' })).toBeVisible()
})

test('signing out removes everything personal from the storage', async ({ visit }) => {
  const unanswered = { mode: 'invite', since: Date.now(), input: { emails: ['unanswered@session.example'] } }
  const page = await visit(ada, {
    before: (page) =>
      page.addInitScript((submission) => {
        // What another person has sent, whose session ended before it was answered.
        if (!localStorage.getItem('datahub:language'))
          localStorage.setItem('datahub:other@session.example:sending:1', submission)
      }, JSON.stringify(unanswered)),
  })
  await openInstance(page, 'Group 1')
  await addressField(page).fill('draft@session.example,')
  await expect(page.locator('[data-kind]')).toHaveText('draft@session.example')
  const kept = () => page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]))
  expect(await kept()).toContain('draft@session.example')
  expect(await kept()).toContain('unanswered@session.example')
  await page.getByRole('button', { name: /Account and settings/ }).click()
  await page.getByRole('menuitem', { name: 'Deutsch' }).click()
  await page.getByRole('button', { name: /Konto und Einstellungen/ }).click()
  await page.getByRole('menuitem', { name: 'Dunkel' }).click()
  await page.getByRole('button', { name: /Konto und Einstellungen/ }).click()
  await page.getByRole('menuitem', { name: 'Abmelden' }).click()
  await expect(page.getByRole('heading', { name: 'Anmelden' })).toBeVisible()
  expect(JSON.parse(await kept())).toEqual([
    { 'test:signed-in': 'yes' },
    { 'datahub:language': 'de', 'mantine-color-scheme-value': 'dark' },
  ])
})
