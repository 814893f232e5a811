import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'

/** Moments and durations in the person's language and time zone. */
export function useFormats() {
  const { i18n } = useTranslation()
  return useMemo(() => {
    const moments = new Intl.DateTimeFormat(i18n.language, { dateStyle: 'medium', timeStyle: 'short' })
    const unit = (unit: 'second' | 'minute' | 'hour', value: number) =>
      new Intl.NumberFormat(i18n.language, { style: 'unit', unit, unitDisplay: 'long' }).format(value)
    return {
      moment: (at: string) => (at ? moments.format(new Date(at)) : ''),
      /** Of so many milliseconds, rounded up. */
      duration(milliseconds: number) {
        const seconds = Math.ceil(milliseconds / 1_000)
        if (seconds < 90) return unit('second', seconds)
        return seconds < 5_400 ? unit('minute', Math.ceil(seconds / 60)) : unit('hour', Math.ceil(seconds / 3_600))
      },
    }
  }, [i18n.language])
}
