import type { Fault } from '../fault/fault'
import type { EmailReason } from '../generated/graphql'
import type { EmailCheck } from './email-checks'

/** What is known about an address: from checkEmails or, more recent, from the refusal to invite it. */
export type AddressStatus = {
  /** `unknown`: not checked yet. `doubtful`: valid, but with a warning. `twice`: the same as an address before it. */
  kind: 'unknown' | 'good' | 'bad' | 'doubtful' | 'twice'
  reason?: EmailReason | 'RATE_LIMITED'
  suggestion?: string
  /** Seconds until the address can be invited. */
  retryAfter?: number
  /** The gateway's explanation, in English. */
  message?: string
}

/** Returns the status of each address, in the same order. */
export function addressStatuses(
  addresses: string[],
  checks: ReadonlyMap<string, EmailCheck>,
  refusals: ReadonlyMap<string, Fault>,
): AddressStatus[] {
  const seen = new Set<string>()
  return addresses.map((address) => {
    const check = checks.get(address)
    const identity = (check?.email ?? address.trim()).toLowerCase()
    if (seen.has(identity)) return { kind: 'twice' }
    seen.add(identity)
    const refusal = refusals.get(address)
    if (refusal) return statusOfRefusal(refusal)
    return check ? statusOfCheck(check) : { kind: 'unknown' }
  })
}

function statusOfRefusal({ code, reason, suggestion, retryAfter, message }: Fault): AddressStatus {
  return {
    kind: 'bad',
    reason: (code === 'RATE_LIMITED' ? code : reason) as AddressStatus['reason'],
    suggestion,
    retryAfter: retryAfter ?? undefined,
    message,
  }
}

function statusOfCheck({ valid, reason, suggestion, warning }: EmailCheck): AddressStatus {
  const suggested = suggestion ?? undefined
  if (!valid) return { kind: 'bad', reason: reason ?? undefined, suggestion: suggested }
  return warning ? { kind: 'doubtful', suggestion: suggested, message: warning } : { kind: 'good' }
}
