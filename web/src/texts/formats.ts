import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'

/** Moments and durations in the person's language and time zone. */
export function useFormats() {
  const { i18n } = useTranslation()
  return useMemo(() => {
    // The browser's own variant of the language: British dates are not American ones.
    const locale = navigator.languages.find((tag) => tag.split('-')[0] === i18n.language) ?? i18n.language
    const moments = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
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
