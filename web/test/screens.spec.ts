import { expect } from '@playwright/test'
import { de } from '../src/texts/de'
import { en } from '../src/texts/en'
import { fr } from '../src/texts/fr'
import { test } from './support/fixtures'
import { ada, ed, vic } from './support/gateway'
import { cutButtons, expectAccessible, openInstance, phone, screenshot } from './support/page'

for (const [locale, texts] of Object.entries({ 'en-GB': en, 'de-CH': de, 'fr-CH': fr }))
  test(`${locale}: every screen fits a phone and is accessible, light and dark`, async ({ visit, gateway }) => {
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

    await expect(page.getByRole('heading', { level: 1, name: texts.spaces.title })).toBeVisible()
    await expect(page.locator('html')).toHaveAttribute('lang', language)
    await expect(page.getByRole('link', { name: 'Group 3' })).toBeVisible()
    await check('spaces')

    await openInstance(page, 'Group 1')
    await expect(page.getByRole('heading', { name: texts.invite.title })).toBeVisible()
    await page
      .getByRole('textbox', { name: texts.address.label })
      .fill('myemail@.uni.edu.com, a.very.long.address.of.somebody@department.of.a.university.example, lee@gmial.com,')
    await expect(page.getByText(texts.reason.DOMAIN_LABEL_EMPTY)).toBeVisible()
    await check('invite')

    for (const [screen, instance] of [
      ['restore', 'Group 3'],
      ['distributed', 'Distributed'],
    ]) {
      await page.goto(`${gateway.origin}/app/`)
      await openInstance(page, instance)
      await expect(page.locator('[data-code]').first()).toBeVisible()
      await check(screen)
    }

    for (const [email, instance] of [
      [vic, 'Group 1'],
      [vic, 'Group 2'],
      [ed, 'Distributed'],
    ]) {
      const page = await visit(email, { locale, viewport: phone })
      await openInstance(page, instance)
      const askForRole = page.getByRole('button', { name: texts.requestForm.open.role })
      await expect(askForRole.or(page.locator('[data-code]')).first()).toBeVisible()
      expect(await cutButtons(page), `cut buttons of ${instance}`).toEqual([])
    }

    await page.goto(`${gateway.origin}/app/requests`)
    await expect(page.getByRole('article').first()).toBeVisible()
    await check('requests')

    await page.getByRole('banner').getByRole('button').click()
    await expect(page.getByRole('menuitem', { name: 'Français' })).toBeVisible()
    await check('menu')

    await page.goto(`${gateway.origin}/app/invitation#nothing`)
    await expect(page.getByRole('heading', { level: 1, name: texts.review.notFound })).toBeVisible()
    await check('review')
  })
