import { ApolloProvider } from '@apollo/client/react'
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react'
import { useLocation, useNavigate } from 'react-router'
import { connect } from '../gateway/client'
import { Sendings, SendingsContext } from '../invite/sendings'
import type { SignIn } from './configuration'
import { callback, provider } from './oidc'
import { personOf } from './token'

/** Who is signed in. */
export type Account = { email: string; name: string; token: () => Promise<string | undefined> }

type Session = {
  signIn: SignIn
  account?: Account
  /** The gateway did not take the token any more. */
  expired: boolean
  /** Development: with a token that is at hand. False: it is none. */
  use: (token: string) => boolean
  /** To the identity provider, and back to where the person is. */
  leave: (another?: boolean) => void
  signOut: () => void
}

const SessionContext = createContext<Session | undefined>(undefined)

export function useSession(): Session {
  const session = useContext(SessionContext)
  if (!session) throw new Error('useSession outside of SessionProvider')
  return session
}

const stored = 'datahub:token'

function remembered(): Account | undefined {
  const token = sessionStorage.getItem(stored)
  const person = token ? personOf(token) : undefined
  return token && person ? { ...person, token: async () => token } : undefined
}

export function SessionProvider({ signIn, children }: { signIn: SignIn; children: ReactNode }) {
  const oidc = useMemo(() => (signIn.kind === 'oidc' ? provider(signIn) : undefined), [signIn])
  const [account, setAccount] = useState<Account | undefined>(() => (oidc ? undefined : remembered()))
  const [ready, setReady] = useState(!oidc)
  const [expired, setExpired] = useState(false)
  const navigate = useNavigate()
  const { pathname, hash } = useLocation()

  useEffect(() => {
    if (!oidc) return
    const returned = location.pathname === callback
    void (returned ? oidc.complete() : oidc.account().then((account) => ({ account, returnTo: undefined })))
      .catch(() => ({ account: undefined, returnTo: '/' }))
      .then(({ account, returnTo }) => {
        setAccount(account)
        if (returnTo) void navigate(returnTo, { replace: true })
        setReady(true)
      })
  }, [oidc])

  const connection = useMemo(
    () =>
      connect({
        token: async () => account?.token(),
        refused: () => {
          if (!account) return
          sessionStorage.removeItem(stored)
          void oidc?.forget()
          setAccount(undefined)
          setExpired(true)
        },
      }),
    [account, oidc],
  )
  useEffect(() => () => connection.close(), [connection])
  const sendings = useMemo(() => new Sendings(connection.client, account?.email), [connection, account])
  useEffect(() => sendings.resume(), [sendings])

  const session: Session = {
    signIn,
    account,
    expired,
    use(token) {
      const person = personOf(token)
      if (!person) return false
      sessionStorage.setItem(stored, token)
      setAccount({ ...person, token: async () => token })
      setExpired(false)
      return true
    },
    leave: (another = false) => void oidc?.begin(pathname + hash, another),
    signOut() {
      sessionStorage.removeItem(stored)
      setExpired(false)
      setAccount(undefined)
      void oidc?.end()
    },
  }

  if (!ready) return null
  return (
    <SessionContext value={session}>
      <ApolloProvider client={connection.client}>
        <SendingsContext value={sendings}>{children}</SendingsContext>
      </ApolloProvider>
    </SessionContext>
  )
}
