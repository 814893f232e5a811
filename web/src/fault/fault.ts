import { CombinedGraphQLErrors } from '@apollo/client/errors'
import type { GraphQLFormattedError } from 'graphql'
import { resultOfHTTPError } from '../gateway/http-error'
import type { ErrorCode } from '../generated/graphql'

export type Contact = { name: string; email: string }

export type PlaceKind = 'instance' | 'space'

/**
 * Why the gateway refuses something: the `extensions` of an error, or an
 * Obstacle of a Readiness. The schema's ErrorCode says which fields a code has.
 */
export type Fault = {
  /** `OFFLINE` is the page's own code: the gateway did not answer. */
  code: ErrorCode | 'OFFLINE'
  message: string
  reason?: string | null
  /** Set by the page where a text depends on it. */
  placeKind?: PlaceKind
  index?: number
  inputPath?: (string | number)[]
  email?: string
  suggestion?: string
  remedy?: string
  contacts?: Contact[]
  /** The mutation that sends a request to `contacts`. */
  request?: string | null
  /** Instances for which the operation would succeed. */
  instances?: { id: string; name: string }[]
  deletedAt?: string | null
  restorableUntil?: string | null
  /** Seconds. */
  retryAfter?: number | null
  support?: string
  requestId?: string
  retryable?: boolean
}

/** Returns one fault for each GraphQL error of a failed operation. */
export function faultsOf(error: unknown): Fault[] {
  const errors = CombinedGraphQLErrors.is(error) ? error.errors : resultOfHTTPError(error)?.errors
  if (errors) return errors.map(faultOfError)
  return [{ code: isNetworkFailure(error) ? 'OFFLINE' : 'INTERNAL_SERVER_ERROR', message: String(error) }]
}

export const faultOfError = ({ message, extensions }: GraphQLFormattedError): Fault => ({
  code: 'INTERNAL_SERVER_ERROR',
  ...extensions,
  message,
})

/** fetch fails with a TypeError without a network, and with a DOMException when the time is over. */
const isNetworkFailure = (error: unknown) => error instanceof TypeError || error instanceof DOMException
