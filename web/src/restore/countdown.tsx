import { Text, type TextProps } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { clock } from '../gateway/clock'

const two = (n: number) => String(n).padStart(2, '0')

/** What is left until a moment, by the gateway's clock, each second anew. */
export function Countdown({ until, onEnd, ...look }: { until: string; onEnd?: () => void } & TextProps) {
  const { t } = useTranslation()
  const [left, setLeft] = useState(() => Date.parse(until) - clock.now())
  const over = left <= 0
  useEffect(() => {
    const timer = setInterval(() => setLeft(Date.parse(until) - clock.now()), 1_000)
    return () => clearInterval(timer)
  }, [until])
  useEffect(() => {
    if (over) onEnd?.()
  }, [over])
  if (over) return <Text {...look}>{t('restore.over')}</Text>
  const seconds = Math.floor(left / 1_000)
  const clockFace = `${two(Math.floor(seconds / 3_600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  return (
    <Text {...look} role="timer" className="digits" aria-label={t('restore.left', { time: clockFace })}>
      {clockFace}
    </Text>
  )
}
