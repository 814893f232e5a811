import { CombinedGraphQLErrors } from '@apollo/client/errors'
import type { ErrorCode } from '../generated/graphql'

export type Contact = { name: string; email: string }

/** A refusal of the gateway: an error's `extensions`, or an Obstacle. The schema's ErrorCode says what each field means. */
export type Fault = {
  /** `OFFLINE` is the page's own: no answer has come. */
  code: ErrorCode | 'OFFLINE'
  message: string
  reason?: string | null
  index?: number
  inputPath?: (string | number)[]
  email?: string
  suggestion?: string
  remedy?: string
  contacts?: Contact[]
  /** The mutation that asks `contacts`. */
  request?: string | null
  /** Where it would work. */
  instances?: { id: string; name: string }[]
  deletedAt?: string | null
  restorableUntil?: string | null
  /** Seconds. */
  retryAfter?: number | null
  support?: string
  requestId?: string
  retryable?: boolean
}

/** What an operation failed with, each of its errors. */
export function faultsOf(error: unknown): Fault[] {
  if (!CombinedGraphQLErrors.is(error)) return [{ code: 'OFFLINE', message: String(error), retryable: true }]
  return error.errors.map(({ message, extensions }) => ({ code: 'INTERNAL_SERVER_ERROR', ...extensions, message }))
}
