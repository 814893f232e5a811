import { expect, type Page } from '@playwright/test'
import { test } from './support/fixtures'
import { ada, type Gateway } from './support/gateway'
import { expectAccessible, screenshot } from './support/page'

const phone = { width: 360, height: 740 }

/** Invites an address, as Ada. Returns the result for it. */
async function invite(gateway: Gateway, email: string, instance = 'Group 1') {
  const { inviteUsers } = await gateway.query(
    ada,
    `mutation {
      inviteUsers(input: {instanceId: "${await gateway.instanceId(instance)}", role: VIEWER, emails: ["${email}"]}) {
        results { outcome invitation { id delivery { status } } }
      }
    }`,
  )
  return inviteUsers.results[0]
}

async function refusalLinkOf(gateway: Gateway, email: string) {
  await invite(gateway, email)
  return gateway.refusalLink(email)
}

/** The page fits the screen, without scrolling to the side. */
async function expectNarrow(page: Page) {
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(phone.width)
}

async function refuse(page: Page) {
  await page.getByRole('button', { name: 'Never invite me again' }).click()
  await page.getByRole('button', { name: 'Yes, never again' }).click()
}

async function signIn(page: Page, token: string) {
  await page.getByRole('button', { name: 'Another person, with a token' }).click()
  await page.getByRole('textbox', { name: 'Token' }).fill(token)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

const title = (page: Page, name: string) => page.getByRole('heading', { level: 1, name })

test('a stranger refuses invitations by the link of the mail, and undoes it', async ({ visit, gateway }) => {
  const email = 'never@refuse.example'
  const link = await refusalLinkOf(gateway, email)
  const page = await visit(undefined, { path: link, viewport: phone })
  await expect(title(page, 'No more invitations by e-mail')).toBeVisible()
  await expect(page.getByText('neither University of Example nor any other organization')).toBeVisible()
  await expect(page.getByText('a keyed hash')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Never invite me again' })).toBeInViewport()
  // The invitation is on the same page.
  await expect(page.getByRole('heading', { level: 2, name: 'Ada invites you to Group 1' })).toBeVisible()
  await expectNarrow(page)
  await expectAccessible(page)
  await screenshot(page, 'refuse-phone')

  // It is not done by a slip of the finger.
  await page.getByRole('button', { name: 'Never invite me again' }).click()
  await expect(page.getByRole('heading', { name: `Send no more invitations to ${email}?` })).toBeFocused()
  await expectAccessible(page)
  await screenshot(page, 'refuse-confirm-phone')
  await page.getByRole('button', { name: 'Cancel' }).click()
  await expect(page.getByRole('button', { name: 'Never invite me again' })).toBeFocused()
  await refuse(page)
  const done = title(page, `DataHub sends no more invitations to ${email}`)
  await expect(done).toBeFocused()
  await expect(page.getByText('Ada invites you to Group 1')).toHaveCount(0) // it is declined
  await expectNarrow(page)
  await expectAccessible(page)
  await screenshot(page, 'refused-phone')

  const again = await invite(gateway, email)
  expect(again).toMatchObject({ outcome: 'INVITED', invitation: { delivery: { status: 'SUPPRESSED' } } })
  expect(await gateway.mails(email)).toHaveLength(1)
  const adaPage = await visit(ada, { path: `instance/${await gateway.instanceId('Group 1')}` })
  await expect(adaPage.getByRole('listitem').filter({ hasText: email }).getByText('No e-mail').first()).toBeVisible()

  await page.getByRole('button', { name: 'Sign in to undo' }).click()
  await expect(title(page, `Sign in as ${email}`)).toBeVisible()
  await expect(page.getByText('To undo this, sign in')).toBeVisible()
  await signIn(page, await gateway.token(email))
  await expect(title(page, `DataHub sends no invitations to ${email}`)).toBeVisible()
  await expectNarrow(page)
  await expectAccessible(page)
  await screenshot(page, 'refused-before-phone')
  await page.getByRole('button', { name: 'Send me invitations again' }).click()
  await expect(title(page, `DataHub sends invitations to ${email} again`)).toBeFocused()
  await expectAccessible(page)
  await screenshot(page, 'refusal-undone-phone')
  await page.getByRole('link', { name: 'Go to my spaces' }).click()
  await expect(page.getByRole('link', { name: 'Review invitation' })).toBeVisible()
  await expect(page.getByText('DataHub sends no invitations')).toHaveCount(0)

  expect(await invite(gateway, email, 'Master')).toMatchObject({ outcome: 'INVITED' })
  await gateway.mail(email, 'Master')
})

test('an invited person reads why they got the mail, refuses, and undoes it later', async ({ visit, gateway }) => {
  const email = 'notice@refuse.example'
  await invite(gateway, email)
  const page = await visit(email, { path: await gateway.mailLink(email), viewport: phone })
  const notice = page.getByRole('region', { name: 'Why you received this' })
  await expect(notice).toContainText(`Ada (${ada}) invites you to a space of University of Example.`)
  await expect(notice).toContainText(`your address ${email} was entered at DataHub`)
  await expect(notice).toContainText(
    /are deleted on \d+ \w+ \d{4}, and the record that you were invited on \d+ \w+ \d{4}/,
  )
  await expectNarrow(page)
  await expectAccessible(page)
  await screenshot(page, 'notice-phone')
  await page.getByRole('link', { name: 'Never invite me again' }).click()
  await expect(title(page, 'No more invitations by e-mail')).toBeFocused()
  await page.getByRole('link', { name: 'Back to the invitation' }).click()
  await expect(title(page, 'Ada invites you to Group 1')).toBeVisible()
  await page.getByRole('link', { name: 'Never invite me again' }).click()
  await refuse(page)
  await expect(title(page, `DataHub sends no more invitations to ${email}`)).toBeFocused()
  await expect(page.getByText('You have declined this invitation')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Send me invitations again' })).toBeVisible()

  await page.getByRole('link', { name: 'DataHub' }).click()
  await expect(page.getByText(`DataHub sends no invitations to ${email}`)).toBeVisible()
  await expectNarrow(page)
  await expectAccessible(page)
  await screenshot(page, 'refusal-reminder-phone')
  await page.getByRole('button', { name: 'Send me invitations again' }).click()
  await expect(page.getByText(`DataHub sends no invitations to ${email}`)).toHaveCount(0)
  await expect(page.locator('[data-announcer]')).toHaveText(`DataHub sends invitations to ${email} again`)
})

test('the link of an invitation that has ended still refuses', async ({ visit, gateway }) => {
  const email = 'ended@refuse.example'
  const { invitation } = await invite(gateway, email)
  const link = await gateway.refusalLink(email)
  await gateway.query(
    ada,
    `mutation { revokeInvitations(input: {invitationIds: ["${invitation.id}"]}) { results { outcome } } }`,
  )
  const page = await visit(undefined, { path: link })
  await expect(page.getByText('to the address that received the e-mail')).toBeVisible()
  await expectAccessible(page)
  await refuse(page)
  await expect(title(page, `DataHub sends no more invitations to ${email}`)).toBeFocused()
  expect((await invite(gateway, email)).invitation.delivery.status).toBe('SUPPRESSED')
})

test('a link that cannot refuse says what to do', async ({ visit, gateway }) => {
  const page = await visit(undefined, { path: `invitation?refuse#${'A'.repeat(43)}`, viewport: phone })
  await refuse(page)
  await expect(title(page, 'This link does not work any more')).toBeFocused()
  await expect(page.getByRole('link', { name: 'support@alphacruncher.com' })).toBeVisible()
  await expect(page.getByRole('link', { name: 'Go to my spaces' })).toBeVisible()
  await expectNarrow(page)
  await expectAccessible(page)
  await screenshot(page, 'refuse-unknown-phone')
  await page.goto('about:blank')
  await page.goto(`${gateway.origin}/app/invitation?refuse`)
  await expect(title(page, 'A part of this link is missing')).toBeVisible()
  await expect(page.getByRole('link', { name: 'support@alphacruncher.com' })).toBeVisible()
  await expectAccessible(page)
})

test('refusing waits for the connection, and can be tried again after an error', async ({ visit, gateway }) => {
  const email = 'offline@refuse.example'
  const link = await refusalLinkOf(gateway, email)
  const page = await visit(undefined, { path: link, interruptsNetwork: true })
  const body = JSON.stringify({
    data: null,
    errors: [{ message: 'Refused by the test.', extensions: { code: 'INTERNAL_SERVER_ERROR', retryable: true } }],
  })
  await page.route('**/graphql', (route) =>
    route.request().postData()?.includes('RefuseInvitations')
      ? route.fulfill({ status: 500, body, contentType: 'application/graphql-response+json' })
      : route.fallback(),
  )
  await refuse(page)
  await expect(page.getByText('Something went wrong in DataHub')).toBeVisible()
  await expectAccessible(page)
  await page.unrouteAll({ behavior: 'ignoreErrors' })
  await page.context().setOffline(true)
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('You are offline.')).toBeVisible()
  await page.context().setOffline(false)
  await expect(title(page, `DataHub sends no more invitations to ${email}`)).toBeFocused()
})

for (const { locale, action, confirm, notice } of [
  { locale: 'de', action: 'Mich nie wieder einladen', confirm: 'Ja, nie wieder', notice: 'Warum Sie das erhalten' },
  {
    locale: 'fr',
    action: 'Ne plus jamais m’inviter',
    confirm: 'Oui, plus jamais',
    notice: 'Pourquoi vous recevez ceci',
  },
])
  test(`refusing in the language ${locale} fits a phone`, async ({ visit, gateway }) => {
    const email = `a-long-name-of-a-person-${locale}@institute-of-long-names.refuse.example`
    const link = await refusalLinkOf(gateway, email)
    const page = await visit(undefined, { path: link, locale, viewport: phone })
    await page.getByRole('button', { name: action }).click()
    await expect(page.getByRole('region', { name: notice })).toBeVisible()
    await expectNarrow(page)
    await expectAccessible(page)
    await screenshot(page, `refuse-phone-${locale}`)
    await page.getByRole('button', { name: confirm }).click()
    await expect(page.getByRole('heading', { level: 1 })).toContainText(email)
    await expectNarrow(page)
    await screenshot(page, `refused-phone-${locale}`)
  })
