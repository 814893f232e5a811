import { ApolloLink } from '@apollo/client'
import { SetContextLink } from '@apollo/client/link/context'
import { defer, from, mergeMap, type Observable, of } from 'rxjs'
import { type Fault, faultOfError } from '../fault/fault'

/** The token of one person, and what becomes of it. */
export type Credentials = {
  /** Resolves to the token, or to undefined when nobody is signed in. */
  token: () => Promise<string | undefined>
  /** Replaces a token that the gateway refused. Resolves to false if the person has to sign in again. */
  renew: (refused: string) => Promise<boolean>
  /** Is called when the gateway accepts the token. */
  onAccepted: () => void
  /** Is called when the gateway refuses the token, and it cannot be renewed. */
  onRefused: (refusal: Fault) => void
}

export async function authorizationOf({ token }: Credentials): Promise<Record<string, string>> {
  const current = await token()
  return current ? { Authorization: `Bearer ${current}` } : {}
}

/** Sends the token. */
export const authorizationLink = (credentials: Credentials) =>
  new SetContextLink(async ({ headers }) => ({ headers: { ...headers, ...(await authorizationOf(credentials)) } }))

/**
 * Sends an operation once more with a renewed token if the gateway refuses the
 * first one. A refusal with a reason is about the account: another token of it
 * would be refused as well.
 */
export const refusalLink = ({ renew, onAccepted, onRefused }: Credentials) =>
  new ApolloLink((operation, forward) => {
    const send = (isRenewed: boolean): Observable<ApolloLink.Result> =>
      defer(() => forward(operation)).pipe(
        mergeMap((result) => {
          const { Authorization } = (operation.getContext().headers ?? {}) as { Authorization?: string }
          const refusal = refusalOf(result)
          if (!refusal) {
            if (Authorization) onAccepted()
            return of(result)
          }
          if (!Authorization || isRenewed || refusal.reason) {
            onRefused(refusal)
            return of(result)
          }
          return from(renew(Authorization.replace('Bearer ', ''))).pipe(
            mergeMap((renewed) => {
              if (renewed) return send(true)
              onRefused(refusal)
              return of(result)
            }),
          )
        }),
      )
    return send(false)
  })

function refusalOf({ errors }: ApolloLink.Result): Fault | undefined {
  const error = errors?.find(({ extensions }) => extensions?.code === 'UNAUTHENTICATED')
  return error && faultOfError(error)
}
