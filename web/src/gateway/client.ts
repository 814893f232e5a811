import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { SetContextLink } from '@apollo/client/link/context'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { OperationTypeNode } from 'graphql'
import { createClient } from 'graphql-ws'
import { tap } from 'rxjs'
import { clock } from './clock'
import { connection } from './connection'
import { paginated } from './pagination'
import { idempotencyKeyLink, retryLink } from './retry'

/** Milliseconds: a request takes the gateway 30 seconds at most. */
const requestTimeout = 45_000

/** The WebSocket close code of the gateway for a refused token. */
const forbidden = 4403

type Credentials = {
  /** Resolves to a valid token, or to undefined when nobody is signed in. */
  token: () => Promise<string | undefined>
  /** Is called when the gateway refuses the token. */
  onRefused: () => void
}

/** Returns an Apollo Client for one person. `close` ends its subscriptions. */
export function createGatewayClient({ token, onRefused }: Credentials) {
  const authorization = async (): Promise<Record<string, string>> => {
    const current = await token()
    return current ? { Authorization: `Bearer ${current}` } : {}
  }

  const refusedTokenLink = new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      tap(({ errors }) => {
        if (errors?.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED')) onRefused()
      }),
    ),
  )
  const authorizationLink = new SetContextLink(async ({ headers }) => ({
    headers: { ...headers, ...(await authorization()) },
  }))
  const httpLink = new HttpLink({
    uri: '/graphql',
    async fetch(uri, options) {
      const signal = options?.signal ?? AbortSignal.timeout(requestTimeout)
      const response = await fetch(uri, { ...options, signal })
      clock.synchronize(response)
      return response
    },
  })

  const socket = createClient({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
    connectionParams: authorization,
    keepAlive: 12_000,
    retryAttempts: Infinity,
    shouldRetry: (event) => (event as Partial<CloseEvent>).code !== forbidden,
    retryWait: (attempt) => connection.wait(Math.min(500 * 2 ** attempt, 10_000)),
    on: {
      // Changes during the interruption were not delivered. Reading the state after reconnecting misses none.
      connected: (_socket, _payload, wasRetry) => {
        if (wasRetry) void client.refetchQueries({ include: 'active' })
      },
    },
  })

  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      ApolloLink.from([refusedTokenLink, idempotencyKeyLink, retryLink, authorizationLink, httpLink]),
    ),
    cache: new InMemoryCache({
      typePolicies: {
        User: {
          fields: {
            spaces: paginated(),
            invitations: paginated(),
            requests: paginated(['status']),
            requestsToAnswer: paginated(),
          },
        },
        Instance: { fields: { invitations: paginated(['status']) } },
        Space: { fields: { instances: paginated(['state']) } },
      },
    }),
    defaultOptions: { watchQuery: { fetchPolicy: 'cache-and-network' } },
  })

  return {
    client,
    close() {
      client.stop()
      void socket.dispose()
    },
  }
}
