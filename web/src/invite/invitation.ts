import { graphql } from '../generated'
import type { InvitationRowFragment } from '../generated/graphql'

export const InvitationRow = graphql(`
  fragment InvitationRow on Invitation {
    id
    email
    role
    status
    createdAt
    expiresAt
    invitedBy {
      name
      email
    }
    requestedBy {
      name
      email
    }
    delivery {
      status
      attempts
      lastAttemptAt
      nextAttemptAt
      explanation
      reply
    }
  }
`)

/** Where an invitation is, seen by who has sent it: its status and, while that is pending, its mail's. */
export type Stage = 'ACCEPTED' | 'DECLINED' | 'REVOKED' | 'EXPIRED' | 'QUEUED' | 'SENT' | 'DELAYED' | 'FAILED'

export const stageOf = ({ status, delivery }: InvitationRowFragment): Stage =>
  status !== 'PENDING' ? status : (delivery?.status ?? 'QUEUED')

export const colorOf: Record<Stage, string> = {
  ACCEPTED: 'green',
  DECLINED: 'gray',
  REVOKED: 'gray',
  EXPIRED: 'gray',
  QUEUED: 'sea',
  SENT: 'sea',
  DELAYED: 'yellow',
  FAILED: 'red',
}
