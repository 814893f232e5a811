import { Text, type TextProps } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { clock } from '../gateway/clock'

const twoDigits = (number: number) => String(number).padStart(2, '0')

type Props = { until: string; onEnd?: () => void } & TextProps

/** Shows the time left, by the gateway's clock, as hours, minutes and seconds. */
export function Countdown({ until, onEnd, ...textProps }: Props) {
  const { t } = useTranslation()
  const [left, setLeft] = useState(() => Date.parse(until) - clock.now())
  const over = left <= 0
  useEffect(() => {
    const timer = setInterval(() => setLeft(Date.parse(until) - clock.now()), 1_000)
    return () => clearInterval(timer)
  }, [until])
  const onEndRef = useRef(onEnd)
  useEffect(() => {
    onEndRef.current = onEnd
  })
  useEffect(() => {
    if (over) onEndRef.current?.()
  }, [over])
  if (over) return <Text {...textProps}>{t('restore.over')}</Text>
  const seconds = Math.floor(left / 1_000)
  const time = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60].map(twoDigits).join(':')
  return (
    <Text {...textProps} role="timer" className="tabular-digits" aria-label={t('restore.left', { time })}>
      {time}
    </Text>
  )
}
