import { expect } from '@playwright/test'
import { ada } from './support/gateway'
import { signInAtProvider, test } from './support/identity-provider'
import { addressField, expectAccessible, openInstance, screenshot } from './support/page'

// The gateway accepts the token for half a minute after its expiry, for clocks that differ.
test.use({ gatewayName: 'expiry', providerOptions: { tokenLifetime: 5, refreshTokens: false } })

test('a token expires while a person types, and nothing is lost', async ({ visit, gateway }) => {
  const page = await visit(undefined, { interruptsNetwork: true })
  await page.getByRole('button', { name: 'Sign in with your institution' }).click()
  await signInAtProvider(page, ada)
  await openInstance(page, 'Group 1')
  await addressField(page).fill('typed@expiry.example, later@expiry.example,')
  await page.getByRole('textbox', { name: /Message/ }).fill('See you on Monday.')
  await page.getByRole('radio', { name: 'Editor' }).check()
  await addressField(page).fill('half.typed')

  // The gateway closes the WebSocket; nothing is clicked.
  await expect(page.getByText('Your session has ended.')).toBeVisible()
  await expect(page.getByText('check your connection', { exact: false })).toHaveCount(0)
  await expect(addressField(page)).toHaveValue('half.typed')
  await expect(addressField(page)).toBeFocused()
  await expectAccessible(page)
  await screenshot(page, 'session-ended')

  await page.getByRole('button', { name: 'Sign in again' }).click()
  await page.getByRole('button', { name: 'Continue' }).click() // the person is still signed in at the provider
  await expect(page.getByRole('heading', { level: 1, name: 'Group 1' })).toBeVisible()
  await expect(page.getByText('Your session has ended.')).toBeHidden()
  await expect(page.locator('[data-kind]')).toHaveText(['typed@expiry.example', 'later@expiry.example'])
  await expect(addressField(page)).toHaveValue('half.typed')
  await expect(page.getByRole('textbox', { name: /Message/ })).toHaveValue('See you on Monday.')
  await expect(page.getByRole('radio', { name: 'Editor' })).toBeChecked()
  await addressField(page).fill('')
  await page.getByRole('button', { name: 'Send 2 invitations' }).click()
  await expect(page.getByRole('heading', { name: '2 people were invited' })).toBeVisible()
  expect((await gateway.mail('typed@expiry.example')).text).toContain('See you on Monday.')
})
