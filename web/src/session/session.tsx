import { ApolloProvider } from '@apollo/client/react'
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { useLocation, useNavigate } from 'react-router'
import { createGatewayClient } from '../gateway/client'
import { Submissions, SubmissionsContext } from '../invitations/submissions'
import { type Account, personOfToken } from './account'
import type { SignInMethod } from './configuration'
import { callbackPath, createIdentityProvider } from './identity-provider'

type Session = {
  signInMethod: SignInMethod
  account?: Account
  /** The gateway refused the token of the person who was signed in. */
  expired: boolean
  /** Development only. Returns false if it is not a token. */
  signInWithToken: (token: string) => boolean
  /** Goes to the identity provider, and returns to the current page. */
  signInWithProvider: (options?: { otherAccount: boolean }) => void
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
  return token && person ? { ...person, token: async () => token } : undefined
}

export function SessionProvider({ signInMethod, children }: { signInMethod: SignInMethod; children: ReactNode }) {
  const provider = useMemo(
    () => (signInMethod.kind === 'oidc' ? createIdentityProvider(signInMethod) : undefined),
    [signInMethod],
  )
  const [account, setAccount] = useState(() =>
    provider ? undefined : accountOfToken(sessionStorage.getItem(tokenKey)),
  )
  const [ready, setReady] = useState(!provider)
  const [expired, setExpired] = useState(false)
  const navigate = useNavigate()
  const { pathname, hash } = useLocation()

  // biome-ignore lint/correctness/useExhaustiveDependencies: navigate changes with each page; the provider is asked once
  useEffect(() => {
    if (!provider) return
    const signedIn =
      location.pathname === callbackPath
        ? provider.completeSignIn()
        : provider.account().then((account) => ({ account, returnTo: undefined }))
    void signedIn
      .catch(() => ({ account: undefined, returnTo: '/' }))
      .then(({ account, returnTo }) => {
        setAccount(account)
        if (returnTo) void navigate(returnTo, { replace: true })
        setReady(true)
      })
  }, [provider])

  const gateway = useMemo(
    () =>
      createGatewayClient({
        token: async () => account?.token(),
        onRefused() {
          if (!account) return
          sessionStorage.removeItem(tokenKey)
          void provider?.forget()
          setAccount(undefined)
          setExpired(true)
        },
      }),
    [account, provider],
  )
  useEffect(() => () => gateway.close(), [gateway])
  const submissions = useMemo(() => new Submissions(gateway.client, account?.email), [gateway, account])
  useEffect(() => submissions.resume(), [submissions])

  const session: Session = {
    signInMethod,
    account,
    expired,
    signInWithToken(token) {
      const account = accountOfToken(token)
      if (!account) return false
      sessionStorage.setItem(tokenKey, token)
      setAccount(account)
      setExpired(false)
      return true
    },
    signInWithProvider: ({ otherAccount } = { otherAccount: false }) =>
      void provider?.signIn(pathname + hash, otherAccount),
    signOut() {
      sessionStorage.removeItem(tokenKey)
      setExpired(false)
      setAccount(undefined)
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
