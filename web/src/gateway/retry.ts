import { ApolloLink } from '@apollo/client'
import { ServerError } from '@apollo/client/errors'
import { OperationTypeNode } from 'graphql'
import { catchError, defer, from, mergeMap, of, retry, tap, throwError } from 'rxjs'
import { connection } from './connection'

/** How often an operation that fails with UNAVAILABLE is sent before the error is shown. */
const maxAttempts = 5

class UnavailableError extends Error {
  constructor(
    readonly result: ApolloLink.Result,
    /** Seconds until the operation can succeed. */
    readonly retryAfter: number,
  ) {
    super('UNAVAILABLE')
  }
}

/** Adds an idempotency key to every mutation: the gateway carries it out once, even if it is sent several times. */
export const idempotencyKeyLink = new ApolloLink((operation, forward) => {
  const input = operation.variables.input as { idempotencyKey?: string } | undefined
  if (operation.operationType === OperationTypeNode.MUTATION && input && !input.idempotencyKey)
    operation.variables = { ...operation.variables, input: { ...input, idempotencyKey: crypto.randomUUID() } }
  return forward(operation)
})

/**
 * Sends an operation again, with the same idempotency key, until the gateway
 * answers. After an answer UNAVAILABLE it tries `maxAttempts` times in all.
 */
export const retryLink = new ApolloLink((operation, forward) =>
  defer(() => forward(operation)).pipe(
    tap(() => connection.report(true)),
    mergeMap((result) => {
      const extensions = result.errors?.[0]?.extensions
      if (extensions?.code !== 'UNAVAILABLE') return of(result)
      return throwError(() => new UnavailableError(result, Number(extensions.retryAfter ?? 0)))
    }),
    retry({
      delay: (error, attempt) => {
        const pause = Math.min(250 * 2 ** attempt, 8_000) * (0.75 + Math.random() / 2)
        if (error instanceof UnavailableError)
          return attempt < maxAttempts
            ? from(connection.wait(Math.max(pause, error.retryAfter * 1_000)))
            : throwError(() => error)
        if (ServerError.is(error) && error.statusCode < 500) return throwError(() => error)
        connection.report(false)
        return from(connection.wait(pause))
      },
    }),
    catchError((error) => (error instanceof UnavailableError ? of(error.result) : throwError(() => error))),
  ),
)
