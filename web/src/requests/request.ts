import { useApolloClient } from '@apollo/client/react'
import { useEffect } from 'react'
import { graphql } from '../generated'

/** A request with all its addresses: a request has at most 1,000. */
export const RequestRow = graphql(`
  fragment RequestRow on Request {
    ...RequestHead
    emails(first: 1000)
    approvedEmails(first: 1000)
  }
`)

export const RequestHead = graphql(`
  fragment RequestHead on Request {
    id
    kind
    status
    spaceName
    instanceName
    organizationName
    role
    message
    createdAt
    expiresAt
    endedAt
    endReason
    answer
    requestedBy {
      name
      email
    }
    answeredBy {
      name
      email
    }
    space {
      id
      state
    }
    instance {
      id
      state
    }
  }
`)

const RequestChanged = graphql(`
  subscription RequestChanged {
    requestChanged {
      change
      request {
        id
        status
      }
    }
  }
`)

/** Changes that follow each other faster than this lead to one refetch. Milliseconds. */
const quietPeriod = 150

/** Keeps the person's own requests, and those that they can answer, up to date. */
export function useRequestChanges() {
  const client = useApolloClient()
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const onStarted = () =>
      void client.refetchQueries({
        include: 'active',
        onQueryUpdated: ({ queryName }) => queryName === 'Requests' || queryName === 'RequestsToAnswer',
      })
    const options = { query: RequestChanged, fetchPolicy: 'no-cache', context: { onStarted } } as const
    const subscription = client.subscribe(options).subscribe({
      next() {
        clearTimeout(timer)
        timer = setTimeout(() => void client.refetchQueries({ include: 'active' }), quietPeriod)
      },
      error() {}, // the socket connects again by itself; a refused token shows in a query
    })
    return () => {
      clearTimeout(timer)
      subscription.unsubscribe()
    }
  }, [client])
}
