import type { ApolloClient } from '@apollo/client'
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

/** Changes are collected for this long and applied together: a thousand changes render once. Milliseconds. */
const batchInterval = 200

/** Keeps the invitations to an instance up to date. */
export function useInvitationChanges(instanceId: string) {
  const client = useApolloClient()
  useEffect(() => {
    let changed: InvitationRowFragment[] = []
    let created = false
    let timer: ReturnType<typeof setTimeout> | undefined
    function apply() {
      timer = undefined
      writeInvitations(client, changed)
      if (created) void client.refetchQueries({ include: ['Invitations'] })
      changed = []
      created = false
    }
    const onStarted = () => void client.refetchQueries({ include: ['Invitations'] })
    const options = { query: InvitationChanged, variables: { instanceId }, fetchPolicy: 'no-cache' } as const
    const subscription = client.subscribe({ ...options, context: { onStarted } }).subscribe({
      next({ data }) {
        if (!data) return
        changed.push(data.invitationChanged.invitation)
        created ||= data.invitationChanged.change === 'CREATED'
        timer ??= setTimeout(apply, batchInterval)
      },
      error() {}, // the person has lost the role; the next query says so
    })
    return () => {
      clearTimeout(timer)
      subscription.unsubscribe()
    }
  }, [client, instanceId])
}

function writeInvitations(client: ApolloClient, invitations: InvitationRowFragment[]) {
  client.cache.batch({
    update(cache) {
      for (const data of invitations)
        cache.writeFragment({
          id: cache.identify(data),
          fragment: InvitationRow,
          fragmentName: 'InvitationRow',
          data,
        })
    },
  })
}
