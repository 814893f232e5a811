import { useMutation } from '@apollo/client/react'
import { Button, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { notifications } from '@mantine/notifications'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList, FaultView } from '../fault/fault-view'
import { graphql } from '../generated'
import type { InstancePageQuery } from '../generated/graphql'
import { RequestForm } from '../requests/request-form'
import { useFormats } from '../texts/formats'
import { Countdown } from './countdown'

const Restore = graphql(`
  mutation Restore($input: RestoreInstanceInput!) {
    restoreInstance(input: $input) {
      restored
      previousName
      instance {
        id
        name
        state
      }
    }
  }
`)

type Instance = NonNullable<InstancePageQuery['instance']>

/** A deleted instance: how long it can be restored, and by whom. */
export function RestorePanel({ instance, onExpired }: { instance: Instance; onExpired: () => void }) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const [faults, setFaults] = useState<Fault[]>([])
  const [restore, { loading }] = useMutation(Restore, { refetchQueries: ['Spaces', 'InstancePage', 'Invitations'] })
  const { id, name, deletedAt, deletedBy, restorableUntil, restoring, space } = instance
  const expired = restoring.obstacles.some(({ code }) => code === 'RESTORE_WINDOW_EXPIRED')
  const requestable = restoring.obstacles.find(({ request }) => request === 'requestRestore')

  async function submit() {
    setFaults([])
    try {
      const { data } = await restore({ variables: { input: { instanceId: id } } })
      const renamed = data?.restoreInstance?.previousName ? data.restoreInstance.instance.name : undefined
      notifications.show({
        color: 'green',
        message: renamed ? t('restore.renamed', { name, renamed }) : t('restore.done', { name }),
      })
    } catch (error) {
      setFaults(faultsOf(error))
    }
  }

  return (
    <Paper withBorder p="lg">
      <Stack gap="md">
        <div>
          <Title order={2}>{t(expired ? 'restore.expired' : 'restore.title', { name })}</Title>
          <Text c="dimmed">
            {deletedAt &&
              t(deletedBy ? 'restore.deletedBy' : 'restore.deleted', { at: moment(deletedAt), name: deletedBy?.name })}
          </Text>
        </div>
        {!expired && restorableUntil && (
          <div>
            <Countdown until={restorableUntil} onEnd={onExpired} fz={40} fw={600} lh={1.1} />
            <Text size="sm" c="dimmed">
              {t('restore.until', { at: moment(restorableUntil) })}
            </Text>
          </div>
        )}
        {restoring.allowed ? (
          <Group>
            <Button size="md" loading={loading} onClick={() => void submit()}>
              {t('restore.action')}
            </Button>
            <Text size="sm" c="dimmed">
              {t('restore.description')}
            </Text>
          </Group>
        ) : (
          restoring.obstacles.map((obstacle) => (
            <FaultView key={obstacle.code} fault={obstacle}>
              {obstacle === requestable && (
                <RequestForm
                  kind="restore"
                  instanceId={id}
                  spaceId={obstacle.code === 'SPACE_DELETED' ? space.id : undefined}
                />
              )}
              {!requestable && obstacle.request === 'requestRole' && (
                <RequestForm kind="role" instanceId={id} secondary />
              )}
            </FaultView>
          ))
        )}
        <FaultList faults={faults} />
      </Stack>
    </Paper>
  )
}
