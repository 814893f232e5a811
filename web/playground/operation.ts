import { type ExecutionResult, getOperationAST, parse } from 'graphql'
import { createClient } from 'graphql-ws'

export type Operation = { query: string; operationName?: string | null; variables?: Record<string, unknown> }
export type Headers = Record<string, string>

export function isSubscription({ query, operationName }: Operation) {
  return getOperationAST(parse(query), operationName)?.operation === 'subscription'
}

/** Sends a query or a mutation. */
export async function execute(operation: Operation, headers: Headers): Promise<ExecutionResult> {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json', ...headers },
    body: JSON.stringify(operation),
  })
  return response.json()
}

/** Starts a subscription over a WebSocket of its own. The headers are sent in connection_init. */
export function subscribe(operation: Operation, headers: Headers): AsyncIterable<ExecutionResult> {
  const url = new URL('/graphql', location.href)
  url.protocol = url.protocol.replace('http', 'ws')
  const client = createClient({ url: url.href, connectionParams: headers, retryAttempts: 0 })
  const events = client.iterate(operation) as AsyncIterableIterator<ExecutionResult>
  return {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        events.next().catch((cause) => {
          if (!(cause instanceof CloseEvent)) throw cause
          throw new Error(`The gateway closed the connection: ${cause.code} ${cause.reason}`)
        }),
      return: async () => {
        await events.return?.()
        await client.dispose()
        return { done: true as const, value: undefined }
      },
    }),
  }
}
