import type { Fault } from '../gateway/faults'
import type { EmailReason } from '../generated/graphql'
import type { Judgement } from './judging'

/** What is to be said of an address: by the judgement of checkEmails or, more recent, by the refusal of a sending. */
export type Verdict = {
  kind: 'unknown' | 'good' | 'bad' | 'doubtful' | 'twice'
  reason?: EmailReason | 'RATE_LIMITED'
  suggestion?: string
  /** Seconds until it can be tried again. */
  retryAfter?: number
  /** In the gateway's words. */
  message?: string
}

/** The verdicts on a list, in its order; of two that are one, the second is `twice`. */
export function verdicts(
  texts: string[],
  judgements: ReadonlyMap<string, Judgement>,
  refusals: ReadonlyMap<string, Fault>,
): Verdict[] {
  const seen = new Set<string>()
  return texts.map((text) => {
    const judgement = judgements.get(text)
    const same = (judgement?.email ?? text.trim()).toLowerCase()
    if (seen.has(same)) return { kind: 'twice' }
    seen.add(same)
    const refusal = refusals.get(text)
    if (refusal)
      return {
        kind: 'bad',
        reason: (refusal.code === 'RATE_LIMITED' ? 'RATE_LIMITED' : refusal.reason) as Verdict['reason'],
        suggestion: refusal.suggestion,
        retryAfter: refusal.retryAfter ?? undefined,
        message: refusal.message,
      }
    if (!judgement) return { kind: 'unknown' }
    const suggestion = judgement.suggestion ?? undefined
    if (!judgement.valid) return { kind: 'bad', reason: judgement.reason ?? undefined, suggestion }
    return judgement.warning ? { kind: 'doubtful', suggestion, message: judgement.warning } : { kind: 'good' }
  })
}
