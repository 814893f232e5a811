import { useQuery } from '@apollo/client/react'
import { Anchor, Badge, Group, Loader, Paper, Stack, Text, Title } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { ShowMore } from '../gateway/show-more'
import { graphql } from '../generated'
import type { SpaceState, SpacesQuery } from '../generated/graphql'
import { Countdown } from '../instance/countdown'
import { RefusalReminder } from '../review/allow-invitations'
import { ResultTitle } from '../review/result-title'
import { WaitingInvitations } from '../review/waiting-invitations'
import { roles } from '../roles'
import { ChevronIcon } from '../theme/icons'
import { useTitle } from '../title'
import { DeleteSpace } from './delete-space'
import { DeletedSpace } from './deleted-space'

const Spaces = graphql(`
  query Spaces($after: String, $afterDeleted: String) {
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
      deletedSpaces: spaces(state: DELETED, first: 10, after: $afterDeleted) {
        totalCount
        pageInfo {
          hasNextPage
          endCursor
        }
        nodes {
          ...DeletedSpace
        }
      }
    }
  }
`)

type Viewer = SpacesQuery['viewer']
type Space = NonNullable<Viewer['spaces']>['nodes'][number]
type Instance = Space['instances']['nodes'][number]

/** What the person has done with a space: deleted or restored it. */
type Change = { id: string; state: SpaceState }

/** The first page: the person's invitations and spaces, what they can do in each instance, and the deleted spaces. */
export function SpacesPage() {
  const { t } = useTranslation()
  useTitle(t('spaces.title'))
  const { data, error, loading, fetchMore, refetch } = useQuery(Spaces)
  const spaces = data?.viewer.spaces
  const deletedSpaces = data?.viewer.deletedSpaces
  const [change, setChange] = useState<Change>()
  const isResult = (id: string, state: SpaceState) => change?.id === id && change.state === state
  return (
    <Stack gap="xl">
      <div>
        <Title order={1}>{t('spaces.title')}</Title>
        <Text c="dimmed">{t('spaces.lead')}</Text>
      </div>
      {error && <FaultList faults={faultsOf(error)} onRetry={() => void refetch()} />}
      {!data && loading && <Loader aria-label={t('loading')} />}
      <WaitingInvitations invitations={data?.viewer.invitations?.nodes ?? []} />
      {spaces?.nodes.length === 0 && deletedSpaces?.nodes.length === 0 && (
        <Paper withBorder p="xl" ta="center">
          <Title order={2}>{t('spaces.none')}</Title>
          <Text c="dimmed">{t('spaces.noneLead')}</Text>
        </Paper>
      )}
      {spaces?.nodes.map((space) => (
        <SpaceSection
          key={space.id}
          space={space}
          isResult={isResult(space.id, 'ACTIVE')}
          onDeleted={() => setChange({ id: space.id, state: 'DELETED' })}
        />
      ))}
      {spaces && (
        <ShowMore page={spaces} loading={loading} fetchAfter={(after) => fetchMore({ variables: { after } })} />
      )}
      {deletedSpaces && deletedSpaces.nodes.length > 0 && (
        <Stack component="section" aria-labelledby="deleted-spaces">
          <Title order={2} id="deleted-spaces">
            {t('spaces.deletedSpaces')}
          </Title>
          {deletedSpaces.nodes.map((space) => (
            <DeletedSpace
              key={space.id}
              space={space}
              titleOrder={3}
              isResult={isResult(space.id, 'DELETED')}
              onRestored={() => setChange({ id: space.id, state: 'ACTIVE' })}
              onOutdated={() => void refetch()}
            />
          ))}
          <ShowMore
            page={deletedSpaces}
            loading={loading}
            fetchAfter={(afterDeleted) => fetchMore({ variables: { afterDeleted } })}
          />
        </Stack>
      )}
      {data?.viewer.refusesInvitations && <RefusalReminder email={data.viewer.email} />}
    </Stack>
  )
}

type SpaceSectionProps = {
  space: Space
  /** The person has just restored it: its title gets the focus. */
  isResult: boolean
  onDeleted: () => void
}

function SpaceSection({ space, isResult, onDeleted }: SpaceSectionProps) {
  const { t } = useTranslation()
  const { nodes } = space.instances
  const deleted = nodes.filter(({ state }) => state === 'DELETED')
  return (
    <section aria-labelledby={space.id}>
      <Group justify="space-between" align="baseline" mb="xs">
        {isResult ? (
          <ResultTitle id={space.id}>{space.name}</ResultTitle>
        ) : (
          <Title order={2} id={space.id}>
            {space.name}
          </Title>
        )}
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
      {space.viewerRoles.includes('SPACE_ADMINISTRATOR') && <DeleteSpace space={space} onDeleted={onDeleted} />}
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
