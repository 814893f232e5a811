import { useQuery } from '@apollo/client/react'
import { Alert, Loader, Stack, Tabs, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { useLocation, useNavigate } from 'react-router'
import { faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { ShowMore } from '../gateway/show-more'
import { graphql } from '../generated'
import type { RequestRowFragment } from '../generated/graphql'
import { idOfHash } from '../review/link'
import { useTitle } from '../title'
import { RequestCard } from './request-card'

const Requests = graphql(`
  query Requests($afterReceived: String, $afterSent: String) {
    viewer {
      id
      requestsToAnswer(first: 10, after: $afterReceived) {
        totalCount
        pageInfo {
          hasNextPage
          endCursor
        }
        nodes {
          ...RequestRow
        }
      }
      requests(first: 10, after: $afterSent) {
        totalCount
        pageInfo {
          hasNextPage
          endCursor
        }
        nodes {
          ...RequestRow
        }
      }
    }
  }
`)

const AnsweredRequests = graphql(`
  query AnsweredRequests {
    viewer {
      id
      spaces(first: 10, state: null) {
        nodes {
          id
          requests(first: 50) {
            nodes {
              ...RequestHead
              emails(first: 20)
              approvedEmails(first: 20)
            }
          }
        }
      }
      organizations(first: 100) {
        nodes {
          id
          viewerRoles
        }
      }
    }
  }
`)

const RequestsInOrganization = graphql(`
  query RequestsInOrganization($id: ID!) {
    organization(id: $id) {
      id
      requests(first: 100) {
        nodes {
          ...RequestHead
          emails(first: 0)
          approvedEmails(first: 0)
        }
      }
    }
  }
`)

/** The requests that the person can answer, and those that they have sent. `/request#<id>` shows one of them first. */
export function RequestsPage() {
  const { t } = useTranslation()
  useTitle(t('requests.title'))
  const { hash, pathname } = useLocation()
  const navigate = useNavigate()
  const { data, error, loading, refetch } = useQuery(Requests)
  const received = data?.viewer.requestsToAnswer
  const sent = data?.viewer.requests

  const selectedId = pathname.endsWith('/request') ? idOfHash(hash) : ''
  const isSelected = ({ id }: { id: string }) => id === selectedId
  const selectedIsSent = sent?.nodes.some(isSelected)
  const selectedIsListed = selectedIsSent || received?.nodes.some(isSelected)
  const tab = selectedIsSent ? 'mine' : tabOf(hash, selectedId !== '' || received?.totalCount !== 0)

  return (
    <Stack gap="lg">
      <div>
        <Title order={1}>{t('requests.title')}</Title>
        <Text c="dimmed">{t('requests.lead')}</Text>
      </div>
      {error && <FaultList faults={faultsOf(error)} onRetry={() => void refetch()} />}
      {!data && loading && <Loader aria-label={t('loading')} />}
      {data && selectedId && !selectedIsListed && <AnsweredRequest id={selectedId} />}
      {data && (
        <Tabs value={tab} onChange={(value) => void navigate(`/requests#${value}`)} keepMounted={false}>
          <Tabs.List mb="lg">
            <Tabs.Tab value="inbox">{t('requests.received', { count: received?.totalCount ?? 0 })}</Tabs.Tab>
            <Tabs.Tab value="mine">{t('requests.sent', { count: sent?.totalCount ?? 0 })}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="inbox">
            <RequestList direction="received" page={received} selectedId={selectedId} />
          </Tabs.Panel>
          <Tabs.Panel value="mine">
            <RequestList direction="sent" page={sent} selectedId={selectedId} />
          </Tabs.Panel>
        </Tabs>
      )}
    </Stack>
  )
}

/** Returns the tab that the URL names, else the received requests if there is something to see. */
function tabOf(hash: string, preferReceived: boolean) {
  if (hash === '#mine' || hash === '#inbox') return hash.slice(1)
  return preferReceived ? 'inbox' : 'mine'
}

type RequestListProps = {
  direction: 'received' | 'sent'
  page?: {
    nodes: RequestRowFragment[]
    totalCount: number
    pageInfo: { hasNextPage: boolean; endCursor?: string | null }
  } | null
  selectedId: string
}

function RequestList({ direction, page, selectedId }: RequestListProps) {
  const { t } = useTranslation()
  const { fetchMore, loading } = useQuery(Requests, { fetchPolicy: 'cache-only' })
  if (!page || page.nodes.length === 0)
    return <Text c="dimmed">{t(direction === 'received' ? 'requests.noneReceived' : 'requests.noneSent')}</Text>
  const after = direction === 'received' ? 'afterReceived' : 'afterSent'
  return (
    <Stack gap="md">
      {page.nodes.map((request) => (
        <RequestCard key={request.id} request={request} direction={direction} selected={request.id === selectedId} />
      ))}
      <ShowMore page={page} loading={loading} fetchAfter={(cursor) => fetchMore({ variables: { [after]: cursor } })} />
    </Stack>
  )
}

/** A request that is in neither list: administrators of its space, deleted or not, and managers of its organization can still see it after somebody has answered it. */
function AnsweredRequest({ id }: { id: string }) {
  const { data, loading } = useQuery(AnsweredRequests, { errorPolicy: 'all' })
  const requests = data?.viewer.spaces?.nodes.flatMap((space) => space.requests?.nodes ?? [])
  const request = requests?.find((each) => each.id === id)
  if (request) return <RequestCard request={request} direction="received" selected />
  if (loading) return <Loader size="sm" />
  const managed = data?.viewer.organizations?.nodes.filter(({ viewerRoles }) =>
    viewerRoles.includes('ORGANIZATION_MANAGER'),
  )
  return <AnsweredInOrganizations id={id} organizationIds={managed?.map((organization) => organization.id) ?? []} />
}

/** Looks for a request in one organization after the other: few people manage more than one. */
function AnsweredInOrganizations({ id, organizationIds }: { id: string; organizationIds: string[] }) {
  const { t } = useTranslation()
  const [organizationId = '', ...others] = organizationIds
  const { data, loading } = useQuery(RequestsInOrganization, {
    variables: { id: organizationId },
    skip: !organizationId,
    errorPolicy: 'all',
  })
  const request = data?.organization?.requests?.nodes.find((each) => each.id === id)
  if (request) return <RequestCard request={request} direction="received" selected />
  if (loading) return <Loader size="sm" />
  if (others.length > 0) return <AnsweredInOrganizations id={id} organizationIds={others} />
  return (
    <Alert color="gray" title={t('requests.unknown')}>
      {t('requests.unknownLead')}
    </Alert>
  )
}
