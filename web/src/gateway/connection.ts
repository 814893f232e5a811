import { useSyncExternalStore } from 'react'

/**
 * `offline`: the browser has no network. `unreachable`: it has one, but the gateway
 * did not answer the last request. `busy`: the gateway asked the page to wait.
 */
export type Connection =
  | { state: 'online' | 'offline' | 'unreachable' }
  | {
      state: 'busy'
      /** How long the page waits before it tries again. Milliseconds. */
      wait: number
    }

const online: Connection = { state: 'online' }
const offline: Connection = { state: 'offline' }
const unreachable: Connection = { state: 'unreachable' }

let answered = true
/** The operations that wait because the gateway asked for it. */
const waiting = new Set<Connection>()
const listeners = new Set<() => void>()

function notify() {
  for (const listener of listeners) listener()
}

/** The connection to the gateway. */
export const connection = {
  current(): Connection {
    if (!navigator.onLine) return offline
    if (!answered) return unreachable
    const [first = online] = waiting
    return first
  },
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
  /** Like `wait`, and says meanwhile that the gateway is busy. */
  async waitForGateway(milliseconds: number) {
    const busy: Connection = { state: 'busy', wait: milliseconds }
    waiting.add(busy)
    notify()
    await connection.wait(milliseconds)
    waiting.delete(busy)
    notify()
  },
}

window.addEventListener('online', notify)
window.addEventListener('offline', notify)

export const useConnection = () =>
  useSyncExternalStore((listener) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }, connection.current)
