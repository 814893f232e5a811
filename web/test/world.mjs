// The world of a test: a gateway of its own with the demo world, and browsers that
// fail the test at a console error or a foreign host.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'

const web = new URL('..', import.meta.url).pathname
export const shots = join(web, 'test/screenshots')
const binary = process.env.DATAHUB_GATEWAY_BINARY ?? join(tmpdir(), `datahub-gateway-web-test-${process.pid}`)

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Builds the gateway, once for a run. */
async function build() {
  if (process.env.DATAHUB_GATEWAY_BINARY) return
  await promisify(execFile)('go', ['build', '-o', binary, '.'], { cwd: join(web, '..') })
}

/** Starts the gateway; gives its address and the people whom it prints, with their tokens. */
async function startGateway(port, environment) {
  const folder = await mkdtemp(join(tmpdir(), 'datahub-web-'))
  await chmod(folder, 0o755) // PostgreSQL's own user has to reach it
  const gateway = spawn(binary, [], {
    env: { ...process.env, DATAHUB_ADDR: `127.0.0.1:${port}`, DATAHUB_DATA_DIR: folder, ...environment },
  })
  let printed = ''
  const people = await new Promise((resolve, reject) => {
    gateway.on('exit', (code) => reject(new Error(`the gateway ended with ${code}: ${printed}`)))
    for (const stream of [gateway.stdout, gateway.stderr])
      stream.on('data', (data) => {
        printed += data
        const people = [...printed.matchAll(/^((\S+)@\S+), (.+)\n(\S+)\n/gm)]
        if (people.length === 6)
          resolve(people.map(([, email, name, description, token]) => ({
            name: name[0].toUpperCase() + name.slice(1), email, description, token,
          })))
      })
  })
  return {
    people,
    folder,
    async stop() {
      gateway.removeAllListeners('exit')
      const ended = new Promise((resolve) => gateway.once('exit', resolve))
      gateway.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export async function world(environment = {}, port = undefined) {
  await build()
  port ??= await freePort()
  const gateway = await startGateway(port, environment)
  const origin = `http://127.0.0.1:${port}`
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
  await mkdir(shots, { recursive: true })
  const complaints = []
  const token = (name) => gateway.people.find((person) => person.name === name)?.token

  return {
    origin,
    token,
    /** A token of anybody, with or without an account. */
    tokenOf: async (email) =>
      (await promisify(execFile)(binary, ['token', email], { env: { ...process.env, DATAHUB_DATA_DIR: gateway.folder, DATAHUB_ADDR: `127.0.0.1:${port}` } })).stdout.trim(),

    /** A browser of its own, of one person; `lost` says that lost connections are part of the story. */
    async visit(name, { lost = false, language = 'en-GB', scheme = 'light', width = 1100, height = 820, path = '' } = {}) {
      const context = await browser.newContext({
        locale: language, colorScheme: scheme, viewport: { width, height }, serviceWorkers: 'block', reducedMotion: 'reduce',
      })
      const tab = await context.newPage()
      tab.setDefaultTimeout(60_000)
      const { hostname } = new URL(origin)
      const onPage = () => tab.url().startsWith(origin) // an identity provider's pages are its own affair
      tab.on('console', (message) => {
        if (onPage() && message.type() === 'error' && !(lost && /Failed to load resource|WebSocket connection/.test(message.text())))
          complaints.push(`console: ${message.text()}`)
      })
      tab.on('pageerror', (error) => complaints.push(`error: ${error.stack}`))
      tab.on('request', (request) => {
        const url = new URL(request.url())
        if (onPage() && url.protocol.startsWith('http') && url.hostname !== hostname) complaints.push(`foreign host: ${url}`)
      })
      if (name) await tab.addInitScript((token) => {
        if (!sessionStorage.getItem('begun')) sessionStorage.setItem('datahub:token', token)
        sessionStorage.setItem('begun', 'yes')
      }, token(name) ?? name)
      await tab.goto(`${origin}/app/${path}`)
      return tab
    },

    /** Asks the gateway itself. */
    async ask(name, query, variables) {
      const response = await fetch(`${origin}/graphql`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token(name) ?? name}` },
        body: JSON.stringify({ query, variables }),
      })
      const { data, errors } = await response.json()
      assert.equal(errors, undefined, JSON.stringify(errors))
      return data
    },

    /** The newest mail to an address, once it is there. */
    async mail(to) {
      for (let tries = 0; tries < 100; tries++) {
        const mails = await (await fetch(`${origin}/mailbox.json`)).json()
        const mail = mails.find((each) => String(each.to).includes(to))
        if (mail) return mail
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      throw new Error(`no mail to ${to}`)
    },
    mails: async (to) =>
      (await (await fetch(`${origin}/mailbox.json`)).json()).filter((each) => String(each.to).includes(to)),

    /** Closes what a test has opened. What has been complained of since the last one: nothing. */
    async quiet() {
      await Promise.all(browser.contexts().map((context) => context.close()))
      assert.deepEqual(complaints.splice(0), [])
    },

    async end() {
      await browser.close()
      await gateway.stop()
      if (!process.env.DATAHUB_GATEWAY_BINARY) await rm(binary, { force: true })
    },
  }
}

const axe = await readFile(join(web, 'node_modules/axe-core/axe.min.js'), 'utf8')

/** What axe finds on a page that is serious or critical (WCAG 2.2 AA). */
export async function barriers(tab) {
  // By the debugger, so that the page's policy stands as it is.
  await tab.evaluate(axe)
  const violations = await tab.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations)
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, any }) => `${html.slice(0, 160)} (${any[0]?.message ?? ''})`).join(' | ')}`)
}

export async function shoot(tab, name) {
  await tab.evaluate(() => scrollTo(0, 0))
  await tab.screenshot({ path: join(shots, `${name}.png`), fullPage: true })
}
