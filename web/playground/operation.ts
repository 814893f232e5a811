import { type ExecutionResult, getOperationAST, parse } from 'graphql'
import { createClient } from 'graphql-ws'

export type Operation = { query: string; operationName?: string | null; variables?: Record<string, unknown> }
export type Answer = ExecutionResult<any, any>
export type Headers = Record<string, string>

export function isSubscription({ query, operationName }: Operation) {
  return getOperationAST(parse(query), operationName)?.operation === 'subscription'
}

/** Sends a query or a mutation. */
export async function ask(operation: Operation, headers: Headers): Promise<Answer> {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json', ...headers },
    body: JSON.stringify(operation),
  })
  return response.json()
}

/** Begins a subscription, over a WebSocket of its own: the token goes into connection_init. */
export function watch(operation: Operation, headers: Headers): AsyncIterable<Answer> {
  const url = new URL('/graphql', location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  const client = createClient({ url: url.href, connectionParams: headers, retryAttempts: 0 })
  const events = client.iterate(operation) as AsyncIterableIterator<Answer>
  return {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        events.next().catch((cause) => {
          throw cause instanceof CloseEvent
            ? new Error(`The connection was closed: ${cause.code} ${cause.reason}`)
            : cause
        }),
      return: async () => {
        await events.return?.()
        await client.dispose()
        return { done: true as const, value: undefined }
      },
    }),
  }
}
