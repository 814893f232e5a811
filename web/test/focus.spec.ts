import { expect, type Page } from '@playwright/test'
import { test } from './support/fixtures'
import { ada, ed, type Gateway, vic } from './support/gateway'
import { addressField, openInstance, requestCard } from './support/page'

// These tests delete and restore, and count the invitations and requests that are there.
test.use({ gatewayName: 'focus' })

const focused = (page: Page) => page.locator(':focus')
const announced = (page: Page, text: string | RegExp) => expect(page.locator('[data-announcer]')).toHaveText(text)

/** Presses a button by the keyboard, as who relies on the focus does. */
const press = (page: Page, name: string | RegExp, within = page.locator('body')) =>
  within.getByRole('button', { name, exact: typeof name === 'string' }).press('Enter')

const invite = async (gateway: Gateway, ...emails: string[]) =>
  gateway.query(
    ada,
    `mutation {
      inviteUsers(input: {instanceId: "${await gateway.instanceId('Group 1')}", role: VIEWER, emails: ${JSON.stringify(emails)}}) {
        results { outcome }
      }
    }`,
  )

test('removing and editing chips', async ({ visit }) => {
  const page = await visit(ada)
  await openInstance(page, 'Group 1')
  await addressField(page).fill('a@focus.example, b@focus.example, c@focus.example, d@focus.example,')
  await press(page, 'Remove b@focus.example')
  await expect(focused(page)).toHaveAccessibleName('Remove c@focus.example')
  await announced(page, 'b@focus.example was removed')
  await press(page, 'Remove d@focus.example')
  await expect(focused(page)).toHaveAccessibleName('Remove c@focus.example')
  await press(page, 'Edit a@focus.example')
  await expect(addressField(page)).toBeFocused()
  await expect(addressField(page)).toHaveValue('a@focus.example')
  await addressField(page).fill('')
  await press(page, 'Remove c@focus.example')
  await expect(addressField(page)).toBeFocused()
})

test('correcting by suggestions and removing what is not valid', async ({ visit }) => {
  const page = await visit(ada)
  await openInstance(page, 'Group 1')
  await addressField(page).fill('one@.focus.example, two@@focus.example, foo, three@.focus.example, bar, baz,')
  await press(page, 'Use one@focus.example')
  await announced(page, 'Corrected to one@focus.example')
  await expect(focused(page)).toHaveAccessibleName('Use two@focus.example')
  await press(page, 'Use two@focus.example')
  await expect(focused(page)).toHaveAccessibleName('Remove foo')
  await focused(page).press('Enter')
  await expect(focused(page)).toHaveAccessibleName('Remove three@.focus.example')
  await press(page, 'Use three@focus.example')
  await press(page, 'Remove all 2 that are not valid')
  await expect(addressField(page)).toBeFocused()
})

test('sending invitations and closing the result', async ({ visit }) => {
  const page = await visit(ada)
  await openInstance(page, 'Group 1')
  await addressField(page).fill('sent@focus.example,')
  await press(page, 'Send one invitation')
  const title = page.getByRole('heading', { name: 'One person was invited' })
  await expect(title).toBeFocused()
  await press(page, 'Close')
  await expect(addressField(page)).toBeFocused()
})

test('resending and revoking an invitation', async ({ visit, gateway }) => {
  await invite(gateway, 'first@focus.example', 'second@focus.example')
  const page = await visit(ada)
  await openInstance(page, 'Group 1')
  await press(page, 'Send again, first@focus.example')
  await announced(page, 'The invitation of first@focus.example was sent again')
  await expect(focused(page)).toHaveAccessibleName('Send again, first@focus.example')
  await press(page, 'Revoke, first@focus.example')
  await announced(page, 'The invitation of first@focus.example was revoked')
  await expect(focused(page)).toHaveAttribute('data-email', 'first@focus.example')
})

test('asking, cancelling and withdrawing', async ({ visit }) => {
  const page = await visit(vic)
  await openInstance(page, 'Group 1')
  await press(page, 'Ask to become an administrator')
  const reason = page.getByRole('textbox', { name: 'Reason (optional)' })
  await expect(reason).toBeFocused()
  await press(page, 'Cancel')
  await expect(focused(page)).toHaveAccessibleName('Ask to become an administrator')
  await press(page, 'Ask to become an administrator')
  await press(page, 'Send request')
  await expect(focused(page)).toContainText('Your request was sent.')
  await page.getByRole('link', { name: 'See your requests' }).press('Enter')
  await expect(page.locator('#content')).toBeFocused()
  const card = requestCard(page, 'You asked to become Administrator of Econometrics 2026')
  await press(page, 'Withdraw request', card)
  await announced(page, 'You have withdrawn the request')
  await expect(card).toBeFocused()
})

test('answering requests', async ({ visit }) => {
  const viewer = await visit(vic)
  await openInstance(viewer, 'Group 1')
  await press(viewer, 'Ask to become an administrator')
  await press(viewer, 'Send request')
  await expect(viewer.getByText('Your request was sent.')).toBeVisible()
  await addressField(viewer).fill('one@ask.example,')
  await press(viewer, 'Ask to invite one person')
  await expect(viewer.getByRole('heading', { name: 'Your request was sent to the administrators' })).toBeFocused()
  const page = await visit(ada, { path: 'requests' })
  const cards = page.getByRole('article')
  await expect(cards.first()).toBeVisible()
  const count = await cards.count()
  expect(count).toBeGreaterThan(1)
  for (let left = count; left > 0; left--) {
    await press(page, 'Decline', cards.first())
    await announced(page, /^You have declined/)
    await expect(cards).toHaveCount(left - 1)
    if (left > 1) await expect(cards.first()).toBeFocused()
  }
  await expect(page.getByRole('heading', { level: 1, name: 'Requests' })).toBeFocused()
})

test('accepting and declining an invitation', async ({ visit, gateway }) => {
  await invite(gateway, 'yes@focus.example', 'no@focus.example')
  for (const [email, button, title] of [
    ['yes@focus.example', 'Accept', 'Welcome! You have accepted the invitation.'],
    ['no@focus.example', 'Decline', 'You have declined the invitation'],
  ]) {
    const page = await visit(email, { path: await gateway.mailLink(email) })
    await press(page, button)
    await expect(page.getByRole('heading', { name: title })).toBeFocused()
  }
})

test('restoring an instance', async ({ visit }) => {
  const page = await visit(ed)
  await openInstance(page, 'Group 2')
  await press(page, 'Restore')
  await expect(page.getByText('Group 2 was restored')).toBeVisible()
  await expect(page.getByRole('heading', { level: 1, name: 'Group 2' })).toBeFocused()
})

test('the menu, signing out and signing in', async ({ visit }) => {
  const page = await visit(ada)
  await expect(page.getByRole('link', { name: 'Group 1' })).toBeVisible()
  await press(page, /Account and settings/)
  await expect(page.getByRole('menuitem', { name: 'Sign out' })).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(focused(page)).toHaveAccessibleName(/Account and settings/)
  await press(page, /Account and settings/)
  await page.getByRole('menuitem', { name: 'Sign out' }).press('Enter')
  await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeFocused()
  await press(page, /^Ada/)
  await expect(page.getByRole('heading', { level: 1, name: 'Spaces' })).toBeFocused()
  await page.getByRole('link', { name: 'Group 1' }).press('Enter')
  await expect(page.locator('#content')).toBeFocused()
})
