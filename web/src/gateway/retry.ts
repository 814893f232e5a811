import { ApolloLink } from '@apollo/client'
import { ServerError } from '@apollo/client/errors'
import { OperationTypeNode } from 'graphql'
import { catchError, defer, from, mergeMap, of, retry, tap, throwError } from 'rxjs'
import { line } from './line'

/** So often is UNAVAILABLE asked again before it is shown. */
const patience = 5

class Unavailable extends Error {
  constructor(
    readonly result: ApolloLink.Result,
    readonly seconds: number,
  ) {
    super('UNAVAILABLE')
  }
}

/** Every mutation carries a key: however often it is sent, it is carried out once. */
export const keys = new ApolloLink((operation, forward) => {
  const input = operation.variables.input as { idempotencyKey?: string } | undefined
  if (operation.operationType === OperationTypeNode.MUTATION && input && !input.idempotencyKey)
    operation.variables = { ...operation.variables, input: { ...input, idempotencyKey: crypto.randomUUID() } }
  return forward(operation)
})

/**
 * What got no answer is sent again, with the same key, until it gets one; what
 * the gateway cannot do at the moment, some times more.
 */
export const again = new ApolloLink((operation, forward) =>
  defer(() => forward(operation)).pipe(
    tap(() => line.report(true)),
    mergeMap((result) => {
      const extensions = result.errors?.[0]?.extensions
      if (extensions?.code !== 'UNAVAILABLE') return of(result)
      return throwError(() => new Unavailable(result, Number(extensions.retryAfter ?? 0)))
    }),
    retry({
      delay: (error, count) => {
        const pause = Math.min(250 * 2 ** count, 8_000) * (0.75 + Math.random() / 2)
        if (error instanceof Unavailable)
          return count < patience ? from(line.wait(Math.max(pause, error.seconds * 1_000))) : throwError(() => error)
        if (ServerError.is(error) && error.statusCode < 500) return throwError(() => error)
        line.report(false)
        return from(line.wait(pause))
      },
    }),
    catchError((error) => (error instanceof Unavailable ? of(error.result) : throwError(() => error))),
  ),
)
