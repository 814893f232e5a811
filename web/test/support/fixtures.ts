import { type BrowserContextOptions, test as base, expect, type Page } from '@playwright/test'
import { Gateway } from './gateway'

type VisitOptions = BrowserContextOptions & {
  /** Below /app/. */
  path?: string
  /** The test interrupts the network: the browser's messages about it are not problems. */
  interruptsNetwork?: boolean
  /** Is called before the page is opened. */
  before?: (page: Page) => Promise<unknown>
}

type TestFixtures = {
  /** Opens the page in a browser context of its own, signed in with the address; without one, signed out. */
  visit: (email?: string, options?: VisitOptions) => Promise<Page>
}

type WorkerFixtures = {
  /** Tests with different names have different gateways. Tests with the same name share one in each worker. */
  gatewayName: string
  /** Settings of the gateway: environment variables. */
  gatewaySettings: Record<string, string>
  gateway: Gateway
}

/** Every test fails if a page logs an error, throws one, or sends a request to another host. */
export const test = base.extend<TestFixtures, WorkerFixtures>({
  gatewayName: ['shared', { scope: 'worker', option: true }],
  gatewaySettings: [{}, { scope: 'worker', option: true }],
  gateway: [
    async ({ gatewaySettings }, use) => {
      const gateway = await Gateway.start(gatewaySettings)
      await use(gateway)
      await gateway.stop()
    },
    { scope: 'worker', timeout: 120_000 },
  ],

  async visit({ browser, gateway }, use) {
    const problems: string[] = []
    const pages: Page[] = []
    await use(async (email, { path = '', interruptsNetwork = false, before, ...contextOptions } = {}) => {
      const context = await browser.newContext(contextOptions)
      const page = await context.newPage()
      pages.push(page)
      collectProblems(page, gateway.origin, interruptsNetwork, problems)
      if (email) await page.addInitScript(signInOnce, await gateway.token(email))
      await before?.(page)
      await page.goto(`${gateway.origin}/app/${path}`)
      return page
    })
    await Promise.all(pages.map((page) => page.context().close()))
    expect(problems).toEqual([])
  },
})

/** Runs in the page before its scripts. A person who has signed out stays signed out after a reload. */
function signInOnce(token: string) {
  if (!sessionStorage.getItem('test:signed-in')) sessionStorage.setItem('datahub:token', token)
  sessionStorage.setItem('test:signed-in', 'yes')
}

function collectProblems(page: Page, origin: string, interruptsNetwork: boolean, problems: string[]) {
  // The pages of an identity provider are not under test.
  const isOurs = () => page.url().startsWith(origin)
  page.on('console', (message) => {
    if (!isOurs() || message.type() !== 'error') return
    if (interruptsNetwork && /Failed to load resource|WebSocket connection/.test(message.text())) return
    problems.push(`console: ${message.text()} (${message.location().url})`)
  })
  page.on('pageerror', (error) => problems.push(`exception: ${error.stack || error.message || JSON.stringify(error)}`))
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (isOurs() && url.protocol.startsWith('http') && url.hostname !== new URL(origin).hostname)
      problems.push(`request to another host: ${url}`)
  })
}
