import { ApolloProvider } from '@apollo/client/react'
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { useLocation, useNavigate } from 'react-router'
import type { Fault } from '../fault/fault'
import { createGatewayClient } from '../gateway/client'
import { Submissions, SubmissionsContext } from '../invitations/submissions'
import { type Account, personOfToken } from './account'
import type { SignInMethod } from './configuration'
import { drafts } from './drafts'
import { callbackPath, createIdentityProvider } from './identity-provider'

type Session = {
  signInMethod: SignInMethod
  /** The person who is signed in. It stays when the gateway refuses a token that it has accepted before. */
  account?: Account
  /** Why the gateway refuses the token. With a reason, something is wrong with the account; else it has ended. */
  refusal?: Fault
  /** The identity provider did not answer. */
  providerFailed: boolean
  /** Development only. Returns false if it is not a token. */
  signInWithToken: (token: string) => boolean
  /** Goes to the identity provider, and returns to the current page. */
  signInWithProvider: (options?: { otherAccount: boolean }) => void
  /** After a refusal: goes to the identity provider or shows how to sign in. Drafts are kept. */
  signInAgain: () => void
  /** After a refusal with a reason: asks again, with a new token where there is a refresh token. */
  retry: () => void
  signOut: () => void
}

const SessionContext = createContext<Session | undefined>(undefined)

export function useSession(): Session {
  const session = useContext(SessionContext)
  if (!session) throw new Error('useSession outside of SessionProvider')
  return session
}

/** The key in sessionStorage of a token that was not issued by an identity provider. */
const tokenKey = 'datahub:token'

function accountOfToken(token: string | null): Account | undefined {
  const person = token ? personOfToken(token) : undefined
  return token && person ? { ...person, token: async () => token, renew: async () => false } : undefined
}

type State = {
  account?: Account
  /** The gateway has accepted the account's token. */
  accepted: boolean
  refusal?: Fault
}

const signedOut: State = { accepted: false }
const ended: State = { accepted: false, refusal: { code: 'UNAUTHENTICATED', message: '' } }

export function SessionProvider({ signInMethod, children }: { signInMethod: SignInMethod; children: ReactNode }) {
  const provider = useMemo(
    () => (signInMethod.kind === 'oidc' ? createIdentityProvider(signInMethod) : undefined),
    [signInMethod],
  )
  const [{ account, refusal }, setState] = useState<State>(() => ({
    account: provider ? undefined : accountOfToken(sessionStorage.getItem(tokenKey)),
    accepted: false,
  }))
  const [ready, setReady] = useState(!provider)
  const [providerFailed, setProviderFailed] = useState(false)
  const navigate = useNavigate()
  const { pathname, search, hash } = useLocation()

  // biome-ignore lint/correctness/useExhaustiveDependencies: navigate changes with each page; the provider is asked once
  useEffect(() => {
    if (!provider) return
    async function start() {
      if (location.pathname === callbackPath) {
        const { account, returnTo } = await completeSignIn()
        setState({ account, accepted: false })
        await navigate(returnTo, { replace: true })
      } else {
        const { account, ended: hasEnded } = await accountAtProvider()
        setState(account ? { account, accepted: false } : hasEnded ? ended : signedOut)
      }
      setReady(true)
    }
    const { completeSignIn, account: accountAtProvider } = provider
    void start()
  }, [provider])

  useEffect(() => {
    if (account) drafts.forget(account.id)
  }, [account])

  const gateway = useMemo(
    () =>
      createGatewayClient({
        token: async () => account?.token(),
        renew: async (refused) => Boolean(await account?.renew(refused)),
        onAccepted: () =>
          setState((state) =>
            state.account !== account || (state.accepted && !state.refusal) ? state : { account, accepted: true },
          ),
        onRefused(refusal) {
          if (!account) return
          if (!refusal.reason) {
            sessionStorage.removeItem(tokenKey)
            void provider?.forget()
          }
          setState((state) => {
            if (state.account !== account || state.refusal) return state
            // What is on the page stays there, unless there is nothing yet.
            return refusal.reason || state.accepted ? { ...state, refusal } : { accepted: false, refusal }
          })
        },
      }),
    [account, provider],
  )
  useEffect(() => () => gateway.close(), [gateway])
  const submissions = useMemo(() => new Submissions(gateway.client, account?.id), [gateway, account])
  useEffect(() => () => submissions.close(), [submissions])
  // Also when the gateway accepts a token again that it has refused.
  const isRefused = Boolean(refusal)
  useEffect(() => {
    if (!isRefused) submissions.resume()
  }, [submissions, isRefused])

  function signInWithProvider({ otherAccount } = { otherAccount: false }) {
    setProviderFailed(false)
    provider?.signIn(pathname + search + hash, otherAccount).catch(() => setProviderFailed(true))
  }

  const session: Session = {
    signInMethod,
    account,
    refusal,
    providerFailed,
    signInWithToken(token) {
      const account = accountOfToken(token)
      if (!account) return false
      sessionStorage.setItem(tokenKey, token)
      setState({ account, accepted: false })
      return true
    },
    signInWithProvider,
    signInAgain() {
      if (provider) signInWithProvider()
      else setState(({ refusal }) => ({ accepted: false, refusal }))
    },
    async retry() {
      const refused = await account?.token()
      if (!provider || (refused && (await account?.renew(refused))))
        setState(({ account }) => ({ account: account && { ...account }, accepted: false }))
      else signInWithProvider()
    },
    signOut() {
      sessionStorage.removeItem(tokenKey)
      drafts.forget()
      submissions.forget()
      setState(signedOut)
      void provider?.signOut()
    },
  }

  if (!ready) return null
  return (
    <SessionContext value={session}>
      <ApolloProvider client={gateway.client}>
        <SubmissionsContext value={submissions}>{children}</SubmissionsContext>
      </ApolloProvider>
    </SessionContext>
  )
}
