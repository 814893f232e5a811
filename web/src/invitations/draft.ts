import { useCallback, useState } from 'react'
import type { InstanceRole } from '../generated/graphql'
import { drafts } from '../session/drafts'

/** The contents of the invite form before it is sent. */
export type Draft = {
  addresses: string[]
  /** The address that is being typed. */
  typing: string
  /** Rows of tables without an address. */
  incompleteRows: string[]
  role: InstanceRole
  message: string
}

const empty: Draft = { addresses: [], typing: '', incompleteRows: [], role: 'VIEWER', message: '' }

const isEmpty = ({ addresses, typing, incompleteRows, role, message }: Draft) =>
  addresses.length + incompleteRows.length === 0 && !typing && !message && role === empty.role

/** A person's draft for an instance. */
export function useDraft(ownerId: string, instanceId: string) {
  const name = `invite:${instanceId}`
  const [draft, setDraft] = useState<Draft>(() => ({ ...empty, ...drafts.load<Draft>(ownerId, name) }))
  const change = useCallback(
    (changes: Partial<Draft> | ((draft: Draft) => Partial<Draft>)) =>
      setDraft((before) => {
        const draft = { ...before, ...(typeof changes === 'function' ? changes(before) : changes) }
        drafts.save(ownerId, name, isEmpty(draft) ? undefined : draft)
        return draft
      }),
    [ownerId, name],
  )
  return [draft, change] as const
}
