import { useApolloClient } from '@apollo/client/react'
import { useEffect, useState } from 'react'
import { graphql } from '../generated'
import type { CheckEmailsQuery } from '../generated/graphql'
import { most } from './addresses'

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

export type Judgement = CheckEmailsQuery['checkEmails'][number]

// What the gateway has said of each text. It says the same for as long as the page is open.
const known = new Map<string, Judgement>()

/** What the gateway says of these texts, as far as it is known; what is not is asked for once typing pauses. */
export function useJudgements(texts: string[]): ReadonlyMap<string, Judgement> {
  const client = useApolloClient()
  const [present, setPresent] = useState<ReadonlyMap<string, Judgement>>(known)
  useEffect(() => {
    const unknown = [...new Set(texts)].filter((text) => text.trim() && !known.has(text)).slice(0, most)
    if (unknown.length === 0) return
    let wanted = true
    const timer = setTimeout(() => {
      client
        .query({ query: CheckEmails, variables: { emails: unknown }, fetchPolicy: 'no-cache' })
        .then(({ data }) => {
          for (const judgement of data?.checkEmails ?? []) known.set(unknown[judgement.index], judgement)
          if (wanted) setPresent(new Map(known))
        })
        .catch(() => {}) // sending says what is wrong
    }, 300)
    return () => {
      wanted = false
      clearTimeout(timer)
    }
  }, [client, texts])
  return present
}
