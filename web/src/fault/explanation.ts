import { useTranslation } from 'react-i18next'
import { useFormats } from '../texts/formats'
import type { Fault } from './fault'

/** The codes for which the page has texts in every language. */
const translatedCodes = new Set([
  'FORBIDDEN',
  'NOT_FOUND',
  'INSTANCE_DISTRIBUTED',
  'INSTANCE_DELETED',
  'SPACE_DELETED',
  'RESTORE_WINDOW_EXPIRED',
  'UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
  'OFFLINE',
  'UNAUTHENTICATED',
  'RATE_LIMITED',
  'IDEMPOTENCY_KEY_REUSED',
  'INVITATION_NOT_USABLE',
  'CONFLICT',
])

/** The codes that have a text for each reason. */
const codesWithReasons = new Set(['CONFLICT', 'INVITATION_NOT_USABLE', 'UNAUTHENTICATED', 'UNAVAILABLE'])

/** The codes that have a text for restoring a space. */
const codesOfSpaces = new Set(['FORBIDDEN', 'RESTORE_WINDOW_EXPIRED'])

/** Whom to write to if the gateway names nobody. */
export const supportEmail = 'support@alphacruncher.com'

/** Returns a function that explains a fault in the page's language or, without a translation, in the gateway's English. */
export function useExplanation() {
  const { t } = useTranslation()
  const { moment, duration } = useFormats()
  return (fault: Fault) => {
    const { code, message, remedy, restorableUntil, deletedAt, retryAfter } = fault
    if (!translatedCodes.has(code)) return { title: message, remedy }
    const values = {
      until: restorableUntil ? moment(restorableUntil) : '',
      at: deletedAt ? moment(deletedAt) : '',
      wait: duration((retryAfter ?? 60) * 1_000),
    }
    const key = textKey(fault)
    return {
      title: t(`fault.${key}.title`, { ...values, defaultValue: message }),
      remedy: t(`fault.${key}.remedy`, { ...values, defaultValue: remedy ?? '' }),
    }
  }
}

/** The cast names one of the keys: which of them there are is only known at run time, hence the default values above. */
function textKey({ code, reason, placeKind, restorableUntil }: Fault) {
  const expired = restorableUntil && Date.parse(restorableUntil) < Date.now()
  if (code === 'INSTANCE_DELETED' && expired) return 'INSTANCE_GONE'
  if (code === 'SPACE_DELETED' && expired) return 'SPACE_GONE'
  if (placeKind === 'space' && codesOfSpaces.has(code)) return `${code}_SPACE` as 'FORBIDDEN'
  return (reason && codesWithReasons.has(code) ? `${code}_${reason}` : code) as 'FORBIDDEN'
}
