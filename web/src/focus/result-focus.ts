import { useEffect, useRef } from 'react'

/** Returns props for what appears as the result of what a person did: it gets the focus, and so is read out. */
export function useResultFocus<T extends HTMLElement>() {
  const ref = useRef<T>(null)
  useEffect(() => ref.current?.focus(), [])
  return { ref, tabIndex: -1 }
}
