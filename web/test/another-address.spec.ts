import { expect } from '@playwright/test'
import { test } from './support/fixtures'
import { ada } from './support/gateway'
import { expectAccessible, screenshot } from './support/page'

test('a person asks for an invitation at another address, and gets it there', async ({ visit, gateway }) => {
  const invited = 'grace@address.example'
  const own = 'grace@private.example'
  await gateway.query(
    ada,
    `mutation {
      inviteUsers(input: {instanceId: "${await gateway.instanceId('Group 1')}", role: VIEWER, emails: ["${invited}"]}) {
        results { outcome }
      }
    }`,
  )
  const page = await visit(own, { path: await gateway.mailLink(invited), viewport: { width: 360, height: 740 } })
  await page.getByRole('button', { name: 'This is me, at another address' }).click()
  await expect(page.getByText(`Ask to have the invitation sent to ${own}`)).toBeVisible()
  await page.getByRole('textbox', { name: 'Who you are (optional)' }).fill('Grace, of your course')
  await expectAccessible(page)
  await screenshot(page, 'another-address-phone')
  await page.getByRole('button', { name: 'Ask for it' }).click()
  await expect(page.getByRole('heading', { name: 'The administrators of the space are asked' })).toBeFocused()
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
  await page.getByRole('link', { name: 'See my requests' }).click()
  await expect(page.getByText('You asked for an invitation to Group 1 at another address')).toBeVisible()

  const adaPage = await visit(ada, { path: 'requests' })
  const card = adaPage.getByRole('article').filter({ hasText: 'wants an invitation to Group 1 at another address' })
  await expect(card.getByText(invited)).toBeVisible()
  await expect(card.getByText(own)).toBeVisible()
  await expect(card.getByText('Grace, of your course')).toBeVisible()
  await expectAccessible(adaPage)
  await screenshot(adaPage, 'another-address-request')
  await card.getByRole('button', { name: 'Send to the other address' }).click()
  await expect(adaPage.locator('[data-announcer]')).toHaveText(/You have approved the request of/)

  const link = await gateway.mailLink(own, 'Group 1')
  const newPage = await visit(own, { path: link })
  await newPage.getByRole('button', { name: 'Accept' }).click()
  await expect(newPage.getByRole('heading', { name: 'Welcome! You have accepted the invitation.' })).toBeVisible()
})
