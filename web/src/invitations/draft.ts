import { useCallback, useState } from 'react'
import type { InstanceRole } from '../generated/graphql'

/** The contents of the invite form before it is sent. `typing` is the address that is being typed. */
export type Draft = { addresses: string[]; typing: string; role: InstanceRole; message: string }

const empty: Draft = { addresses: [], typing: '', role: 'VIEWER', message: '' }

const isEmpty = ({ addresses, typing, message }: Draft) => addresses.length === 0 && !typing && !message

function load(key: string): Draft {
  try {
    return { ...empty, ...(JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Draft>) }
  } catch {
    return empty
  }
}

/** A person's draft for an instance. It is kept in localStorage, so that a reload does not lose it. */
export function useDraft(personEmail: string, instanceId: string) {
  const key = `datahub:${personEmail}:draft:${instanceId}`
  const [draft, setDraft] = useState(() => load(key))
  const change = useCallback(
    (changes: Partial<Draft> | ((draft: Draft) => Partial<Draft>)) =>
      setDraft((before) => {
        const draft = { ...before, ...(typeof changes === 'function' ? changes(before) : changes) }
        if (isEmpty(draft)) localStorage.removeItem(key)
        else localStorage.setItem(key, JSON.stringify(draft))
        return draft
      }),
    [key],
  )
  return [draft, change] as const
}
