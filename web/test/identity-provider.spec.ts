import { expect, type Page } from '@playwright/test'
import { signInAtProvider, test } from './support/identity-provider'
import { expectAccessible, screenshot } from './support/page'

/** The keys of what the page has stored in the browser. */
const stored = (page: Page) => page.evaluate(() => [...Object.keys(sessionStorage), ...Object.keys(localStorage)])

test('a person signs in at an identity provider, gets a renewed token, and signs out', async ({
  visit,
  identityProvider,
}) => {
  const page = await visit(undefined, { path: 'requests#inbox' })
  await expect(page.getByRole('button', { name: 'Sign in with your institution' })).toBeVisible()
  await screenshot(page, 'sign-in-identity-provider')
  identityProvider.grantTypes.length = 0
  await page.getByRole('button', { name: 'Sign in with your institution' }).click()
  await signInAtProvider(page, 'ada@uni.example')
  await expect(page.getByRole('heading', { level: 1, name: 'Requests' })).toBeVisible()
  expect(page.url()).toMatch(/\/app\/requests#inbox$/)
  await expect(page.getByRole('article').first()).toBeVisible()
  expect(identityProvider.grantTypes).toEqual(['authorization_code', 'refresh_token'])
  await page.reload()
  await expect(page.getByRole('article').first()).toBeVisible()
  await page.getByRole('button', { name: /Account and settings/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: /sign me out/i }).click()
  await expect(page.getByRole('button', { name: 'Sign in with your institution' })).toBeVisible()
  expect(await stored(page)).toEqual(['datahub:language'])
})

test('signing out leaves nothing of a sign-in that was not completed', async ({ visit, identityProvider }) => {
  const page = await visit(undefined, { interruptsNetwork: true })
  await page.getByRole('button', { name: 'Sign in with your institution' }).click()
  await signInAtProvider(page, 'ada@uni.example')
  await expect(page.getByRole('heading', { level: 1, name: 'Spaces' })).toBeVisible()
  // A sign-in that was not completed leaves the page's address, with a token where there is one.
  await page.evaluate(() => sessionStorage.setItem('oidc.left', JSON.stringify({ data: '/invitation#token' })))
  await page.route(`${identityProvider.issuer}/**`, (route) => route.fulfill({ status: 204 })) // stays on the page
  await page.getByRole('button', { name: /Account and settings/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await expect(page.getByRole('button', { name: 'Sign in with your institution' })).toBeVisible()
  await expect.poll(() => stored(page)).toEqual(['datahub:language'])
})

for (const { emailVerified, title } of [
  { emailVerified: false, title: 'Your e-mail address is not verified' },
  { emailVerified: undefined, title: 'Your account has no e-mail address' },
])
  test(`the page says what is wrong with an account: ${title}`, async ({ visit, identityProvider }) => {
    const page = await visit(undefined, { interruptsNetwork: true })
    identityProvider.emailVerified = emailVerified
    await page.getByRole('button', { name: 'Sign in with your institution' }).click()
    await signInAtProvider(page, 'mia@uni.example')
    const heading = page.getByRole('heading', { level: 1, name: title })
    await expect(heading).toBeVisible()
    await expect(page.getByText('ask the people who manage these accounts', { exact: false })).toBeVisible()
    await expect(page.getByRole('link', { name: 'support@alphacruncher.com' })).toBeVisible()
    await expectAccessible(page)
    await screenshot(page, `account-problem-${emailVerified}`)
    await page.reload()
    await expect(heading).toBeVisible()

    identityProvider.emailVerified = true
    await page.getByRole('button', { name: 'Try again' }).click()
    await expect(page.getByRole('heading', { level: 1, name: 'Spaces' })).toBeVisible()
    await expect(heading).toBeHidden()
  })
