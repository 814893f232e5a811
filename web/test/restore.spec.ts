import { expect } from '@playwright/test'
import { test } from './support/fixtures'
import { ed, vic } from './support/gateway'
import { expectAccessible, openInstance, requestCard, screenshot } from './support/page'

test('a viewer asks for a deleted instance, and an editor restores it', async ({ visit }) => {
  const viewer = await visit(vic)
  await openInstance(viewer, 'Group 2')
  const countdown = viewer.getByRole('timer')
  await expect(countdown).toHaveText(/^2[12]:\d\d:\d\d$/)
  const first = (await countdown.textContent()) ?? ''
  await expect(countdown).not.toHaveText(first)
  await viewer.getByRole('button', { name: 'Ask for it to be restored' }).click()
  await viewer.getByRole('button', { name: 'Send request' }).click()
  await expect(viewer.getByText('Your request was sent.')).toBeVisible()
  await screenshot(viewer, 'restore-requested')
  await expectAccessible(viewer)

  const editor = await visit(ed)
  await editor.getByRole('link', { name: /Requests/ }).click()
  await expect(requestCard(editor, 'Vic asks you to restore Group 2')).toBeVisible()
  await editor.getByRole('link', { name: 'Spaces' }).click()
  await openInstance(editor, 'Group 2')
  await screenshot(editor, 'restore')
  await expectAccessible(editor)
  await editor.getByRole('button', { name: 'Restore', exact: true }).click()
  await expect(editor.getByText('Group 2 was restored')).toBeVisible()
  await expect(editor.getByRole('timer')).toBeHidden()
})

test('an instance cannot be restored after 24 hours', async ({ visit }) => {
  const page = await visit(ed)
  await openInstance(page, 'Group 3')
  await expect(page.getByText('The 24 hours to restore it are over')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Restore', exact: true })).toBeHidden()
  await screenshot(page, 'restore-expired')
  await expectAccessible(page)
})
