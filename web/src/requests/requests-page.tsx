import { useQuery } from '@apollo/client/react'
import { Alert, Button, Loader, Stack, Tabs, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { useLocation, useNavigate } from 'react-router'
import { faultsOf } from '../gateway/faults'
import { graphql } from '../generated'
import type { RequestRowFragment } from '../generated/graphql'
import { FaultView } from '../obstacle/obstacle'
import { useTitle } from '../title'
import { RequestCard } from './request-card'

const Requests = graphql(`
  query Requests($afterInbox: String, $afterOwn: String) {
    viewer {
      id
      requestsToAnswer(first: 10, after: $afterInbox) {
        totalCount
        pageInfo {
          hasNextPage
          endCursor
        }
        nodes {
          ...RequestRow
        }
      }
      requests(first: 10, after: $afterOwn) {
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

const SpacesRequests = graphql(`
  query SpacesRequests {
    viewer {
      id
      spaces(first: 10) {
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
    }
  }
`)

/** What others ask the person for, and what she asks for herself; `/request#<id>` opens one of them. */
export function RequestsPage() {
  const { t } = useTranslation()
  useTitle(t('requests.title'))
  const { hash, pathname } = useLocation()
  const navigate = useNavigate()
  const { data, error, loading } = useQuery(Requests)
  const wanted = pathname.endsWith('/request') ? hash.slice(1) : ''
  const inbox = data?.viewer.requestsToAnswer
  const own = data?.viewer.requests
  const ofOwn = own?.nodes.some(({ id }) => id === wanted)
  const found = !wanted || ofOwn || inbox?.nodes.some(({ id }) => id === wanted)
  const tab =
    hash === '#mine' || ofOwn ? 'mine' : hash === '#inbox' || wanted || inbox?.totalCount !== 0 ? 'inbox' : 'mine'

  return (
    <Stack gap="lg">
      <div>
        <Title order={1}>{t('requests.title')}</Title>
        <Text c="dimmed">{t('requests.lead')}</Text>
      </div>
      {error && faultsOf(error).map((fault, at) => <FaultView key={at} fault={fault} />)}
      {!data && loading && <Loader aria-label={t('loading')} />}
      {data && !found && <Elsewhere id={wanted} />}
      {data && (
        <Tabs value={tab} onChange={(value) => void navigate(`/requests#${value}`)} keepMounted={false}>
          <Tabs.List mb="lg">
            <Tabs.Tab value="inbox">{t('requests.inbox', { count: inbox?.totalCount ?? 0 })}</Tabs.Tab>
            <Tabs.Tab value="mine">{t('requests.mine', { count: own?.totalCount ?? 0 })}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="inbox">
            <List which="afterInbox" page={inbox} wanted={wanted} answers />
          </Tabs.Panel>
          <Tabs.Panel value="mine">
            <List which="afterOwn" page={own} wanted={wanted} answers={false} />
          </Tabs.Panel>
        </Tabs>
      )}
    </Stack>
  )
}

type Page = {
  nodes: RequestRowFragment[]
  totalCount: number
  pageInfo: { hasNextPage: boolean; endCursor?: string | null }
}
type ListProps = { which: 'afterInbox' | 'afterOwn'; page?: Page | null; wanted: string; answers: boolean }

function List({ which, page, wanted, answers }: ListProps) {
  const { t } = useTranslation()
  const { fetchMore, loading } = useQuery(Requests, { fetchPolicy: 'cache-only' })
  if (!page || page.nodes.length === 0)
    return <Text c="dimmed">{t(answers ? 'requests.inboxNone' : 'requests.mineNone')}</Text>
  return (
    <Stack gap="md">
      {page.nodes.map((request) => (
        <RequestCard key={request.id} request={request} answers={answers} chosen={request.id === wanted} />
      ))}
      {page.pageInfo.hasNextPage && (
        <Button
          variant="subtle"
          loading={loading}
          onClick={() => void fetchMore({ variables: { [which]: page.pageInfo.endCursor } })}
        >
          {t('more', { count: page.totalCount - page.nodes.length })}
        </Button>
      )}
    </Stack>
  )
}

/** A request that is in neither list: one that was answered, for who administrates its space. */
function Elsewhere({ id }: { id: string }) {
  const { t } = useTranslation()
  const { data, loading } = useQuery(SpacesRequests, { errorPolicy: 'all' })
  const request = data?.viewer.spaces?.nodes
    .flatMap(({ requests }) => requests?.nodes ?? [])
    .find((each) => each.id === id)
  if (request) return <RequestCard request={request} answers chosen />
  if (loading) return <Loader size="sm" />
  return (
    <Alert color="gray" title={t('requests.unknown')}>
      {t('requests.unknownLead')}
    </Alert>
  )
}
