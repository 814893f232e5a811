import { useApolloClient } from '@apollo/client/react'
import { useEffect } from 'react'
import { graphql } from '../generated'

/** A request, with all the addresses that it can be about. */
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

/** Keeps what is asked for as it is: the person's own requests, and those that she can answer. */
export function useRequestChanges() {
  const client = useApolloClient()
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const watching = client.subscribe({ query: RequestChanged, fetchPolicy: 'no-cache' }).subscribe({
      next() {
        clearTimeout(timer)
        timer = setTimeout(() => void client.refetchQueries({ include: 'active' }), 150)
      },
      error: () => {},
    })
    return () => {
      clearTimeout(timer)
      watching.unsubscribe()
    }
  }, [client])
}
