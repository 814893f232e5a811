import { useQuery } from '@apollo/client/react'
import { Anchor, Group, Loader, Paper, Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList, FaultView } from '../fault/fault-view'
import { graphql } from '../generated'
import type { InstancePageQuery } from '../generated/graphql'
import { InvitationList } from '../invitations/invitation-list'
import { InviteForm } from '../invitations/invite-form'
import { RequestForm } from '../requests/request-form'
import { useTitle } from '../title'
import { RestorePanel } from './restore-panel'

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

type Instance = NonNullable<InstancePageQuery['instance']>

/** One instance: the form to invite people, the panel to restore it, or what prevents either. */
export function InstancePage() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const { data, error, loading, refetch } = useQuery(InstanceQuery, { variables: { id } })
  const instance = data?.instance
  useTitle(instance?.name ?? t('spaces.title'))
  if (error) return <FaultList faults={faultsOf(error)} />
  if (!data && loading) return <Loader aria-label={t('loading')} />
  if (!instance) return <FaultView fault={{ code: 'NOT_FOUND', message: '' }} />
  const isAdministrator = instance.viewerRoles.includes('SPACE_ADMINISTRATOR')
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
        <RestorePanel instance={instance} onExpired={() => void refetch()} />
      ) : (
        <InvitePanel key={instance.id} instance={instance} />
      )}
      {isAdministrator && instance.kind !== 'DISTRIBUTED' && <InvitationList instanceId={instance.id} />}
    </Stack>
  )
}

function InvitePanel({ instance }: { instance: Instance }) {
  const { t } = useTranslation()
  if (!instance.inviting.allowed) return <InviteObstacles instance={instance} />
  return (
    <Paper withBorder p="lg" component="section" aria-labelledby="invite">
      <Title order={2} id="invite" mb="md">
        {t('invite.title')}
      </Title>
      <InviteForm instanceId={instance.id} mode="invite" />
    </Paper>
  )
}

function InviteObstacles({ instance }: { instance: Instance }) {
  const { t } = useTranslation()
  const { id, kind, inviting, space } = instance
  const forbidden = inviting.obstacles.find(({ code }) => code === 'FORBIDDEN')
  const otherInstances = space.instances.nodes.filter((other) => other.inviting.allowed)
  // Nobody can be invited to Distributed: to ask for permission there would not help.
  const isDistributed = kind === 'DISTRIBUTED'
  const obstacles = inviting.obstacles.filter(({ code }) => !isDistributed || code === 'INSTANCE_DISTRIBUTED')
  const canAsk = forbidden?.request === 'requestInvitations' && !isDistributed
  return (
    <Stack gap="lg">
      {obstacles.map((obstacle) => (
        <FaultView
          key={obstacle.code}
          fault={
            obstacle.code === 'INSTANCE_DISTRIBUTED'
              ? ({ ...obstacle, contacts: [], instances: otherInstances } as Fault)
              : obstacle
          }
        >
          {forbidden && (
            <Group>
              <RequestForm kind="role" instanceId={id} secondary={canAsk} />
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
