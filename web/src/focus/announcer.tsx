import { VisuallyHidden } from '@mantine/core'
import { useSyncExternalStore } from 'react'

let latest = { text: '', count: 0 }
const listeners = new Set<() => void>()

/** Reads out what has happened, where the focus does not say it. */
export function announce(text: string) {
  latest = { text, count: latest.count + 1 }
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** The live region of `announce`. */
export function Announcer() {
  const { text, count } = useSyncExternalStore(subscribe, () => latest)
  return (
    <VisuallyHidden role="status" data-announcer>
      {/* A new element, so that the same text is read out again. */}
      <span key={count}>{text}</span>
    </VisuallyHidden>
  )
}
