import { useMutation, useQuery } from '@apollo/client/react'
import { Button, Group, Loader, Select, Stack, Text, Title } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { announce } from '../focus/announcer'
import { ShowMore } from '../gateway/show-more'
import { graphql } from '../generated'
import type { InvitationRowFragment, InvitationStatus } from '../generated/graphql'
import { useFormats } from '../texts/formats'
import { type Stage, stageOf } from './invitation'
import { useInvitationChanges } from './invitation-changes'
import { StageBadge } from './stage-badge'

const InvitationsQuery = graphql(`
  query Invitations($instanceId: ID!, $status: InvitationStatus, $after: String) {
    instance(id: $instanceId) {
      id
      invitations(first: 50, after: $after, status: $status) {
        totalCount
        pageInfo {
          hasNextPage
          endCursor
        }
        nodes {
          ...InvitationRow
        }
      }
    }
  }
`)

const Resend = graphql(`
  mutation Resend($input: ResendInvitationsInput!) {
    resendInvitations(input: $input) {
      results {
        index
        outcome
        invitation {
          ...InvitationRow
        }
      }
    }
  }
`)

const Revoke = graphql(`
  mutation Revoke($input: RevokeInvitationsInput!) {
    revokeInvitations(input: $input) {
      results {
        index
        outcome
        invitation {
          ...InvitationRow
        }
      }
    }
  }
`)

const statuses: InvitationStatus[] = ['PENDING', 'ACCEPTED', 'DECLINED', 'REVOKED', 'EXPIRED']

type Props = {
  instanceId: string
  /** False while the instance or its space is deleted: then nobody can be invited. */
  canResend: boolean
}

/** The invitations to an instance, kept up to date. */
export function InvitationList({ instanceId, canResend }: Props) {
  const { t } = useTranslation()
  const [status, setStatus] = useState<InvitationStatus | null>(null)
  const { data, loading, fetchMore } = useQuery(InvitationsQuery, { variables: { instanceId, status } })
  useInvitationChanges(instanceId)
  const page = data?.instance?.invitations
  return (
    <Stack gap="sm" component="section" aria-labelledby="invitations">
      <Group justify="space-between">
        <Title order={2} id="invitations">
          {t('invitations.title')}
        </Title>
        <Select
          aria-label={t('invitations.filter')}
          placeholder={t('invitations.all')}
          clearable
          w={180}
          size="sm"
          data={statuses.map((value) => ({ value, label: t(`invitations.${value as 'PENDING'}`) }))}
          value={status}
          onChange={(value) => setStatus(value as InvitationStatus | null)}
        />
      </Group>
      {!page && loading && <Loader size="sm" />}
      {page?.nodes.length === 0 && <Text c="dimmed">{t('invitations.none')}</Text>}
      {page && page.nodes.length > 0 && (
        <Stack component="ul" gap={0} className="plain-list card">
          {page.nodes.map((invitation) => (
            <InvitationItem key={invitation.id} invitation={invitation} canResend={canResend} />
          ))}
        </Stack>
      )}
      {page && <ShowMore page={page} loading={loading} fetchAfter={(after) => fetchMore({ variables: { after } })} />}
    </Stack>
  )
}

function InvitationItem({ invitation, canResend }: { invitation: InvitationRowFragment; canResend: boolean }) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const [faults, setFaults] = useState<Fault[]>([])
  const [resend, resending] = useMutation(Resend)
  const [revoke, revoking] = useMutation(Revoke)
  const { id, email, role, status, invitedBy, requestedBy, createdAt, expiresAt } = invitation
  const stage = stageOf(invitation)

  async function submit(mutate: typeof resend | typeof revoke, done: string) {
    setFaults([])
    try {
      await mutate({ variables: { input: { invitationIds: [id] } } })
      announce(done)
    } catch (error) {
      setFaults(faultsOf(error))
    }
  }

  return (
    <li className="row" data-email={email}>
      <div className="wrap-anywhere">
        <Text fw={500}>{email}</Text>
        <Text size="sm" c="dimmed">
          {role ? t(`role.${role}`) : t('role.administrator')} ·{' '}
          {t(requestedBy ? 'invitations.invitedByForRequester' : 'invitations.invitedBy', {
            name: invitedBy.name,
            requester: requestedBy?.name,
            at: moment(createdAt),
          })}
          {status === 'PENDING' && ` · ${t('invitations.until', { at: moment(expiresAt) })}`}
        </Text>
        <DeliveryProblem invitation={invitation} stage={stage} />
        <FaultList faults={faults} compact />
      </div>
      <Group gap="xs">
        <StageBadge stage={stage} />
        {canResend && (status === 'PENDING' || status === 'EXPIRED') && (
          <Button
            size="compact-sm"
            variant="subtle"
            loading={resending.loading}
            aria-label={`${t('invitations.resend')}, ${email}`}
            onClick={() => void submit(resend, t('invitations.resent', { email }))}
          >
            {t('invitations.resend')}
          </Button>
        )}
        {status === 'PENDING' && (
          <Button
            size="compact-sm"
            variant="subtle"
            color="red"
            loading={revoking.loading}
            aria-label={`${t('invitations.revoke')}, ${email}`}
            onClick={() => void submit(revoke, t('invitations.revoked', { email }))}
          >
            {t('invitations.revoke')}
          </Button>
        )}
      </Group>
    </li>
  )
}

/** Why the e-mail has not arrived, what to do, and what the mail server said. The gateway says that in English. */
function DeliveryProblem({ invitation, stage }: { invitation: InvitationRowFragment; stage: Stage }) {
  const { t } = useTranslation()
  const { delivery } = invitation
  if (!delivery || !(stage === 'DELAYED' || stage === 'FAILED' || stage === 'UNCERTAIN' || stage === 'SUPPRESSED'))
    return null
  return (
    <Text size="sm">
      {t(`stage.reason.${stage}`)} <span lang="en">{delivery.explanation}</span>
    </Text>
  )
}
