import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from '@playwright/test'
// @ts-expect-error: the package has no types
import Provider from 'oidc-provider'
import { test as base } from './fixtures'

const audience = 'https://datahub.example'
const clientId = 'datahub-page'

type ProviderOptions = {
  /** How long the access token of a sign-in is valid. Seconds. Renewed ones are valid for an hour. */
  tokenLifetime: number
  refreshTokens: boolean
}

type IdentityProvider = {
  issuer: string
  /** The grant types of the tokens that were issued. */
  grantTypes: string[]
  /** What the next tokens say about the address; undefined if they name none. */
  emailVerified: boolean | undefined
}

/** Starts an OpenID Connect provider in which every address exists, with any password. */
async function startProvider({ tokenLifetime, refreshTokens }: ProviderOptions) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const identityProvider: IdentityProvider = { issuer, grantTypes: [], emailVerified: true }
  // A page that is reloaded while it renews a token has lost the new refresh token. So only
  // the first token is renewed because of its age.
  const lifetime = ({ oidc }: { oidc: { params?: { grant_type?: string } } }) =>
    oidc.params?.grant_type === 'refresh_token' ? 3600 : tokenLifetime
  const provider = new Provider(issuer, {
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
    extraTokenClaims: (_context: unknown, token: { accountId: string }) =>
      identityProvider.emailVerified === undefined
        ? {}
        : { email: token.accountId, email_verified: identityProvider.emailVerified },
    issueRefreshToken: async () => refreshTokens,
    ttl: { AccessToken: lifetime },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: async () => true,
        getResourceServerInfo: async () => ({
          scope: '',
          audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  })
  provider.on('grant.success', (context: { oidc: { params: { grant_type: string } } }) =>
    identityProvider.grantTypes.push(context.oidc.params.grant_type),
  )
  server.on('request', provider.callback())
  return {
    identityProvider,
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Tests of a gateway whose people sign in at an identity provider. */
export const test = base.extend<object, { providerOptions: ProviderOptions; identityProvider: IdentityProvider }>({
  // Less than the page requires of a token: it renews the first one before it uses it.
  providerOptions: [
    { tokenLifetime: 25, refreshTokens: true },
    { scope: 'worker', option: true },
  ],
  identityProvider: [
    async ({ providerOptions }, use) => {
      const { identityProvider, stop } = await startProvider(providerOptions)
      await use(identityProvider)
      stop()
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

/** Signs in at the provider, on whose page the browser is. */
export async function signInAtProvider(page: Page, email: string) {
  await page.locator('input[name=login]').fill(email)
  await page.locator('input[name=password]').fill('any')
  await page.locator('button[type=submit]').click()
  await page.getByRole('button', { name: 'Continue' }).click()
}
