import { useSyncExternalStore } from 'react'

// Whether the gateway answers: what the browser says about the network, and what
// became of the last request.
let answered = true
const listeners = new Set<() => void>()
const tell = () => listeners.forEach((listener) => listener())

export type Line = 'up' | 'offline' | 'silent'

export const line = {
  /** `silent`: there is a network, but no answer. */
  state: (): Line => (!navigator.onLine ? 'offline' : answered ? 'up' : 'silent'),
  report(up: boolean) {
    if (answered === up) return
    answered = up
    tell()
  },
  /** Waits so many milliseconds, or until the network is back. */
  wait: (milliseconds: number) =>
    new Promise<void>((resolve) => {
      const go = () => {
        clearTimeout(timer)
        window.removeEventListener('online', go)
        resolve()
      }
      const timer = setTimeout(go, milliseconds)
      window.addEventListener('online', go)
    }),
}

window.addEventListener('online', tell)
window.addEventListener('offline', tell)

export const useLine = () =>
  useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, line.state)
