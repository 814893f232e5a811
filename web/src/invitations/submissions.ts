import type { ApolloClient } from '@apollo/client'
import { createContext, useContext, useSyncExternalStore } from 'react'
import { type Fault, faultsOf } from '../fault/fault'
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

export type InviteUserResult = NonNullable<InviteUsersMutation['inviteUsers']>['results'][number]

/** `invite` sends the invitations; `ask` asks the administrators to send them. */
export type Mode = 'invite' | 'ask'

type Input = { instanceId: string; role: InstanceRole; emails: string[]; message?: string; idempotencyKey: string }

/** An invite form that was sent. `since` is the time in milliseconds. */
type Submission = { mode: Mode; input: Input; since: number }

export type Progress = { submission: Submission } & (
  | { phase: 'pending' }
  | { phase: 'invited'; results: InviteUserResult[] }
  | { phase: 'asked'; created: boolean }
  | { phase: 'refused'; faults: Fault[] }
)

/**
 * The gateway remembers an idempotency key for 24 hours. A submission that is
 * older than this is not sent again: it could be carried out twice. Milliseconds.
 */
const maxAge = 23 * 3_600_000

/** The keys in localStorage of what people have sent, whose sessions may have ended before it was answered. */
const keysOfAll = () => Object.keys(localStorage).filter((key) => /^datahub:.*:sending:/.test(key))

/**
 * The invite forms that a person has sent, at most one for each instance. A
 * submission stays in localStorage, with its idempotency key, until the gateway
 * answers: after a lost connection, a reload or a new sign-in it is sent again and
 * carried out once.
 */
export class Submissions {
  private progress = new Map<string, Progress>()
  private listeners = new Set<() => void>()
  private closed = false

  constructor(
    private readonly client: ApolloClient,
    /** The id of the account; undefined if nobody is signed in. */
    private readonly ownerId: string | undefined,
  ) {}

  private get keyPrefix() {
    return `datahub:${this.ownerId}:sending:`
  }

  /** Sends again what was not answered before the page was closed or the session ended. */
  resume() {
    this.closed = false
    for (const key of keysOfAll()) {
      const submission = JSON.parse(localStorage.getItem(key) ?? 'null') as Submission | null
      if (!submission || Date.now() - submission.since >= maxAge) localStorage.removeItem(key)
      else if (this.ownerId && key.startsWith(this.keyPrefix)) void this.send(submission)
    }
  }

  /** Another person, or the same one with a new token, has signed in: what is not answered is theirs to send. */
  close() {
    this.closed = true
  }

  /** Removes what is not answered, of all people: who signs out may share the computer. */
  forget() {
    for (const key of keysOfAll()) localStorage.removeItem(key)
  }

  submit(mode: Mode, input: Omit<Input, 'idempotencyKey'>) {
    const submission = { mode, since: Date.now(), input: { ...input, idempotencyKey: crypto.randomUUID() } }
    localStorage.setItem(this.keyPrefix + input.instanceId, JSON.stringify(submission))
    void this.send(submission)
  }

  /** Forgets how the latest submission for an instance ended. */
  dismiss(instanceId: string) {
    this.progress.delete(instanceId)
    this.notify()
  }

  of = (instanceId: string) => this.progress.get(instanceId)

  subscribe = (listener: () => void) => {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  private async send(submission: Submission) {
    this.set({ phase: 'pending', submission })
    const progress = await this.mutate(submission).catch(
      (error): Progress => ({ phase: 'refused', submission, faults: faultsOf(error) }),
    )
    if (this.closed) return // the next one has sent it again
    // Without a valid token it is not answered: it is sent again after signing in.
    if (progress.phase === 'refused' && progress.faults.some(({ code }) => code === 'UNAUTHENTICATED')) return
    localStorage.removeItem(this.keyPrefix + submission.input.instanceId)
    this.set(progress)
    if (progress.phase === 'refused' && progress.faults.some(isDeletion)) await this.showDeletion(submission)
  }

  /** The page of the instance shows who can restore it, or its space, instead of the form. The draft is kept. */
  private async showDeletion({ input: { instanceId } }: Submission) {
    const pages = await this.client.refetchQueries({ include: ['InstancePage'] })
    if (pages.length > 0) this.dismiss(instanceId)
  }

  private async mutate(submission: Submission): Promise<Progress> {
    const variables = { input: submission.input }
    if (submission.mode === 'ask') {
      const options = { mutation: RequestInvitations, variables, refetchQueries: ['Requests'] }
      const { data } = await this.client.mutate(options)
      return { phase: 'asked', submission, created: data?.requestInvitations?.created ?? true }
    }
    const { data } = await this.client.mutate({ mutation: InviteUsers, variables, refetchQueries: ['Invitations'] })
    return { phase: 'invited', submission, results: data?.inviteUsers?.results ?? [] }
  }

  private set(progress: Progress) {
    this.progress.set(progress.submission.input.instanceId, progress)
    this.notify()
  }

  private notify() {
    for (const listener of this.listeners) listener()
  }
}

const isDeletion = ({ code }: Fault) => code === 'INSTANCE_DELETED' || code === 'SPACE_DELETED'

export const SubmissionsContext = createContext<Submissions | undefined>(undefined)

/** The latest submission for an instance. */
export function useSubmission(instanceId: string) {
  const submissions = useContext(SubmissionsContext)
  if (!submissions) throw new Error('useSubmission outside of SessionProvider')
  const progress = useSyncExternalStore(submissions.subscribe, () => submissions.of(instanceId))
  return {
    progress,
    submit: submissions.submit.bind(submissions),
    dismiss: () => submissions.dismiss(instanceId),
  }
}
