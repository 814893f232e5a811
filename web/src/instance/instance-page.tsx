import { useQuery } from '@apollo/client/react'
import { Anchor, Group, Loader, Paper, Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { type Fault, faultsOf } from '../gateway/faults'
import { graphql } from '../generated'
import type { InstancePageQuery } from '../generated/graphql'
import { InvitationList } from '../invite/invitation-list'
import { InviteForm } from '../invite/invite-form'
import { Ask } from '../obstacle/ask'
import { FaultView } from '../obstacle/obstacle'
import { RestorePanel } from '../restore/restore'
import { useTitle } from '../title'

const InstanceQuery = graphql(`
  query InstancePage($id: ID!) {
    instance(id: $id) {
      id
      name
      kind
      state
      viewerRoles
      deletedAt
      deletedBy {
        name
        email
      }
      restorableUntil
      space {
        id
        name
        instances(first: 100) {
          nodes {
            id
            name
            kind
            inviting {
              allowed
            }
          }
        }
      }
      inviting {
        ...Readiness
      }
      restoring {
        ...Readiness
      }
    }
  }
`)

export const Readiness = graphql(`
  fragment Readiness on Readiness {
    allowed
    obstacles {
      code
      reason
      message
      remedy
      request
      deletedAt
      restorableUntil
      retryAfter
      contacts {
        name
        email
      }
    }
  }
`)

type Instance = NonNullable<InstancePageQuery['instance']>

/** One instance: inviting to it, restoring it, or the way out. */
export function InstancePage() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const { data, error, loading, refetch } = useQuery(InstanceQuery, { variables: { id } })
  const instance = data?.instance
  useTitle(instance?.name ?? t('spaces.title'))
  if (error) return faultsOf(error).map((fault, at) => <FaultView key={at} fault={fault} />)
  if (!data && loading) return <Loader aria-label={t('loading')} />
  if (!instance) return <FaultView fault={{ code: 'NOT_FOUND', message: '' }} />
  const administers = instance.viewerRoles.includes('SPACE_ADMINISTRATOR')
  return (
    <Stack gap="xl">
      <div>
        <Anchor component={Link} to="/" size="sm" underline="hover">
          {t('spaces.title')}
        </Anchor>
        <Title order={1}>{instance.name}</Title>
        <Text c="dimmed">{instance.space.name}</Text>
      </div>
      {instance.state === 'DELETED' ? (
        <RestorePanel instance={instance} onChange={() => void refetch()} />
      ) : (
        <Inviting key={instance.id} instance={instance} />
      )}
      {administers && instance.kind !== 'DISTRIBUTED' && <InvitationList instanceId={instance.id} />}
    </Stack>
  )
}

function Inviting({ instance }: { instance: Instance }) {
  const { t } = useTranslation()
  const { id, kind, inviting, space } = instance
  if (inviting.allowed)
    return (
      <Paper withBorder p="lg" component="section" aria-labelledby="invite">
        <Title order={2} id="invite" mb="md">
          {t('invite.title')}
        </Title>
        <InviteForm instanceId={id} mode="invite" />
      </Paper>
    )
  const forbidden = inviting.obstacles.find(({ code }) => code === 'FORBIDDEN')
  const elsewhere = space.instances.nodes.filter((other) => other.inviting.allowed)
  // An instance of the wrong kind is the wrong one to ask about, too.
  const shown = inviting.obstacles.filter(({ code }) => kind !== 'DISTRIBUTED' || code === 'INSTANCE_DISTRIBUTED')
  const canAsk = forbidden?.request === 'requestInvitations' && kind !== 'DISTRIBUTED'
  return (
    <Stack gap="lg">
      {shown.map((obstacle) => (
        <FaultView
          key={obstacle.code}
          fault={
            obstacle.code === 'INSTANCE_DISTRIBUTED'
              ? ({ ...obstacle, contacts: [], instances: elsewhere } as Fault)
              : obstacle
          }
        >
          {(obstacle.code === 'FORBIDDEN' || forbidden) && (
            <Group>
              <Ask what="role" instanceId={id} quiet={canAsk} />
            </Group>
          )}
        </FaultView>
      ))}
      {canAsk && (
        <Paper withBorder p="lg" component="section" aria-labelledby="ask">
          <Title order={2} id="ask">
            {t('invite.askTitle')}
          </Title>
          <Text c="dimmed" mb="md">
            {t('invite.askLead')}
          </Text>
          <InviteForm instanceId={id} mode="ask" />
        </Paper>
      )}
    </Stack>
  )
}
