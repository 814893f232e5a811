import { useApolloClient } from '@apollo/client/react'
import { useEffect } from 'react'
import { graphql } from '../generated'
import type { InvitationRowFragment } from '../generated/graphql'
import { InvitationRow } from './invitation'

const InvitationChanged = graphql(`
  subscription InvitationChanged($instanceId: ID!) {
    invitationChanged(instanceId: $instanceId) {
      change
      invitation {
        ...InvitationRow
      }
    }
  }
`)

/** Keeps the invitations to an instance as they are. Changes come in crowds: the cache takes those of a moment at once. */
export function useInvitationChanges(instanceId: string) {
  const client = useApolloClient()
  useEffect(() => {
    let changed: InvitationRowFragment[] = []
    let created = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const apply = () => {
      timer = undefined
      client.cache.batch({
        update: (cache) => {
          for (const data of changed)
            cache.writeFragment({
              id: cache.identify(data),
              fragment: InvitationRow,
              fragmentName: 'InvitationRow',
              data,
            })
        },
      })
      if (created) void client.refetchQueries({ include: ['Invitations'] })
      changed = []
      created = false
    }
    const watching = client
      .subscribe({ query: InvitationChanged, variables: { instanceId }, fetchPolicy: 'no-cache' })
      .subscribe({
        next({ data }) {
          if (!data) return
          changed.push(data.invitationChanged.invitation)
          created ||= data.invitationChanged.change === 'CREATED'
          timer ??= setTimeout(apply, 200)
        },
        error: () => {}, // who loses the role sees so by what she asks next
      })
    return () => {
      clearTimeout(timer)
      watching.unsubscribe()
    }
  }, [client, instanceId])
}
