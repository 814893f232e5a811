import { useMutation } from '@apollo/client/react'
import { useTranslation } from 'react-i18next'
import { graphql } from '../generated'
import type { DeletedSpaceFragment } from '../generated/graphql'
import { type Obstacle, RestoreCard } from '../instance/restore-card'
import { RequestForm } from '../requests/request-form'

/** Of an active space, only `state` says something. */
export const DeletedSpaceFields = graphql(`
  fragment DeletedSpace on Space {
    id
    name
    state
    deletedAt
    deletedBy {
      name
      email
    }
    restorableUntil
    restoring {
      ...Readiness
    }
  }
`)

// Without the state: what the space and its instances allow is read with it, and shown together.
const RestoreSpace = graphql(`
  mutation RestoreSpace($input: RestoreSpaceInput!) {
    restoreSpace(input: $input) {
      restored
      space {
        id
        name
      }
    }
  }
`)

type Props = {
  space: DeletedSpaceFragment
  titleOrder?: 2 | 3
  /** The person has just deleted it. */
  isResult?: boolean
  onRestored?: () => void
  onOutdated: () => void
}

/** A deleted space: how long it can be restored, and the button that restores it or asks for that. */
export function DeletedSpace({ space, titleOrder, isResult, onRestored, onOutdated }: Props) {
  const { t } = useTranslation()
  const [restore] = useMutation(RestoreSpace, { refetchQueries: ['Spaces', 'InstancePage', 'Invitations'] })
  const { id, name, deletedAt, deletedBy, restorableUntil, restoring } = space
  const expired = restoring.obstacles.filter(({ code }) => code === 'RESTORE_WINDOW_EXPIRED')
  return (
    <RestoreCard
      kind="space"
      name={name}
      deletedAt={deletedAt}
      deletedBy={deletedBy}
      restorableUntil={restorableUntil}
      allowed={restoring.allowed}
      // When the time is over, a role would not help.
      obstacles={expired.length > 0 ? expired : restoring.obstacles}
      wayOut={({ request }: Obstacle) =>
        request === 'requestRestore' && <RequestForm kind="restore" place={{ spaceId: id }} />
      }
      titleOrder={titleOrder}
      isResult={isResult}
      onRestore={async () => {
        await restore({ variables: { input: { spaceId: id } } })
        onRestored?.()
        return t('restore.space.done', { name })
      }}
      onOutdated={onOutdated}
    />
  )
}
