import { useMutation } from '@apollo/client/react'
import { Button, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Fault, faultsOf } from '../gateway/faults'
import { graphql } from '../generated'
import type { InstancePageQuery } from '../generated/graphql'
import { Ask } from '../obstacle/ask'
import { FaultView } from '../obstacle/obstacle'
import { useFormats } from '../texts/formats'
import { Countdown } from './countdown'

const Restore = graphql(`
  mutation Restore($input: RestoreInstanceInput!) {
    restoreInstance(input: $input) {
      restored
      instance {
        id
        state
      }
    }
  }
`)

type Deleted = NonNullable<InstancePageQuery['instance']>

/** A deleted instance: how long it can be restored, and by whom. */
export function RestorePanel({ instance, onChange }: { instance: Deleted; onChange: () => void }) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const [faults, setFaults] = useState<Fault[]>([])
  const [restore, { loading }] = useMutation(Restore, { refetchQueries: ['Spaces', 'InstancePage', 'Invitations'] })
  const { id, name, deletedAt, deletedBy, restorableUntil, restoring } = instance
  const late = restoring.obstacles.some(({ code }) => code === 'RESTORE_WINDOW_EXPIRED')
  const request = restoring.obstacles.find(({ request }) => request === 'requestRestore')

  async function carryOut() {
    setFaults([])
    try {
      await restore({ variables: { input: { instanceId: id } } })
      notifications.show({ color: 'green', message: t('restore.done', { name }) })
    } catch (error) {
      setFaults(faultsOf(error))
    }
  }

  return (
    <Paper withBorder p="lg">
      <Stack gap="md">
        <div>
          <Title order={2}>{t(late ? 'restore.gone' : 'restore.title', { name })}</Title>
          <Text c="dimmed">
            {deletedAt &&
              t(deletedBy ? 'restore.deletedBy' : 'restore.deleted', { at: moment(deletedAt), name: deletedBy?.name })}
          </Text>
        </div>
        {!late && restorableUntil && (
          <div>
            <Countdown until={restorableUntil} onEnd={onChange} fz={40} fw={600} lh={1.1} />
            <Text size="sm" c="dimmed">
              {t('restore.until', { at: moment(restorableUntil) })}
            </Text>
          </div>
        )}
        {restoring.allowed ? (
          <Group>
            <Button size="md" loading={loading} onClick={() => void carryOut()}>
              {t('restore.action')}
            </Button>
            <Text size="sm" c="dimmed">
              {t('restore.keeps')}
            </Text>
          </Group>
        ) : (
          restoring.obstacles.map((obstacle) => (
            <FaultView key={obstacle.code} fault={obstacle}>
              {obstacle === request && <Ask what="restore" instanceId={id} />}
              {!request && obstacle.request === 'requestRole' && <Ask what="role" instanceId={id} quiet />}
            </FaultView>
          ))
        )}
        {faults.map((fault, at) => (
          <FaultView key={at} fault={fault} />
        ))}
      </Stack>
    </Paper>
  )
}
