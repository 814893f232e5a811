import { useCallback, useState } from 'react'
import type { InstanceRole } from '../generated/graphql'

/** What somebody has typed and not sent. */
export type Draft = { addresses: string[]; typing: string; role: InstanceRole; message: string }

const empty: Draft = { addresses: [], typing: '', role: 'VIEWER', message: '' }

const place = (person: string, instanceId: string) => `datahub:${person}:draft:${instanceId}`

function load(key: string): Draft {
  try {
    return { ...empty, ...(JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<Draft>) }
  } catch {
    return empty
  }
}

/** A person's draft for an instance, kept in localStorage: neither a lost connection nor a reload loses it. */
export function useDraft(person: string, instanceId: string) {
  const key = place(person, instanceId)
  const [draft, setDraft] = useState(() => load(key))
  const change = useCallback(
    (what: Partial<Draft> | ((draft: Draft) => Partial<Draft>)) =>
      setDraft((before) => {
        const draft = { ...before, ...(typeof what === 'function' ? what(before) : what) }
        const nothing = draft.addresses.length === 0 && !draft.typing && !draft.message
        if (nothing) localStorage.removeItem(key)
        else localStorage.setItem(key, JSON.stringify(draft))
        return draft
      }),
    [key],
  )
  return [draft, change] as const
}
