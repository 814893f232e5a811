import { useMemo } from 'react'
import { useTranslation } from 'react-i18next'

/** Returns functions that format times and durations in the page's language and the browser's time zone. */
export function useFormats() {
  const { i18n } = useTranslation()
  return useMemo(() => {
    // The browser's own variant of the language: British dates differ from American ones.
    const locale = navigator.languages.find((tag) => tag.split('-')[0] === i18n.language) ?? i18n.language
    const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
    const date = new Intl.DateTimeFormat(locale, { dateStyle: 'long' })
    const withUnit = (value: number, unit: 'second' | 'minute' | 'hour') =>
      new Intl.NumberFormat(i18n.language, { style: 'unit', unit, unitDisplay: 'long' }).format(value)
    return {
      /** Formats a DateTime of the schema; '' stays ''. */
      moment: (at: string) => (at ? dateTime.format(new Date(at)) : ''),
      /** Formats the day of a DateTime of the schema. */
      day: (at: string) => date.format(new Date(at)),
      /** Formats a number of milliseconds, rounded up to seconds, minutes or hours. */
      duration(milliseconds: number) {
        const seconds = Math.ceil(milliseconds / 1_000)
        if (seconds < 90) return withUnit(seconds, 'second')
        return seconds < 5_400
          ? withUnit(Math.ceil(seconds / 60), 'minute')
          : withUnit(Math.ceil(seconds / 3_600), 'hour')
      },
    }
  }, [i18n.language])
}
