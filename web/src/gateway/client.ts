import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from '@apollo/client'
import { GraphQLWsLink } from '@apollo/client/link/subscriptions'
import { OperationTypeNode } from 'graphql'
import { type Client, createClient } from 'graphql-ws'
import { defer, from, Observable, retry, throwError } from 'rxjs'
import { graphql } from '../generated'
import { clock } from './clock'
import { connection } from './connection'
import { authorizationLink, authorizationOf, type Credentials, refusalLink } from './credentials'
import { paginated } from './pagination'
import { idempotencyKeyLink, retryLink } from './retry'

/** Milliseconds: a request takes the gateway 30 seconds at most. */
const requestTimeout = 45_000

/** The WebSocket close code of the gateway for a token that is refused or has expired. */
const forbidden = 4403

/** The least time between two subscriptions whose token is refused. Milliseconds. */
const refusalPause = 5_000

const TokenCheck = graphql(`
  query TokenCheck {
    viewer {
      id
    }
  }
`)

/** Returns an Apollo Client for one person. `close` ends its subscriptions. */
export function createGatewayClient(credentials: Credentials) {
  const httpLink = new HttpLink({
    uri: '/graphql',
    async fetch(uri, options) {
      const signal = options?.signal ?? AbortSignal.timeout(requestTimeout)
      const response = await fetch(uri, { ...options, signal })
      clock.synchronize(response)
      return response
    },
  })

  let closeCode = 0
  const socket = createClient({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
    connectionParams: () => authorizationOf(credentials),
    keepAlive: 12_000,
    retryAttempts: Infinity,
    shouldRetry: (event) => (event as Partial<CloseEvent>).code !== forbidden,
    retryWait: (attempt) => connection.wait(Math.min(500 * 2 ** attempt, 10_000)),
    on: {
      closed(event) {
        closeCode = (event as CloseEvent).code
      },
      // Changes during the interruption were not delivered. Reading the state after reconnecting misses none.
      connected: (_socket, _payload, wasRetry) => {
        closeCode = 0
        if (wasRetry) setTimeout(() => onceStarted(socket, () => void client.refetchQueries({ include: 'active' })))
      },
    },
  })

  let latestRefusal = 0
  /** Resolves when a subscription can be sent again with a token that is accepted. */
  async function tokenChecked() {
    await connection.wait(Math.max(0, latestRefusal + refusalPause - Date.now()))
    latestRefusal = Date.now()
    // Over HTTP, the gateway says why it refuses the token.
    await client.query({ query: TokenCheck, fetchPolicy: 'network-only' })
  }
  const subscriptionLink = new ApolloLink((operation, forward) =>
    defer(() => forward(operation)).pipe(
      retry({ delay: (error) => (closeCode === forbidden ? from(tokenChecked()) : throwError(() => error)) }),
    ),
  )
  const startLink = new ApolloLink(
    (operation, forward) =>
      new Observable((observer) => {
        const subscription = forward(operation).subscribe(observer)
        const stop = onceStarted(socket, () => operation.getContext().onStarted?.())
        return () => {
          subscription.unsubscribe()
          stop()
        }
      }),
  )

  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      ApolloLink.from([subscriptionLink, startLink, new GraphQLWsLink(socket)]),
      ApolloLink.from([
        idempotencyKeyLink,
        refusalLink(credentials),
        retryLink,
        authorizationLink(credentials),
        httpLink,
      ]),
    ),
    cache: new InMemoryCache({
      typePolicies: {
        User: {
          fields: {
            spaces: paginated(['state']),
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
      // It fails if the gateway refuses the connection that is being opened.
      void Promise.resolve(socket.dispose()).catch(() => {})
    },
  }
}

/**
 * Calls `onStarted` when the subscriptions that were sent before have started.
 * graphql-transport-ws does not acknowledge them; the gateway starts the operations
 * of a WebSocket in the order in which they arrive. Returns what cancels it.
 */
const onceStarted = (socket: Client, onStarted: () => void) =>
  socket.subscribe({ query: '{ __typename }' }, { next: onStarted, error() {}, complete() {} })

declare module '@apollo/client' {
  interface DefaultContext {
    /** Is called when the subscription has started: state that is read from now on misses no change. */
    onStarted?: () => void
  }
}
