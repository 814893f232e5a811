import { type User, UserManager, WebStorageStateStore } from 'oidc-client-ts'
import { type Account, personOfToken } from './account'
import type { SignInMethod } from './configuration'

/** Where the identity provider sends people back to. */
export const callbackPath = `${import.meta.env.BASE_URL}callback`

/** A token that expires sooner than this is renewed before it is used. Seconds. */
const minValidity = 30

/**
 * Returns the client of an OpenID Connect provider: authorization code flow with
 * PKCE (RFC 7636), renewal by refresh token. Everything is kept in sessionStorage.
 */
export function createIdentityProvider({ issuer, clientId, resource, scope }: Extract<SignInMethod, { kind: 'oidc' }>) {
  const manager = new UserManager({
    authority: issuer,
    client_id: clientId,
    resource,
    scope,
    response_type: 'code',
    redirect_uri: location.origin + callbackPath,
    post_logout_redirect_uri: location.origin + import.meta.env.BASE_URL,
    automaticSilentRenew: false, // `validToken` renews when a token is needed
    loadUserInfo: false,
    userStore: new WebStorageStateStore({ store: sessionStorage }),
    stateStore: new WebStorageStateStore({ store: sessionStorage }),
  })

  // Concurrent callers share one renewal: a refresh token may be usable only once.
  let renewal: Promise<User | null> | undefined
  async function validToken() {
    const user = await manager.getUser()
    if (!user?.refresh_token || (user.expires_in ?? Infinity) > minValidity) return user?.access_token
    renewal ??= manager.signinSilent().finally(() => {
      renewal = undefined
    })
    return (await renewal.catch(() => user))?.access_token
  }

  function accountOf(user: User | null): Account | undefined {
    if (!user || (user.expired && !user.refresh_token)) return undefined
    const person = personOfToken(user.access_token)
    const email = person?.email ?? user.profile.email
    if (!email) return undefined
    return { email, name: user.profile.name ?? person?.name ?? email, token: validToken }
  }

  return {
    account: async () => accountOf(await manager.getUser()),
    /** Leaves the page for the provider. `otherAccount` asks the provider to let the person choose another account. */
    signIn: (returnTo: string, otherAccount: boolean) =>
      manager.signinRedirect({ state: { returnTo }, prompt: otherAccount ? 'login' : undefined }),
    /** Completes `signIn` at the callback path. Resolves to the account, and to where the person was before. */
    async completeSignIn() {
      const user = await manager.signinCallback()
      const state = user?.state as { returnTo?: string } | undefined
      return { account: accountOf(user ?? null), returnTo: state?.returnTo ?? '/' }
    },
    /** Signs out here and, where the provider supports it, at the provider. */
    async signOut() {
      const endSessionEndpoint = await manager.metadataService.getEndSessionEndpoint()
      if (endSessionEndpoint) await manager.signoutRedirect()
      else await manager.removeUser()
    },
    /** Signs out here only. */
    forget: () => manager.removeUser(),
  }
}
