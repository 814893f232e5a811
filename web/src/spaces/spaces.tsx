import { useQuery } from '@apollo/client/react'
import { Alert, Anchor, Badge, Button, Group, Loader, Paper, Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { faultsOf } from '../gateway/faults'
import { graphql } from '../generated'
import type { SpacesQuery } from '../generated/graphql'
import { ChevronIcon } from '../look/icons'
import { FaultView } from '../obstacle/obstacle'
import { Countdown } from '../restore/countdown'
import { useTitle } from '../title'

const Spaces = graphql(`
  query Spaces($after: String) {
    viewer {
      id
      name
      invitations {
        nodes {
          id
          instanceName
          role
          space {
            name
          }
          invitedBy {
            name
          }
        }
      }
      spaces(first: 10, after: $after) {
        totalCount
        pageInfo {
          hasNextPage
          endCursor
        }
        nodes {
          id
          name
          viewerRoles
          organization {
            id
            name
          }
          instances(first: 100, state: null) {
            nodes {
              id
              name
              kind
              state
              viewerRoles
              restorableUntil
              inviting {
                allowed
                obstacles {
                  code
                }
              }
              restoring {
                allowed
                obstacles {
                  code
                }
              }
            }
          }
        }
      }
    }
  }
`)

type Viewer = SpacesQuery['viewer']
type Space = NonNullable<Viewer['spaces']>['nodes'][number]
type Instance = Space['instances']['nodes'][number]

/** Where somebody begins: her spaces, and what she can do in each of their instances. */
export function SpacesPage() {
  const { t } = useTranslation()
  useTitle(t('spaces.title'))
  const { data, error, loading, fetchMore } = useQuery(Spaces)
  const spaces = data?.viewer.spaces
  return (
    <Stack gap="xl">
      <div>
        <Title order={1}>{t('spaces.title')}</Title>
        <Text c="dimmed">{t('spaces.lead')}</Text>
      </div>
      {error && faultsOf(error).map((fault, at) => <FaultView key={at} fault={fault} />)}
      {!data && loading && <Loader aria-label={t('loading')} />}
      {data?.viewer.invitations?.nodes.map((invitation) => (
        <Alert
          key={invitation.id}
          color="sea"
          title={t('spaces.invited', {
            name: invitation.invitedBy.name,
            place: invitation.instanceName ?? invitation.space.name,
            space: invitation.space.name,
          })}
        >
          <Button component={Link} to={`/invitation?id=${invitation.id}`} size="sm" mt={4}>
            {t('spaces.review')}
          </Button>
        </Alert>
      ))}
      {spaces?.nodes.length === 0 && (
        <Paper withBorder p="xl" ta="center">
          <Title order={2}>{t('spaces.none')}</Title>
          <Text c="dimmed">{t('spaces.noneLead')}</Text>
        </Paper>
      )}
      {spaces?.nodes.map((space) => (
        <SpaceCard key={space.id} space={space} />
      ))}
      {spaces?.pageInfo.hasNextPage && (
        <Button
          variant="subtle"
          loading={loading}
          onClick={() => void fetchMore({ variables: { after: spaces.pageInfo.endCursor } })}
        >
          {t('more', { count: spaces.totalCount - spaces.nodes.length })}
        </Button>
      )}
    </Stack>
  )
}

function SpaceCard({ space }: { space: Space }) {
  const { t } = useTranslation()
  const { nodes } = space.instances
  const active = nodes.filter(({ state }) => state === 'ACTIVE')
  const deleted = nodes.filter(({ state }) => state === 'DELETED')
  return (
    <section aria-labelledby={space.id}>
      <Group justify="space-between" align="baseline" mb="xs">
        <Title order={2} id={space.id}>
          {space.name}
        </Title>
        <Text size="sm" c="dimmed">
          {space.organization.name}
        </Text>
      </Group>
      <Stack component="ul" gap={0} className="plain card">
        {active.map((instance) => (
          <InstanceRow key={instance.id} instance={instance} />
        ))}
      </Stack>
      {deleted.length > 0 && (
        <>
          <Title order={3} mt="md" mb="xs" size="h5" c="dimmed">
            {t('spaces.deleted')}
          </Title>
          <Stack component="ul" gap={0} className="plain card">
            {deleted.map((instance) => (
              <InstanceRow key={instance.id} instance={instance} />
            ))}
          </Stack>
        </>
      )}
    </section>
  )
}

function InstanceRow({ instance }: { instance: Instance }) {
  const { t } = useTranslation()
  const { id, name, state, viewerRoles, inviting, restoring, restorableUntil } = instance
  const role = (['SPACE_ADMINISTRATOR', 'INSTANCE_EDITOR', 'INSTANCE_VIEWER'] as const).find((role) =>
    viewerRoles.includes(role),
  )
  const deleted = state === 'DELETED'
  const late = restoring.obstacles.some(({ code }) => code === 'RESTORE_WINDOW_EXPIRED')
  const why = deleted
    ? late
      ? 'late'
      : restoring.allowed
        ? 'restorable'
        : 'askRestore'
    : inviting.allowed
      ? 'invite'
      : inviting.obstacles.some(({ code }) => code === 'INSTANCE_DISTRIBUTED')
        ? 'distributed'
        : 'ask'
  return (
    <li className="row link">
      <div className="address">
        <Group gap="xs">
          <Anchor component={Link} to={`/instance/${id}`} fw={600} c="inherit" underline="never" className="whole">
            {name}
          </Anchor>
          {role && (
            <Badge variant="default" size="sm">
              {t(`role.${role}`)}
            </Badge>
          )}
        </Group>
        <Text size="sm" c="dimmed">
          {t(`spaces.can.${why}`)}
        </Text>
      </div>
      <Group gap="sm" wrap="nowrap">
        {deleted && !late && restorableUntil && <Countdown until={restorableUntil} size="sm" />}
        <ChevronIcon />
      </Group>
    </li>
  )
}
