import { expect } from '@playwright/test'
import { test } from './support/fixtures'
import { ada, type Gateway } from './support/gateway'
import { expectAccessible, screenshot } from './support/page'

async function invite(gateway: Gateway, email: string) {
  const instanceId = await gateway.instanceId('Group 1')
  await gateway.query(
    ada,
    `mutation {
      inviteUsers(input: {instanceId: "${instanceId}", role: EDITOR, emails: ["${email}"], message: "Welcome!\\nAda"}) {
        results { outcome }
      }
    }`,
  )
}

test('an invited person follows the link, changes the account and accepts', async ({ visit, gateway }) => {
  await invite(gateway, 'zoe@review.example')
  const link = await gateway.mailLink('zoe@review.example')

  const page = await visit(undefined, { path: link })
  await expect(page.getByRole('heading', { name: 'Ada invites you to Group 1' })).toBeVisible()
  await screenshot(page, 'review-signed-out')
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Sign in to accept' }).click()
  await page.getByRole('button', { name: /^Sam/ }).click()
  await expect(page.getByText('This invitation is for another account')).toBeVisible()
  await expect(page.getByText('you are signed in as sam@uni.example')).toBeVisible()
  await screenshot(page, 'review-other-account')
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Sign in with the other account' }).click()
  await page.getByRole('button', { name: 'Another person, with a token' }).click()
  await page.getByRole('textbox', { name: 'Token' }).fill(await gateway.token('zoe@review.example'))
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('button', { name: 'Accept' })).toBeVisible()
  await screenshot(page, 'review')
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Accept' }).click()
  await expect(page.getByRole('heading', { name: 'Welcome! You have accepted the invitation.' })).toBeVisible()
  await page.getByRole('link', { name: 'Open Group 1' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Group 1' })).toBeVisible()

  // The student is greeted by what they can do, not by a refusal.
  await expect(page.getByRole('heading', { name: 'Your role: Editor' })).toBeVisible()
  await expect(page.locator('[data-code]')).toHaveCount(0)

  await page.goto(`${gateway.origin}/app/${link}`)
  await expect(page.getByRole('heading', { name: 'You have already accepted this invitation' })).toBeVisible()
  await expectAccessible(page)
  await page.getByRole('link', { name: 'Open Group 1' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Group 1' })).toBeVisible()
  const stranger = await visit(undefined, { path: link })
  await expect(stranger.getByRole('heading', { name: 'This link does not lead to an invitation' })).toBeVisible()
  await screenshot(stranger, 'review-not-found')
  await expectAccessible(stranger)
})

test('an invited person finds the invitation among their spaces and declines', async ({ visit, gateway }) => {
  await invite(gateway, 'no@review.example')
  const page = await visit('no@review.example')
  await page.getByRole('link', { name: 'Review invitation' }).click()
  await page.getByRole('button', { name: 'Decline' }).click()
  await expect(page.getByRole('heading', { name: 'You have declined the invitation' })).toBeVisible()
})

test('a link without its fragment shows what is waiting for the person', async ({ visit, gateway }) => {
  const page = await visit(undefined, { path: 'invitation.' })
  await expect(page.getByRole('heading', { name: 'A part of this link is missing' })).toBeVisible()
  await expectAccessible(page)
  await invite(gateway, 'lost@review.example')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('button', { name: 'Another person, with a token' }).click()
  await page.getByRole('textbox', { name: 'Token' }).fill(await gateway.token('lost@review.example'))
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await expect(page.getByRole('heading', { name: 'These invitations are waiting for you' })).toBeVisible()
  await expectAccessible(page)
  await screenshot(page, 'review-lost-fragment')
  await page.getByRole('link', { name: 'Review invitation' }).click()
  await expect(page.getByRole('button', { name: 'Accept' })).toBeVisible()
})

test('marks that a mail program adds to a link do not lose the invitation', async ({ visit, gateway }) => {
  await invite(gateway, 'marks@review.example')
  const link = await gateway.mailLink('marks@review.example')
  const page = await visit()
  for (const path of [
    `${link}.`,
    `${link}%3E`,
    `${link}%20`,
    `${link})`,
    link.replace('#', '%23'),
    link.replace('#', '.#'),
  ]) {
    await page.goto('about:blank')
    await page.goto(`${gateway.origin}/app/${path}`)
    await expect(page.getByRole('heading', { name: 'Ada invites you to Group 1' }), path).toBeVisible()
  }
})

test('an ended invitation says whom to ask and leads home', async ({ visit, gateway }) => {
  await invite(gateway, 'ended@review.example')
  const link = await gateway.mailLink('ended@review.example')
  const page = await visit('ended@review.example', { path: link })
  await page.getByRole('button', { name: 'Decline' }).click()
  await expect(page.getByRole('heading', { name: 'You have declined the invitation' })).toBeVisible()
  await page.reload()
  await expect(page.getByText('You have declined this invitation')).toBeVisible()
  await expect(page.getByRole('link', { name: ada })).toHaveAttribute('href', `mailto:${ada}`)
  await page.getByRole('link', { name: 'Go to my spaces' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Spaces' })).toBeVisible()
})
