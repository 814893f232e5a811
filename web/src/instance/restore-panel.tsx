import { useMutation } from '@apollo/client/react'
import { useTranslation } from 'react-i18next'
import { graphql } from '../generated'
import type { InstancePageQuery } from '../generated/graphql'
import { RequestForm } from '../requests/request-form'
import { type Obstacle, RestoreCard } from './restore-card'

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

/** A deleted instance: how long it can be restored, and by whom. In a deleted space, the way out is the space's. */
export function RestorePanel({ instance, onOutdated }: { instance: Instance; onOutdated: () => void }) {
  const { t } = useTranslation()
  const [restore] = useMutation(Restore, { refetchQueries: ['Spaces', 'InstancePage', 'Invitations'] })
  const { id, name, deletedAt, deletedBy, restorableUntil, restoring, space } = instance
  const requestable = restoring.obstacles.find(({ request }) => request === 'requestRestore')
  const obstacles = space.state === 'DELETED' ? obstaclesInDeletedSpace(restoring.obstacles) : restoring.obstacles

  function wayOut(obstacle: Obstacle) {
    if (space.state === 'DELETED') return null
    if (obstacle === requestable) return <RequestForm kind="restore" place={{ instanceId: id }} />
    if (!requestable && obstacle.request === 'requestRole')
      return <RequestForm kind="role" place={{ instanceId: id }} secondary />
  }

  return (
    <RestoreCard
      kind="instance"
      name={name}
      deletedAt={deletedAt}
      deletedBy={deletedBy}
      restorableUntil={restorableUntil}
      allowed={restoring.allowed}
      obstacles={obstacles}
      wayOut={wayOut}
      onRestore={async () => {
        const { data } = await restore({ variables: { input: { instanceId: id } } })
        const renamed = data?.restoreInstance?.previousName ? data.restoreInstance.instance.name : undefined
        return renamed ? t('restore.renamed', { name, renamed }) : t('restore.instance.done', { name })
      }}
      onOutdated={onOutdated}
    />
  )
}

/** A role would not help before the space is restored, and whom to ask for that is said beside the space. */
const obstaclesInDeletedSpace = (obstacles: Obstacle[]) =>
  obstacles.filter(({ code }) => code !== 'FORBIDDEN').map((obstacle) => ({ ...obstacle, contacts: [] }))
