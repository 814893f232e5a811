import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import Provider from 'oidc-provider'
import { freePort, shoot, world } from './world.mjs'

const audience = 'https://datahub.example'
const clientId = 'datahub-page'

let w, server, grants

before(async () => {
  const [providerPort, port] = [await freePort(), await freePort()]
  const issuer = `http://127.0.0.1:${providerPort}`
  const page = `http://127.0.0.1:${port}`
  grants = []
  const provider = new Provider(issuer, {
    clients: [{
      client_id: clientId, token_endpoint_auth_method: 'none', response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'], application_type: 'native',
      redirect_uris: [`${page}/app/callback`], post_logout_redirect_uris: [`${page}/app/`],
    }],
    clientBasedCORS: () => true,
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, email_verified: true, name: 'Ada of the provider' }) }),
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    extraTokenClaims: (_context, token) => ({ email: token.accountId, email_verified: true }),
    issueRefreshToken: async () => true,
    // Less than the page wants a token to be good for: it renews the first one at once.
    ttl: { AccessToken: 25 },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: async () => true,
        getResourceServerInfo: async () => ({ scope: '', audience, accessTokenFormat: 'jwt', accessTokenTTL: 25, jwt: { sign: { alg: 'RS256' } } }),
      },
    },
  })
  provider.on('grant.success', ({ oidc }) => grants.push(oidc.params.grant_type))
  server = provider.listen(providerPort, '127.0.0.1')
  w = await world(
    { DATAHUB_JWKS_URL: `${issuer}/jwks`, DATAHUB_JWT_ISSUER: issuer, DATAHUB_JWT_AUDIENCE: audience, DATAHUB_OIDC_CLIENT_ID: clientId },
    port,
  )
})
after(async () => {
  await w?.end()
  server?.closeAllConnections()
  server?.close()
})
afterEach(() => w.quiet())

test('signing in at an identity provider, renewed by refresh token, and out again', async () => {
  const tab = await w.visit(undefined, { path: 'requests#inbox' })
  await shoot(tab, 'oidc-sign-in')
  await tab.getByRole('button', { name: 'Sign in with your institution' }).click()
  await tab.locator('input[name=login]').fill('ada@uni.example')
  await tab.locator('input[name=password]').fill('any')
  await tab.locator('button[type=submit]').click()
  await tab.getByRole('button', { name: 'Continue' }).click()
  await tab.getByRole('heading', { level: 1, name: 'Requests' }).waitFor()
  assert.match(tab.url(), /\/app\/requests#inbox$/)
  await tab.getByRole('article').first().waitFor()
  assert.deepEqual(grants.slice(0, 2), ['authorization_code', 'refresh_token'])
  await tab.reload()
  await tab.getByRole('article').first().waitFor()
  await tab.getByRole('button', { name: /Account and settings/ }).click()
  await tab.getByRole('menuitem', { name: 'Sign out' }).click()
  await tab.getByRole('button', { name: /sign me out/i }).click()
  await tab.getByRole('button', { name: 'Sign in with your institution' }).waitFor()
})
