import { CombinedGraphQLErrors } from '@apollo/client/errors'
import type { ErrorCode } from '../generated/graphql'

export type Contact = { name: string; email: string }

/**
 * Why the gateway refuses something: the `extensions` of an error, or an
 * Obstacle of a Readiness. The schema's ErrorCode says which fields a code has.
 */
export type Fault = {
  /** `OFFLINE` is the page's own code: the gateway did not answer. */
  code: ErrorCode | 'OFFLINE'
  message: string
  reason?: string | null
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
  if (!CombinedGraphQLErrors.is(error)) return [{ code: 'OFFLINE', message: String(error), retryable: true }]
  return error.errors.map(({ message, extensions }) => ({ code: 'INTERNAL_SERVER_ERROR', ...extensions, message }))
}
