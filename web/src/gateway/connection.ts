import { useSyncExternalStore } from 'react'

/** `offline`: the browser has no network. `unreachable`: it has one, but the gateway did not answer the last request. */
export type ConnectionState = 'online' | 'offline' | 'unreachable'

let answered = true
const listeners = new Set<() => void>()

function notify() {
  for (const listener of listeners) listener()
}

/** The connection to the gateway. */
export const connection = {
  state: (): ConnectionState => (!navigator.onLine ? 'offline' : answered ? 'online' : 'unreachable'),
  /** Records whether the gateway answered the last request. */
  report(answer: boolean) {
    if (answered === answer) return
    answered = answer
    notify()
  },
  /** Resolves after the given number of milliseconds, or as soon as the network is back. */
  wait: (milliseconds: number) =>
    new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer)
        window.removeEventListener('online', end)
        resolve()
      }
      const timer = setTimeout(end, milliseconds)
      window.addEventListener('online', end)
    }),
}

window.addEventListener('online', notify)
window.addEventListener('offline', notify)

export const useConnectionState = () =>
  useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, connection.state)
