import { expect, type Page } from '@playwright/test'
import { de } from '../src/texts/de'
import { en } from '../src/texts/en'
import { fr } from '../src/texts/fr'
import { test } from './support/fixtures'
import { ada, ed, type Gateway, mia, vic } from './support/gateway'
import {
  addressField,
  cutButtons,
  expectAccessible,
  openInstance,
  phone,
  requestCard,
  screenshot,
  trackSubscription,
} from './support/page'

// These tests delete the space of the demo world.
test.use({ gatewayName: 'spaces' })

const name = 'Econometrics 2026'

const deletedSpace = (page: Page) => page.getByRole('region', { name: `The space ${name} was deleted` })

const spaceId = async (gateway: Gateway): Promise<string> => {
  const { viewer } = await gateway.query(ada, '{ viewer { spaces(state: null) { nodes { id } } } }')
  return viewer.spaces.nodes[0].id
}

const mutateSpace = async (gateway: Gateway, mutation: 'deleteSpace' | 'restoreSpace') =>
  gateway.query(ada, `mutation { ${mutation}(input: {spaceId: "${await spaceId(gateway)}"}) { space { id } } }`)

test.beforeEach(({ gateway }) => mutateSpace(gateway, 'restoreSpace'))

test('an administrator deletes a space and restores it', async ({ visit }) => {
  const page = await visit(ada)
  const opener = page.getByRole('button', { name: `Delete space, ${name}` })
  await opener.press('Enter')
  const question = page.getByRole('heading', { name: `Delete the space ${name}?` })
  await expect(question).toBeFocused()
  await expect(page.getByText('Everybody loses access to the space')).toBeVisible()
  await expect(page.getByText(/can restore it for 24 hours, until \d/)).toBeVisible()
  await screenshot(page, 'space-delete')
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Cancel' }).press('Enter')
  await expect(question).toBeHidden()
  await expect(opener).toBeFocused()

  await opener.press('Enter')
  await page.getByRole('button', { name: 'Yes, delete it' }).press('Enter')
  await expect(page.getByRole('alert').filter({ hasText: /It can be restored until \d/ })).toBeVisible()
  await expect(deletedSpace(page).getByRole('heading')).toBeFocused()
  await expect(deletedSpace(page).getByText(/^Deleted on .* by Ada$/)).toBeVisible()
  await expect(deletedSpace(page).getByRole('timer')).toHaveText(/^23:59:\d\d$/)
  await expect(page.getByRole('link', { name: 'Group 1' })).toBeHidden()
  await expect(page.getByText('No spaces yet')).toBeHidden()
  await screenshot(page, 'space-deleted')
  await expectAccessible(page)

  await deletedSpace(page).getByRole('button', { name: 'Restore' }).press('Enter')
  await expect(page.getByRole('alert').filter({ hasText: `The space ${name} was restored` })).toBeVisible()
  await expect(page.getByRole('heading', { level: 2, name, exact: true })).toBeFocused()
  await expect(page.getByRole('link', { name: 'Group 1' })).toBeVisible()
  await expect(deletedSpace(page)).toBeHidden()
})

test('only administrators are offered to delete a space', async ({ visit }) => {
  for (const person of [mia, ed]) {
    const page = await visit(person)
    await expect(page.getByRole('link', { name: 'Distributed' })).toBeVisible()
    await expect(page.getByRole('button', { name: /Delete space/ })).toHaveCount(0)
  }
})

test('a viewer asks for a deleted space, and a manager restores it', async ({ visit, gateway }) => {
  await mutateSpace(gateway, 'deleteSpace')
  let started: Promise<void> | undefined
  const viewer = await visit(vic, {
    before: async (page) => {
      started = (await trackSubscription(page, 'requestChanged')).started
    },
  })
  await expect(deletedSpace(viewer).getByRole('link', { name: ada })).toBeVisible()
  await expect(viewer.getByRole('button', { name: 'Restore', exact: true })).toHaveCount(0)
  await expectAccessible(viewer)
  await deletedSpace(viewer).getByRole('button', { name: 'Ask for it to be restored' }).click()
  await viewer.getByRole('textbox', { name: 'Reason (optional)' }).fill('The exam is tomorrow.')
  await viewer.getByRole('button', { name: 'Send request' }).click()
  await expect(viewer.getByText('Your request was sent.')).toBeFocused()
  await screenshot(viewer, 'space-asked')
  await started

  const manager = await visit(mia)
  await expect(deletedSpace(manager).getByRole('button', { name: 'Restore' })).toBeVisible()
  await manager.getByRole('link', { name: /Requests/ }).click()
  const received = requestCard(manager, `Vic asks you to restore ${name}`)
  await received.getByRole('button', { name: 'Restore' }).click()
  await expect(received).toBeHidden()

  await expect(viewer.getByRole('link', { name: 'Group 1' })).toBeVisible()
  await expect(deletedSpace(viewer)).toBeHidden()
})

