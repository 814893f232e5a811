import { graphql } from '../generated'
import type { DeliveryStatus, InvitationRowFragment, InvitationStatus } from '../generated/graphql'

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

/** How far an invitation has got: the delivery status of its e-mail while it is pending, then its own status. */
export type Stage = DeliveryStatus | Exclude<InvitationStatus, 'PENDING'>

export const stageOf = ({ status, delivery }: InvitationRowFragment): Stage =>
  status !== 'PENDING' ? status : (delivery?.status ?? 'QUEUED')

export const stageColors: Record<Stage, string> = {
  QUEUED: 'sea',
  SENT: 'sea',
  DELAYED: 'yellow',
  FAILED: 'red',
  UNCERTAIN: 'yellow',
  SUPPRESSED: 'yellow',
  ACCEPTED: 'green',
  DECLINED: 'gray',
  REVOKED: 'gray',
  EXPIRED: 'gray',
}
