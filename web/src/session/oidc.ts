import { type User, UserManager, WebStorageStateStore } from 'oidc-client-ts'
import type { SignIn } from './configuration'
import type { Account } from './session'
import { personOf } from './token'

export const callback = `${import.meta.env.BASE_URL}callback`

/** Authorization code with PKCE (RFC 7636), renewed by refresh token; all of it in sessionStorage. */
export function provider({ issuer, clientId, resource, scope }: Extract<SignIn, { kind: 'oidc' }>) {
  const manager = new UserManager({
    authority: issuer,
    client_id: clientId,
    resource,
    scope,
    response_type: 'code',
    redirect_uri: location.origin + callback,
    post_logout_redirect_uri: location.origin + import.meta.env.BASE_URL,
    automaticSilentRenew: false, // `fresh` does, when a token is needed
    loadUserInfo: false,
    userStore: new WebStorageStateStore({ store: sessionStorage }),
    stateStore: new WebStorageStateStore({ store: sessionStorage }),
  })

  // A token that is good for a while, renewed by refresh token where there is one: once, whoever waits for it.
  let renewing: Promise<User | null> | undefined
  async function fresh() {
    const user = await manager.getUser()
    if (!user?.refresh_token || (user.expires_in ?? Infinity) > 30) return user?.access_token
    renewing ??= manager.signinSilent().finally(() => (renewing = undefined))
    return (await renewing.catch(() => user))?.access_token
  }

  const account = (user: User | null): Account | undefined => {
    if (!user || (user.expired && !user.refresh_token)) return undefined
    const person = personOf(user.access_token)
    const email = person?.email ?? user.profile.email
    if (!email) return undefined
    return {
      email,
      name: user.profile.name ?? person?.name ?? email,
      token: fresh,
    }
  }

  return {
    account: async () => account(await manager.getUser()),
    begin: (returnTo: string, another: boolean) =>
      manager.signinRedirect({ state: { returnTo }, prompt: another ? 'login' : undefined }),
    /** Ends what `begin` began; gives where the person was. */
    async complete() {
      const user = await manager.signinCallback()
      return {
        account: account(user ?? null),
        returnTo: (user?.state as { returnTo?: string } | undefined)?.returnTo ?? '/',
      }
    },
    async end() {
      const leaves = await manager.metadataService.getEndSessionEndpoint()
      if (leaves) await manager.signoutRedirect()
      else await manager.removeUser()
    },
    forget: () => manager.removeUser(),
  }
}