test('an instance of a deleted space leads to the space, and offers nothing that would fail', async ({
  visit,
  gateway,
}) => {
  const id = await gateway.instanceId('Group 1')
  await gateway.query(
    ada,
    `mutation { inviteUsers(input: {instanceId: "${id}", role: VIEWER, emails: ["waits@spaces.example"]}) { results { outcome } } }`,
  )
  await mutateSpace(gateway, 'deleteSpace')
  const path = `instance/${id}`

  const viewer = await visit(vic, { path })
  await expect(deletedSpace(viewer).getByRole('button', { name: 'Ask for it to be restored' })).toBeVisible()
  await expect(viewer.getByRole('heading', { name: /^Your role/ })).toHaveCount(0)
  await expect(viewer.getByRole('button', { name: 'Ask to become an administrator' })).toHaveCount(0)
  await screenshot(viewer, 'space-deleted-instance')
  await expectAccessible(viewer)

  const page = await visit(ada, { path })
  await expect(page.getByRole('button', { name: 'Revoke, waits@spaces.example' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Send again, waits@spaces.example' })).toHaveCount(0)
  await expect(page.getByRole('heading', { name: 'Invite people' })).toHaveCount(0)
  await deletedSpace(page).getByRole('button', { name: 'Restore' }).press('Enter')
  await expect(page.getByRole('alert').filter({ hasText: `The space ${name} was restored` })).toBeVisible()
  await expect(page.getByRole('heading', { name: 'Invite people' })).toBeVisible()
  await expect(addressField(page)).toBeFocused()
  await expect(page.getByRole('button', { name: 'Send again, waits@spaces.example' })).toBeVisible()
})

test('a deleted instance of a deleted space is restored after its space', async ({ visit, gateway }) => {
  const page = await visit(ada)
  await openInstance(page, 'Group 2')
  const instance = page.getByRole('region', { name: 'Group 2 was deleted' })
  await expect(instance.getByRole('button', { name: 'Restore' })).toBeVisible()
  await mutateSpace(gateway, 'deleteSpace')
  await instance.getByRole('button', { name: 'Restore' }).click()
  await expect(deletedSpace(page)).toBeVisible()
  await expect(instance.getByRole('button')).toHaveCount(0)
  await expect(instance.locator('[data-code]')).toHaveCount(1)
  await expect(instance.getByRole('timer')).toBeVisible()
  await screenshot(page, 'space-deleted-deleted-instance')
  await expectAccessible(page)
  await deletedSpace(page).getByRole('button', { name: 'Restore' }).click()
  await expect(deletedSpace(page)).toBeHidden()
  await expect(instance.getByRole('button', { name: 'Restore' })).toBeVisible()
  await expect(instance.locator('[data-code]')).toHaveCount(0)
})

test('a space is deleted while a person invites, and what they typed is kept', async ({ visit, gateway }) => {
  const page = await visit(ada)
  await openInstance(page, 'Group 1')
  await addressField(page).fill('typed@spaces.example,')
  await mutateSpace(gateway, 'deleteSpace')
  await page.getByRole('button', { name: 'Send one invitation' }).click()
  await deletedSpace(page).getByRole('button', { name: 'Restore' }).click()
  await expect(page.locator('[data-kind]')).toHaveText(['typed@spaces.example'])
  await expect(page.locator('[data-code]')).toHaveCount(0)
  await page.getByRole('button', { name: 'Send one invitation' }).click()
  await expect(page.getByRole('heading', { name: 'One person was invited' })).toBeVisible()
})

test('requests in a deleted space can be declined, not approved', async ({ visit, gateway }) => {
  await mutateSpace(gateway, 'deleteSpace')
  const page = await visit(ada, { path: 'requests' })
  const card = requestCard(page, `Mia asks to become Administrator of ${name}`)
  await expect(card.getByRole('link', { name: 'See the deleted space' })).toBeVisible()
  await expect(card.getByRole('button', { name: 'Decline' })).toBeVisible()
  await expect(card.getByRole('button', { name: 'Give the role' })).toHaveCount(0)
  await screenshot(page, 'space-deleted-requests')
  await expectAccessible(page)
  await mutateSpace(gateway, 'restoreSpace')
  await page.reload()
  await expect(card.getByRole('button', { name: 'Give the role' })).toBeVisible()
})

for (const [locale, texts] of Object.entries({ 'en-GB': en, 'de-CH': de, 'fr-CH': fr }))
  test(`${locale}: deleting and restoring a space fit a phone`, async ({ visit }) => {
    const language = locale.slice(0, 2)
    const page = await visit(ada, { locale, viewport: phone })

    async function check(screen: string) {
      for (const scheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: scheme })
        await expect(page.locator('html')).toHaveAttribute('data-mantine-color-scheme', scheme)
        await expectAccessible(page, `${screen}, ${scheme}`)
        await screenshot(page, `phone-${language}-${scheme}-${screen}`)
      }
      const width = await page.evaluate(() => document.documentElement.scrollWidth)
      expect(width, `width of ${screen}`).toBeLessThanOrEqual(phone.width)
      expect(await cutButtons(page), `cut buttons of ${screen}`).toEqual([])
    }

    await page.getByRole('button', { name: `${texts.deleteSpace.action}, ${name}` }).click()
    await expect(page.getByText(texts.deleteSpace.effect.access)).toBeVisible()
    await check('space-delete')
    await page.getByRole('button', { name: texts.deleteSpace.confirm }).click()
    await expect(page.getByRole('heading', { name: texts.restore.space.title.replace('{{name}}', name) })).toBeFocused()
    await check('space-deleted')

    const viewer = await visit(vic, { locale, viewport: phone })
    await expect(viewer.getByText(texts.fault.FORBIDDEN_SPACE.title)).toBeVisible()
    expect(await cutButtons(viewer), 'cut buttons').toEqual([])

    await page.getByRole('button', { name: texts.restore.action, exact: true }).click()
    await expect(page.getByRole('heading', { level: 2, name, exact: true })).toBeFocused()
  })
