import { useApolloClient } from '@apollo/client/react'
import { useEffect, useState } from 'react'
import { graphql } from '../generated'
import type { CheckEmailsQuery } from '../generated/graphql'
import { maxAddresses } from './addresses'

const CheckEmails = graphql(`
  query CheckEmails($emails: [String!]!) {
    checkEmails(emails: $emails) {
      index
      input
      email
      valid
      reason
      suggestion
      warning
    }
  }
`)

export type EmailCheck = CheckEmailsQuery['checkEmails'][number]

/** How long typing has to pause before addresses are checked. Milliseconds. */
const typingPause = 300

/** The checks so far, by address. The gateway's rules do not change while the page is open. */
const cache = new Map<string, EmailCheck>()

/** Returns the gateway's checks by address. Addresses that were not checked before follow once typing pauses. */
export function useEmailChecks(addresses: string[]): ReadonlyMap<string, EmailCheck> {
  const client = useApolloClient()
  const [checks, setChecks] = useState<ReadonlyMap<string, EmailCheck>>(cache)
  useEffect(() => {
    const unchecked = [...new Set(addresses)].filter((address) => address.trim() && !cache.has(address))
    const emails = unchecked.slice(0, maxAddresses)
    if (emails.length === 0) return
    let current = true
    const timer = setTimeout(() => {
      client
        .query({ query: CheckEmails, variables: { emails }, fetchPolicy: 'no-cache' })
        .then(({ data }) => {
          for (const check of data?.checkEmails ?? []) cache.set(emails[check.index], check)
          if (current) setChecks(new Map(cache))
        })
        .catch(() => {}) // sending the invitations checks the addresses again
    }, typingPause)
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [client, addresses])
  return checks
}
