import { expect } from '@playwright/test'
import { test } from './support/fixtures'
import { expectAccessible, screenshot } from './support/page'

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
