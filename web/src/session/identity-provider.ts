import { type ErrorResponse, ErrorTimeout, type User, UserManager, WebStorageStateStore } from 'oidc-client-ts'
import { connection } from '../gateway/connection'
import { type Account, personOfToken } from './account'
import type { SignInMethod } from './configuration'

/** Where the identity provider sends people back to. */
export const callbackPath = `${import.meta.env.BASE_URL}callback`

/** A token that expires sooner than this is renewed before it is used. Seconds. */
const minValidity = 30

/** How long the page waits for a provider that does not answer before it asks again. Milliseconds. */
const providerPause = 2_000

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
  function sharedRenewal() {
    renewal ??= renewedUser(manager).finally(() => {
      renewal = undefined
    })
    return renewal
  }

  async function token() {
    const user = await manager.getUser()
    if (!user?.refresh_token || (user.expires_in ?? Infinity) > minValidity) return user?.access_token
    return ((await sharedRenewal()) ?? user).access_token
  }

  async function renew(refused: string) {
    const user = await manager.getUser()
    if (user && user.access_token !== refused) return true // another caller has renewed it
    return Boolean(user?.refresh_token && (await sharedRenewal()))
  }

  function accountOf(user: User | null): Account | undefined {
    if (!user || (user.expired && !user.refresh_token)) return undefined
    const { sub, email = '', name } = user.profile
    const person = personOfToken(user.access_token)
    const address = person?.email || email
    return { id: address || sub, email: address, name: name ?? (address || person?.name || sub), token, renew }
  }

  return {
    /** Resolves to the account of the person who is signed in. `ended`: they were, and have to sign in again. */
    async account() {
      const user = await manager.getUser()
      const account = accountOf(user)
      return { account, ended: Boolean(user && !account) }
    },
    /** Leaves the page for the provider. `otherAccount` asks the provider to let the person choose another account. */
    signIn: (returnTo: string, otherAccount: boolean) =>
      manager.signinRedirect({ state: { returnTo }, prompt: otherAccount ? 'login' : undefined }),
    /** Completes `signIn` at the callback path. Resolves to the account, if any, and to where the person was before. */
    async completeSignIn() {
      try {
        const user = (await manager.signinCallback()) ?? null
        return { account: accountOf(user), returnTo: returnToOf(user?.state) }
      } catch (error) {
        return { account: undefined, returnTo: returnToOf((error as Partial<ErrorResponse>).state) }
      }
    },
    /** Signs out here, whether or not the provider answers, and then at the provider if it supports that. */
    async signOut() {
      const user = await manager.getUser()
      await manager.removeUser()
      // What is left of a sign-in that was not completed has the link that the person came with.
      for (const key of Object.keys(sessionStorage)) if (key.startsWith('oidc.')) sessionStorage.removeItem(key)
      const endSessionEndpoint = await manager.metadataService.getEndSessionEndpoint().catch(() => undefined)
      if (endSessionEndpoint) await manager.signoutRedirect({ id_token_hint: user?.id_token })
    },
    /** Signs out here only. */
    forget: () => manager.removeUser(),
  }
}

/** Resolves to the user with a renewed token, or to null if the provider refuses it. Waits for a provider that does not answer. */
async function renewedUser(manager: UserManager): Promise<User | null> {
  for (;;)
    try {
      return await manager.signinSilent()
    } catch (error) {
      const unanswered = error instanceof TypeError || error instanceof ErrorTimeout
      if (!unanswered) return null
      connection.report(false)
      await connection.wait(providerPause)
    }
}

const returnToOf = (state: unknown) => (state as { returnTo?: string } | undefined)?.returnTo ?? '/'
