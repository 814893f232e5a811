import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { SetContextLink } from '@apollo/client/link/context'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { OperationTypeNode } from 'graphql'
import { createClient } from 'graphql-ws'
import { tap } from 'rxjs'
import { clock } from './clock'
import { line } from './line'
import { pages } from './pages'
import { again, keys } from './retry'

export type Identity = {
  /** A token that is good now; undefined: nobody is signed in. */
  token: () => Promise<string | undefined>
  /** The gateway has refused the token. */
  refused: () => void
}

/** A client of the gateway, for one person. `close` ends what it watches. */
export function connect({ token, refused }: Identity) {
  const authorization = async (): Promise<Record<string, string>> => {
    const present = await token()
    return present ? { Authorization: `Bearer ${present}` } : {}
  }

  const unauthenticated = new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      tap(({ errors }) => {
        if (errors?.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED')) refused()
      }),
    ),
  )
  const authorized = new SetContextLink(async ({ headers }) => ({
    headers: { ...headers, ...(await authorization()) },
  }))
  const http = new HttpLink({
    uri: '/graphql',
    fetch: async (uri, options) =>
      clock.read(await fetch(uri, { ...options, signal: options?.signal ?? AbortSignal.timeout(45_000) })),
  })

  const socket = createClient({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
    connectionParams: authorization,
    keepAlive: 12_000,
    retryAttempts: Infinity,
    shouldRetry: (event) => (event as Partial<CloseEvent>).code !== 4403,
    retryWait: (count) => line.wait(Math.min(500 * 2 ** count, 10_000)),
    on: {
      // Whoever asks for the present state once she watches again misses nothing.
      connected: (_socket, _payload, wasRetry) => {
        if (wasRetry) void client.refetchQueries({ include: 'active' })
      },
    },
  })

  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      ApolloLink.from([unauthenticated, keys, again, authorized, http]),
    ),
    cache: new InMemoryCache({
      typePolicies: {
        User: {
          fields: { spaces: pages(), invitations: pages(), requests: pages(['status']), requestsToAnswer: pages() },
        },
        Instance: { fields: { invitations: pages(['status']) } },
        Space: { fields: { instances: pages(['state']) } },
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
