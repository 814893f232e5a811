import type { ApolloClient } from '@apollo/client'
import { createContext, useContext, useSyncExternalStore } from 'react'
import { type Fault, faultsOf } from '../gateway/faults'
import { graphql } from '../generated'
import type { InstanceRole, InviteUsersMutation } from '../generated/graphql'

const InviteUsers = graphql(`
  mutation InviteUsers($input: InviteUsersInput!) {
    inviteUsers(input: $input) {
      results {
        index
        email
        outcome
        role
        previousRole
        invitation {
          ...InvitationRow
        }
      }
    }
  }
`)

const RequestInvitations = graphql(`
  mutation RequestInvitations($input: RequestInvitationsInput!) {
    requestInvitations(input: $input) {
      created
      request {
        ...RequestRow
      }
    }
  }
`)

export type Result = NonNullable<InviteUsersMutation['inviteUsers']>['results'][number]

/** `invite` does it; `ask` asks the administrators to do it. */
export type Mode = 'invite' | 'ask'

type Input = { instanceId: string; role: InstanceRole; emails: string[]; message?: string; idempotencyKey: string }
type Sending = { mode: Mode; input: Input; since: number }

export type Progress =
  | { phase: 'under way'; sending: Sending }
  | { phase: 'done'; sending: Sending; results: Result[] }
  | { phase: 'asked'; sending: Sending; created: boolean }
  | { phase: 'refused'; sending: Sending; faults: Fault[] }

/** For so long the gateway knows a key; what is older is not sent by itself. Milliseconds. */
const keyLives = 23 * 3_600_000

/**
 * What a person is sending, one for each instance. Each is kept in localStorage
 * with its key until it is answered: what a lost connection or a reload
 * interrupts is completed, and carried out once.
 */
export class Sendings {
  private progress = new Map<string, Progress>()
  private listeners = new Set<() => void>()

  constructor(
    private readonly client: ApolloClient,
    private readonly person: string | undefined,
  ) {}

  private get prefix() {
    return `datahub:${this.person}:sending:`
  }

  /** Completes what was interrupted. */
  resume() {
    if (!this.person) return
    for (const key of Object.keys(localStorage).filter((key) => key.startsWith(this.prefix))) {
      const sending = JSON.parse(localStorage.getItem(key) ?? 'null') as Sending | null
      if (sending && Date.now() - sending.since < keyLives) void this.carryOut(sending)
      else localStorage.removeItem(key)
    }
  }

  begin(mode: Mode, input: Omit<Input, 'idempotencyKey'>) {
    const sending: Sending = { mode, since: Date.now(), input: { ...input, idempotencyKey: crypto.randomUUID() } }
    localStorage.setItem(this.prefix + input.instanceId, JSON.stringify(sending))
    void this.carryOut(sending)
  }

  forget(instanceId: string) {
    this.progress.delete(instanceId)
    this.tell()
  }

  of = (instanceId: string) => this.progress.get(instanceId)

  subscribe = (listener: () => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private async carryOut(sending: Sending) {
    this.put({ phase: 'under way', sending })
    const answer = await this.send(sending).catch(
      (error): Progress => ({ phase: 'refused', sending, faults: faultsOf(error) }),
    )
    localStorage.removeItem(this.prefix + sending.input.instanceId)
    this.put(answer)
  }

  private async send(sending: Sending): Promise<Progress> {
    const variables = { input: sending.input }
    if (sending.mode === 'ask') {
      const { data } = await this.client.mutate({
        mutation: RequestInvitations,
        variables,
        refetchQueries: ['Requests'],
      })
      return { phase: 'asked', sending, created: data?.requestInvitations?.created ?? true }
    }
    const { data } = await this.client.mutate({ mutation: InviteUsers, variables, refetchQueries: ['Invitations'] })
    return { phase: 'done', sending, results: data?.inviteUsers?.results ?? [] }
  }

  private put(progress: Progress) {
    this.progress.set(progress.sending.input.instanceId, progress)
    this.tell()
  }

  private tell() {
    this.listeners.forEach((listener) => listener())
  }
}

export const SendingsContext = createContext<Sendings | undefined>(undefined)

export function useSending(instanceId: string) {
  const sendings = useContext(SendingsContext)
  if (!sendings) throw new Error('useSending outside of SessionProvider')
  const progress = useSyncExternalStore(sendings.subscribe, () => sendings.of(instanceId))
  return { progress, begin: sendings.begin.bind(sendings), forget: () => sendings.forget(instanceId) }
}
