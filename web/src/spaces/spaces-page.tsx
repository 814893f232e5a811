import { useQuery } from '@apollo/client/react'
import { Anchor, Badge, Group, Loader, Paper, Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { ShowMore } from '../gateway/show-more'
import { graphql } from '../generated'
import type { SpacesQuery } from '../generated/graphql'
import { Countdown } from '../instance/countdown'
import { RefusalReminder } from '../review/allow-invitations'
import { WaitingInvitations } from '../review/waiting-invitations'
import { roles } from '../roles'
import { ChevronIcon } from '../theme/icons'
import { useTitle } from '../title'

const Spaces = graphql(`
  query Spaces($after: String) {
    viewer {
      id
      name
      email
      refusesInvitations
      invitations {
        nodes {
          ...WaitingInvitation
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

/** The first page: the person's invitations and spaces, and what they can do in each instance. */
export function SpacesPage() {
  const { t } = useTranslation()
  useTitle(t('spaces.title'))
  const { data, error, loading, fetchMore, refetch } = useQuery(Spaces)
  const spaces = data?.viewer.spaces
  return (
    <Stack gap="xl">
      <div>
        <Title order={1}>{t('spaces.title')}</Title>
        <Text c="dimmed">{t('spaces.lead')}</Text>
      </div>
      {error && <FaultList faults={faultsOf(error)} onRetry={() => void refetch()} />}
      {!data && loading && <Loader aria-label={t('loading')} />}
      <WaitingInvitations invitations={data?.viewer.invitations?.nodes ?? []} />
      {spaces?.nodes.length === 0 && (
        <Paper withBorder p="xl" ta="center">
          <Title order={2}>{t('spaces.none')}</Title>
          <Text c="dimmed">{t('spaces.noneLead')}</Text>
        </Paper>
      )}
      {spaces?.nodes.map((space) => (
        <SpaceSection key={space.id} space={space} />
      ))}
      {spaces && (
        <ShowMore page={spaces} loading={loading} fetchAfter={(after) => fetchMore({ variables: { after } })} />
      )}
      {data?.viewer.refusesInvitations && <RefusalReminder email={data.viewer.email} />}
    </Stack>
  )
}

function SpaceSection({ space }: { space: Space }) {
  const { t } = useTranslation()
  const { nodes } = space.instances
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
      <InstanceList instances={nodes.filter(({ state }) => state === 'ACTIVE')} />
      {deleted.length > 0 && (
        <>
          <Title order={3} mt="md" mb="xs" size="h5" c="dimmed">
            {t('spaces.deleted')}
          </Title>
          <InstanceList instances={deleted} />
        </>
      )}
    </section>
  )
}

function InstanceList({ instances }: { instances: Instance[] }) {
  return (
    <Stack component="ul" gap={0} className="plain-list card">
      {instances.map((instance) => (
        <InstanceRow key={instance.id} instance={instance} />
      ))}
    </Stack>
  )
}

function InstanceRow({ instance }: { instance: Instance }) {
  const { t } = useTranslation()
  const { id, name, viewerRoles, restorableUntil } = instance
  const role = roles.find((role) => viewerRoles.includes(role))
  const action = actionOf(instance)
  const restorable = action === 'restore' || action === 'askRestore'
  return (
    <li className="row link">
      <div className="wrap-anywhere">
        <Group gap="xs">
          <Anchor
            component={Link}
            to={`/instance/${id}`}
            fw={600}
            c="inherit"
            underline="never"
            className="stretched-link"
          >
            {name}
          </Anchor>
          {role && (
            <Badge variant="default" size="sm">
              {t(`role.${role}`)}
            </Badge>
          )}
        </Group>
        <Text size="sm" c="dimmed">
          {t(`spaces.action.${action}`)}
        </Text>
      </div>
      <Group gap="sm" wrap="nowrap">
        {restorable && restorableUntil && <Countdown until={restorableUntil} size="sm" />}
        <ChevronIcon />
      </Group>
    </li>
  )
}

/** Returns what the person can do with an instance: a key of the texts in `spaces.action`. */
function actionOf({ state, inviting, restoring }: Instance) {
  const has = (readiness: Instance['inviting'], code: string) => readiness.obstacles.some((each) => each.code === code)
  if (state === 'DELETED') {
    if (has(restoring, 'RESTORE_WINDOW_EXPIRED')) return 'expired'
    return restoring.allowed ? 'restore' : 'askRestore'
  }
  if (inviting.allowed) return 'invite'
  return has(inviting, 'INSTANCE_DISTRIBUTED') ? 'distributed' : 'askInvite'
}
