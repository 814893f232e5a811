import { expect } from '@playwright/test'
import { test } from './support/fixtures'
import { ada } from './support/gateway'

/** Texts of people that are wider than a phone unless they break. */
const wide = [
  'See you on Monday.',
  'W'.repeat(300),
  `https://meet.example/${'j'.repeat(300)}`,
  '漢'.repeat(300),
  `${'x'.repeat(64)}@${'y'.repeat(60)}.example`,
]

test('an invitation fits a phone', async ({ browser, gateway }) => {
  const instanceId = await gateway.instanceId('Group 1')
  const page = await browser.newPage({ viewport: { width: 360, height: 640 } })
  for (const [i, message] of wide.entries()) {
    const email = `${'w'.repeat(60)}${i}@${'z'.repeat(60)}.example`
    await gateway.query(
      ada,
      `mutation {
        inviteUsers(input: {instanceId: "${instanceId}", role: EDITOR, emails: ["${email}"], message: ${JSON.stringify(message)}}) {
          results { outcome }
        }
      }`,
    )
    await page.setContent((await gateway.mail(email)).html)
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    expect(width, `width of the mail that says ${message}`).toBeLessThanOrEqual(360)
    // biome-ignore lint/performance/useDomNodeTextContent: what people copy is the rendered text
    const text = await page.locator('body').innerText()
    expect(text, 'what people copy from the mail').toContain(message)
  }
  await page.close()
})
