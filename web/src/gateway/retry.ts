import { ApolloLink } from '@apollo/client'
import { ServerError } from '@apollo/client/errors'
import { OperationTypeNode } from 'graphql'
import { catchError, defer, from, mergeMap, of, retry, tap, throwError } from 'rxjs'
import { connection } from './connection'
import { resultOfHTTPError } from './http-error'

/** How often an operation that the gateway cannot carry out at the moment is sent before the error is shown. */
const maxAttempts = 5

/** A limit that is over sooner than this is waited for; the person decides about any other. Seconds. */
const maxLimitWait = 10

/** Shorter waits are not shown. Milliseconds. */
const minShownWait = 1_500

/** The gateway answered, and the operation can succeed later. */
class LaterError extends Error {
  constructor(
    readonly result: ApolloLink.Result,
    /** Seconds until the operation can succeed. */
    readonly retryAfter: number,
  ) {
    super('LATER')
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
 * answers. After an answer UNAVAILABLE, or RATE_LIMITED for a few seconds, it tries
 * `maxAttempts` times in all.
 */
export const retryLink = new ApolloLink((operation, forward) =>
  defer(() => forward(operation)).pipe(
    catchError((error) => {
      const result = resultOfHTTPError(error)
      return result ? of(result) : throwError(() => error)
    }),
    tap(() => connection.report(true)),
    mergeMap((result) => {
      const later = laterErrorOf(result)
      return later ? throwError(() => later) : of(result)
    }),
    retry({
      delay: (error, attempt) => {
        const pause = Math.min(250 * 2 ** attempt, 8_000) * (0.75 + Math.random() / 2)
        if (error instanceof LaterError) {
          if (attempt >= maxAttempts) return throwError(() => error)
          const wait = Math.max(pause, error.retryAfter * 1_000)
          return from(wait >= minShownWait ? connection.waitForGateway(wait) : connection.wait(wait))
        }
        if (ServerError.is(error) && error.statusCode < 500) return throwError(() => error)
        connection.report(false)
        return from(connection.wait(pause))
      },
    }),
    catchError((error) => (error instanceof LaterError ? of(error.result) : throwError(() => error))),
  ),
)

function laterErrorOf(result: ApolloLink.Result): LaterError | undefined {
  const extensions = result.errors?.[0]?.extensions
  const retryAfter = Number(extensions?.retryAfter ?? 0)
  if (extensions?.code === 'UNAVAILABLE') return new LaterError(result, retryAfter)
  if (extensions?.code === 'RATE_LIMITED' && retryAfter > 0 && retryAfter <= maxLimitWait)
    return new LaterError(result, retryAfter)
  return undefined
}
