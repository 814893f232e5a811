import { useQuery } from '@apollo/client/react'
import { Anchor, Loader, Paper, Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link, useParams } from 'react-router'
import { Contacts } from '../fault/contacts'
import { type Contact, type Fault, faultsOf } from '../fault/fault'
import { FaultList, FaultView, InstanceButtons } from '../fault/fault-view'
import { graphql } from '../generated'
import type { InstancePageQuery } from '../generated/graphql'
import { InvitationList } from '../invitations/invitation-list'
import { InviteForm } from '../invitations/invite-form'
import { RequestForm } from '../requests/request-form'
import { DeletedSpace } from '../spaces/deleted-space'
import { useTitle } from '../title'
import { CourseLink } from './course-link'
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
        ...DeletedSpace
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

/** One instance: the form to invite people, what restores it or its space, or what prevents either. */
export function InstancePage() {
  const { t } = useTranslation()
  const { id = '' } = useParams()
  const { data, error, loading, refetch } = useQuery(InstanceQuery, { variables: { id } })
  const instance = data?.instance
  useTitle(instance?.name ?? t('spaces.title'))
  if (error && !data) return <FaultList faults={faultsOf(error)} onRetry={() => void refetch()} />
  if (!data && loading) return <Loader aria-label={t('loading')} />
  if (!instance) return <FaultView fault={{ code: 'NOT_FOUND', message: '' }} />
  const isAdministrator = instance.viewerRoles.includes('SPACE_ADMINISTRATOR')
  const isDeleted = instance.state === 'DELETED'
  const isSpaceDeleted = instance.space.state === 'DELETED'
  return (
    <Stack gap="xl">
      <div>
        <Anchor component={Link} to="/" size="sm" underline="hover">
          {t('spaces.title')}
        </Anchor>
        <Title order={1}>{instance.name}</Title>
        <Text c="dimmed">{instance.space.name}</Text>
      </div>
      {isSpaceDeleted && <DeletedSpace space={instance.space} onOutdated={() => void refetch()} />}
      {isDeleted && <RestorePanel key={instance.space.state} instance={instance} onOutdated={() => void refetch()} />}
      {!isDeleted && !isSpaceDeleted && <InvitePanel key={instance.id} instance={instance} />}
      {isAdministrator && instance.kind !== 'DISTRIBUTED' && (
        <InvitationList instanceId={instance.id} canResend={!isDeleted && !isSpaceDeleted} />
      )}
    </Stack>
  )
}

function InvitePanel({ instance }: { instance: Instance }) {
  const { t } = useTranslation()
  if (!instance.inviting.allowed) return <InviteObstacles instance={instance} />
  return (
    <>
      <Paper withBorder p="lg" component="section" aria-labelledby="invite">
        <Title order={2} id="invite" mb="md">
          {t('invite.title')}
        </Title>
        <InviteForm instanceId={instance.id} mode="invite" />
      </Paper>
      <CourseLink instanceId={instance.id} />
    </>
  )
}

/** What a person who cannot invite can do instead. That they cannot is a refusal only where they may expect to. */
function InviteObstacles({ instance }: { instance: Instance }) {
  const { kind, inviting, space } = instance
  const forbidden = inviting.obstacles.find(({ code }) => code === 'FORBIDDEN')
  // Nobody can be invited to Distributed: to ask for permission there would not help.
  const isDistributed = kind === 'DISTRIBUTED'
  if (forbidden) return <RolePanel instance={instance} contacts={forbidden.contacts} request={forbidden.request} />
  const instances = space.instances.nodes.filter((other) => other.inviting.allowed)
  return inviting.obstacles
    .filter(({ code }) => !isDistributed || code === 'INSTANCE_DISTRIBUTED')
    .map((obstacle) => (
      <FaultView
        key={obstacle.code}
        fault={isDistributed ? ({ ...obstacle, contacts: [], instances } as Fault) : obstacle}
      />
    ))
}

type RolePanelProps = {
  instance: Instance
  /** The administrators. */
  contacts: Contact[]
  /** The mutation that asks them. */
  request?: string | null
}

/** What the person's role allows, and whom to ask for more. */
function RolePanel({ instance, contacts, request }: RolePanelProps) {
  const { t } = useTranslation()
  const { id, kind, viewerRoles, space } = instance
  const role = viewerRoles.includes('INSTANCE_EDITOR') ? 'EDITOR' : 'VIEWER'
  const isDistributed = kind === 'DISTRIBUTED'
  const others = space.instances.nodes.filter((other) => other.kind !== 'DISTRIBUTED')
  return (
    <Stack gap="lg">
      <Paper withBorder p="lg" component="section" aria-labelledby="role">
        <Title order={2} id="role">
          {t('instance.role', { role: t(`role.${role}`) })}
        </Title>
        <Text>{t(`review.roleDescription.${role}`)}</Text>
      </Paper>
      <Paper withBorder p="lg" component="section" aria-labelledby="ask">
        <Stack gap="md">
          <div>
            <Title order={2} id="ask">
              {t(isDistributed ? 'instance.distributedTitle' : 'invite.askTitle')}
            </Title>
            <Text c="dimmed">{t(isDistributed ? 'instance.distributedLead' : 'invite.askLead')}</Text>
          </div>
          {isDistributed ? (
            <InstanceButtons instances={others} />
          ) : (
            <>
              <Contacts contacts={contacts} />
              {request === 'requestInvitations' && <InviteForm instanceId={id} mode="ask" />}
            </>
          )}
        </Stack>
      </Paper>
      <RequestForm kind="role" place={{ instanceId: id }} secondary />
    </Stack>
  )
}
