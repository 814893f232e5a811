import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from '@playwright/test'
// @ts-expect-error: the package has no types
import Provider from 'oidc-provider'
import { test as base } from './support/fixtures'
import { screenshot } from './support/page'

const audience = 'https://datahub.example'
const clientId = 'datahub-page'

/** Less than the page requires of a token: it renews the first one before it uses it. Seconds. */
const tokenLifetime = 25

type IdentityProvider = { issuer: string; grantTypes: string[] }

const test = base.extend<object, { identityProvider: IdentityProvider }>({
  identityProvider: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright requires a pattern
    async ({}, use) => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const provider = createProvider(issuer)
      const grantTypes: string[] = []
      provider.on('grant.success', (context: { oidc: { params: { grant_type: string } } }) =>
        grantTypes.push(context.oidc.params.grant_type),
      )
      server.on('request', provider.callback())
      await use({ issuer, grantTypes })
      server.closeAllConnections()
      server.close()
    },
    { scope: 'worker' },
  ],

  gatewaySettings: [
    async ({ identityProvider: { issuer } }, use) => {
      await use({
        DATAHUB_JWKS_URL: `${issuer}/jwks`,
        DATAHUB_JWT_ISSUER: issuer,
        DATAHUB_JWT_AUDIENCE: audience,
        DATAHUB_OIDC_CLIENT_ID: clientId,
      })
    },
    { scope: 'worker' },
  ],
})

/** Accepts any address and password. */
function createProvider(issuer: string) {
  return new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        token_endpoint_auth_method: 'none',
        response_types: ['code'],
        grant_types: ['authorization_code', 'refresh_token'],
        application_type: 'native', // the port of a loopback address may differ (RFC 8252, section 7.3)
        redirect_uris: ['http://127.0.0.1/app/callback'],
        post_logout_redirect_uris: ['http://127.0.0.1/app/'],
      },
    ],
    clientBasedCORS: () => true,
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, email: id, email_verified: true, name: 'Ada of the provider' }),
    }),
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    extraTokenClaims: (_context: unknown, token: { accountId: string }) => ({
      email: token.accountId,
      email_verified: true,
    }),
    issueRefreshToken: async () => true,
    ttl: { AccessToken: tokenLifetime },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: async () => true,
        getResourceServerInfo: async () => ({
          scope: '',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: tokenLifetime,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  })
}

test('a person signs in at an identity provider, gets a renewed token, and signs out', async ({
  visit,
  identityProvider,
}) => {
  const page = await visit(undefined, { path: 'requests#inbox' })
  await expect(page.getByRole('button', { name: 'Sign in with your institution' })).toBeVisible()
  await screenshot(page, 'sign-in-identity-provider')
  await page.getByRole('button', { name: 'Sign in with your institution' }).click()
  await page.locator('input[name=login]').fill('ada@uni.example')
  await page.locator('input[name=password]').fill('any')
  await page.locator('button[type=submit]').click()
  await page.getByRole('button', { name: 'Continue' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Requests' })).toBeVisible()
  expect(page.url()).toMatch(/\/app\/requests#inbox$/)
  await expect(page.getByRole('article').first()).toBeVisible()
  expect(identityProvider.grantTypes.slice(0, 2)).toEqual(['authorization_code', 'refresh_token'])
  await page.reload()
  await expect(page.getByRole('article').first()).toBeVisible()
  await page.getByRole('button', { name: /Account and settings/ }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.getByRole('button', { name: /sign me out/i }).click()
  await expect(page.getByRole('button', { name: 'Sign in with your institution' })).toBeVisible()
})
