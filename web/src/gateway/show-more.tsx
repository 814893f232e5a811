import { Button } from '@mantine/core'
import { useTranslation } from 'react-i18next'

/** The most that the gateway counts: a list with as many entries may have more. */
const maxTotal = 10_000

type Connection = {
  totalCount: number
  pageInfo: { hasNextPage: boolean; endCursor?: string | null }
  nodes: unknown[]
}

type ShowMoreProps = {
  page: Connection
  loading: boolean
  fetchAfter: (cursor: string | null | undefined) => Promise<unknown>
}

/** The button below a list that adds the next page of its connection, and says how many entries are left, where they are counted. */
export function ShowMore({ page, loading, fetchAfter }: ShowMoreProps) {
  const { t } = useTranslation()
  if (!page.pageInfo.hasNextPage) return null
  const left = page.totalCount - page.nodes.length
  return (
    <Button variant="subtle" loading={loading} onClick={() => void fetchAfter(page.pageInfo.endCursor)}>
      {page.totalCount < maxTotal ? t('more', { count: left }) : t('moreThanCounted')}
    </Button>
  )
}
