import { expect, type Page } from '@playwright/test'
import { test } from './support/fixtures'
import { ada, type Gateway } from './support/gateway'
import { expectAccessible, screenshot } from './support/page'

const phone = { width: 360, height: 740 }

const title = (page: Page, name: string) => page.getByRole('heading', { level: 1, name })

async function ask(page: Page, email: string) {
  await page.getByRole('textbox', { name: 'E-mail address' }).fill(email)
  await page.getByRole('button', { name: 'Send', exact: true }).click()
}

async function invite(gateway: Gateway, email: string) {
  await gateway.query(
    ada,
    `mutation {
      inviteUsers(input: {instanceId: "${await gateway.instanceId('Group 1')}", role: VIEWER, emails: ["${email}"]}) {
        results { outcome }
      }
    }`,
  )
  await gateway.mail(email)
}

test('a person whose mail never came asks for it, and every address gets the same answer', async ({
  visit,
  gateway,
}) => {
  await invite(gateway, 'zoe@pending.example')
  // An unusable link leads to the form.
  const page = await visit(undefined, { path: `invitation#${'A'.repeat(43)}`, viewport: phone })
  await page.getByRole('link', { name: 'Send me what is pending' }).click()
  await expect(title(page, 'Send me what is pending')).toBeVisible()
  await expectAccessible(page)
  await screenshot(page, 'pending-phone')

  await ask(page, 'zoe@.pending.example')
  await expect(page.getByText('The part after the @ cannot begin or end with a dot')).toBeVisible()
  await page.getByRole('button', { name: 'Use zoe@pending.example' }).click()
  await page.getByRole('button', { name: 'Send', exact: true }).click()
  for (const email of ['zoe@pending.example', 'nobody@pending.example']) {
    await expect(title(page, `If invitations are waiting for ${email}, they are on their way`)).toBeFocused()
    await expect(page.getByText('look in your spam folder')).toBeVisible()
    if (email.startsWith('nobody')) break
    await expectAccessible(page)
    await screenshot(page, 'pending-done-phone')
    await page.getByRole('button', { name: 'Try another address' }).click()
    await ask(page, 'nobody@pending.example')
  }
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(phone.width)
  // The first mail is less than ten minutes old.
  expect(await gateway.mails('zoe@pending.example')).toHaveLength(1)
  expect(await gateway.mails('nobody@pending.example')).toHaveLength(0)
})

test('signing in leads to it', async ({ visit }) => {
  const page = await visit()
  await page.getByRole('link', { name: 'Send me what is pending' }).click()
  await expect(title(page, 'Send me what is pending')).toBeVisible()
})

for (const { locale, link, field, send, done } of [
  {
    locale: 'de',
    link: 'Offene Einladungen zusenden',
    field: 'E-Mail-Adresse',
    send: 'Senden',
    done: 'Wenn Einladungen auf',
  },
  {
    locale: 'fr',
    link: 'Recevoir mes invitations en attente',
    field: 'Adresse e-mail',
    send: 'Envoyer',
    done: 'Si des invitations attendent',
  },
])
  test(`the form in the language ${locale} fits a phone`, async ({ visit }) => {
    const page = await visit(undefined, { path: 'pending', locale, viewport: phone })
    await expect(title(page, link)).toBeVisible()
    await expectAccessible(page)
    await page
      .getByRole('textbox', { name: field })
      .fill(`a-long-name-of-a-person-${locale}@institute-of-long-names.pending.example`)
    await page.getByRole('button', { name: send, exact: true }).click()
    await expect(page.getByRole('heading', { level: 1 })).toContainText(done)
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(phone.width)
    await screenshot(page, `pending-done-phone-${locale}`)
  })
