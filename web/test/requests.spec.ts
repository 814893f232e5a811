import { expect } from '@playwright/test'
import { test } from './support/fixtures'
import { ada, vic } from './support/gateway'
import { addressField, expectAccessible, openInstance, requestCard, screenshot } from './support/page'

test('a viewer asks for invitations, and an administrator approves some of them', async ({ visit, gateway }) => {
  const viewer = await visit(vic)
  await openInstance(viewer, 'Group 1')
  await expect(viewer.getByRole('heading', { name: 'Your role: Viewer' })).toBeVisible()
  await expect(viewer.locator('[data-code]')).toHaveCount(0)
  await expect(viewer.getByRole('link', { name: ada })).toHaveAttribute('href', `mailto:${ada}`)
  await addressField(viewer).fill('friend@requests.example, other@requests.example,')
  await viewer.getByRole('textbox', { name: /Message/ }).fill('They work with us.')
  await screenshot(viewer, 'ask-for-invitations')
  await expectAccessible(viewer)
  await viewer.getByRole('button', { name: 'Ask to invite 2 people' }).click()
  await expect(viewer.getByRole('heading', { name: 'Your request was sent to the administrators' })).toBeVisible()
  await viewer.getByRole('link', { name: 'See your requests' }).click()
  const sent = requestCard(viewer, 'You asked to invite 2 people to Group 1 as Viewer')
  await expect(sent.getByText('Open', { exact: true })).toBeVisible()

  const administrator = await visit(ada, { path: 'requests' })
  const received = requestCard(administrator, 'Vic asks you to invite 2 people to Group 1 as Viewer')
  await received.getByRole('checkbox', { name: 'other@requests.example' }).uncheck()
  await received.getByRole('textbox').fill('One of them is here already.')
  await screenshot(administrator, 'requests-received')
  await expectAccessible(administrator)
  await received.getByRole('button', { name: 'Invite one person' }).click()
  await expect(received).toBeHidden()

  await expect(sent.getByText('Approved by Ada')).toBeVisible()
  await expect(sent.getByText('One of them is here already.')).toBeVisible()
  await screenshot(viewer, 'requests-sent')
  await gateway.mail('friend@requests.example')
  expect(await gateway.mails('other@requests.example')).toHaveLength(0)
})

test('a viewer asks to become an administrator, and withdraws the request', async ({ visit, gateway }) => {
  const viewer = await visit(vic)
  await openInstance(viewer, 'Group 1')
  await viewer.getByRole('button', { name: 'Ask to become an administrator' }).click()
  await viewer.getByRole('textbox', { name: 'Reason (optional)' }).fill('I run the course now.')
  await viewer.getByRole('button', { name: 'Send request' }).click()
  await expect(viewer.getByText('Your request was sent.')).toBeVisible()

  const link = await gateway.mailLink(ada, 'I run the course now.')
  expect(link).toMatch(/^request#request_/)
  const administrator = await visit(ada, { path: link })
  const received = requestCard(administrator, 'Vic asks to become Administrator of Econometrics 2026')
  await expect(received).toHaveClass(/selected/)

  await viewer.getByRole('link', { name: 'See your requests' }).click()
  const sent = requestCard(viewer, 'You asked to become Administrator of Econometrics 2026')
  await sent.getByRole('button', { name: 'Withdraw request' }).click()
  await expect(sent.getByText('Withdrawn')).toBeVisible()
  await expect(received.getByText('Withdrawn')).toBeVisible()
})
