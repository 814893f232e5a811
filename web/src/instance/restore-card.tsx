import { Button, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { type ReactNode, useId, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Fault, faultsOf, type PlaceKind } from '../fault/fault'
import { FaultList, FaultView } from '../fault/fault-view'
import { useResultNotice } from '../focus/result-notice'
import type { ReadinessFragment } from '../generated/graphql'
import { ResultTitle } from '../review/result-title'
import { useFormats } from '../texts/formats'
import { Countdown } from './countdown'

export type Obstacle = ReadinessFragment['obstacles'][number]

type Props = {
  kind: PlaceKind
  name: string
  deletedAt?: string | null
  deletedBy?: { name: string } | null
  restorableUntil?: string | null
  /** Whether the person can restore it. */
  allowed: boolean
  /** What prevents it, as far as it is to be shown. */
  obstacles: Obstacle[]
  /** Returns the action that helps against an obstacle. */
  wayOut: (obstacle: Obstacle) => ReactNode
  titleOrder?: 2 | 3
  /** The person has just deleted it: its title gets the focus. */
  isResult?: boolean
  /** Restores it, and returns what to tell the person. */
  onRestore: () => Promise<string>
  /** What is shown may no longer be so: the time is over, or restoring it was refused. */
  onOutdated: () => void
}

/** A deleted instance or space: since when, how long it can be restored, and how. */
export function RestoreCard({
  kind,
  name,
  deletedAt,
  deletedBy,
  restorableUntil,
  allowed,
  obstacles,
  wayOut,
  titleOrder = 2,
  isResult,
  onRestore,
  onOutdated,
}: Props) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const showResult = useResultNotice()
  const titleId = useId()
  const [loading, setLoading] = useState(false)
  const [faults, setFaults] = useState<Fault[]>([])
  const expired = obstacles.some(({ code }) => code === 'RESTORE_WINDOW_EXPIRED')
  const title = t(`restore.${kind}.${expired ? 'expired' : 'title'}`, { name })

  async function submit() {
    setFaults([])
    setLoading(true)
    try {
      showResult(await onRestore())
    } catch (error) {
      setFaults(faultsOf(error).map((fault) => ({ ...fault, placeKind: kind })))
      onOutdated()
    } finally {
      setLoading(false)
    }
  }

  return (
    <Paper withBorder p="lg" component="section" aria-labelledby={titleId}>
      <Stack gap="md">
        <div className="wrap-anywhere">
          {isResult ? (
            <ResultTitle order={titleOrder} id={titleId}>
              {title}
            </ResultTitle>
          ) : (
            <Title order={titleOrder} id={titleId}>
              {title}
            </Title>
          )}
          <Text c="dimmed">
            {deletedAt &&
              t(deletedBy ? 'restore.deletedBy' : 'restore.deleted', { at: moment(deletedAt), name: deletedBy?.name })}
          </Text>
        </div>
        {!expired && restorableUntil && (
          <div>
            <Countdown until={restorableUntil} onEnd={onOutdated} fz={40} fw={600} lh={1.1} />
            <Text size="sm" c="dimmed">
              {t('restore.until', { at: moment(restorableUntil) })}
            </Text>
          </div>
        )}
        {allowed ? (
          <Group>
            <Button size="md" loading={loading} onClick={() => void submit()}>
              {t('restore.action')}
            </Button>
            <Text size="sm" c="dimmed">
              {t(`restore.${kind}.description`)}
            </Text>
          </Group>
        ) : (
          obstacles.map((obstacle) => (
            <FaultView key={obstacle.code} fault={{ ...obstacle, placeKind: kind }}>
              {wayOut(obstacle)}
            </FaultView>
          ))
        )}
        {/* What prevents it by now is said above. */}
        {allowed && <FaultList faults={faults} />}
      </Stack>
    </Paper>
  )
}
