import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { expect, type Page } from '@playwright/test'
import type axe from 'axe-core'

declare global {
  interface Window {
    axe?: typeof axe
  }
}

/** Opens an instance from the list of spaces. */
export async function openInstance(page: Page, name: string) {
  await page.getByRole('listitem').getByRole('link', { name, exact: true }).click()
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible()
}

export const addressField = (page: Page) => page.getByRole('textbox', { name: 'E-mail addresses' })

export const requestCard = (page: Page, title: string) => page.getByRole('article', { name: title })

const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Fails if axe finds a serious or critical violation of WCAG 2.2 AA. */
export async function expectAccessible(page: Page, message?: string) {
  // Not a script tag, which the page's Content-Security-Policy forbids. Once: it is half a megabyte.
  if (await page.evaluate(() => !window.axe)) await page.evaluate(await axeSource)
  const results = await page.evaluate(() => window.axe?.run(document, { resultTypes: ['violations'] }))
  const serious = results?.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => ({ id, elements: nodes.slice(0, 3).map(({ html, any }) => [html, any[0]?.message]) }))
  expect(serious, message).toEqual([])
}

/** A small phone. */
export const phone = { width: 360, height: 720 }

/** Returns the buttons whose text is cut off, or which stick out of the page. */
export const cutButtons = (page: Page) =>
  page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>('.mantine-Button-root')]
      .filter((button) => {
        const { left, right, width } = button.getBoundingClientRect()
        const isCut = [button, ...button.querySelectorAll<HTMLElement>('*')].some(
          (part) => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).overflowX !== 'visible',
        )
        const label = button.querySelector<HTMLElement>('.mantine-Button-label')
        const sticksOut = label && label.scrollWidth > button.clientWidth
        return width > 0 && (isCut || sticksOut || left < 0 || right > innerWidth)
      })
      .map(({ textContent }) => textContent),
  )

/** Saves a picture of the page in test/screenshots, if SCREENSHOTS is set. */
export async function screenshot(page: Page, name: string) {
  if (!process.env.SCREENSHOTS) return
  await page.evaluate(() => scrollTo(0, 0))
  await page.screenshot({ path: join(import.meta.dirname, '../screenshots', `${name}.png`), fullPage: true })
}

/**
 * Returns a promise that resolves when the page's subscription to the field has
 * started in the gateway. Has to be called before the page is opened.
 *
 * graphql-transport-ws does not acknowledge a subscription. The gateway starts
 * the operations of a WebSocket in the order in which they arrive: this sends a
 * query after the subscription, and waits for its answer.
 */
export async function trackSubscription(page: Page, field: string): Promise<{ started: Promise<void> }> {
  const query = { id: 'test', type: 'subscribe', payload: { query: '{ __typename }' } }
  let onStarted: () => void
  const started = new Promise<void>((resolve) => {
    onStarted = resolve
  })
  await page.routeWebSocket('**/graphql', (socket) => {
    const server = socket.connectToServer()
    socket.onMessage((message) => {
      server.send(message)
      const { type, payload } = JSON.parse(String(message))
      if (type === 'subscribe' && payload.query.includes(field)) server.send(JSON.stringify(query))
    })
    server.onMessage((message) => {
      if (JSON.parse(String(message)).id === query.id) onStarted()
      else socket.send(message)
    })
  })
  return { started }
}
