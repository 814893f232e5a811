import { useMutation } from '@apollo/client/react'
import { Button, Group, List, Paper, Stack } from '@mantine/core'
import { useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { useTranslation } from 'react-i18next'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { useResultNotice } from '../focus/result-notice'
import { clock } from '../gateway/clock'
import { graphql } from '../generated'
import { ResultTitle } from '../review/result-title'
import { useFormats } from '../texts/formats'

const Delete = graphql(`
  mutation DeleteSpace($input: DeleteSpaceInput!) {
    deleteSpace(input: $input) {
      deleted
      space {
        id
        name
        restorableUntil
      }
    }
  }
`)

/** How long a deleted space can be restored. Milliseconds. */
const restorablePeriod = 24 * 3_600_000

type Props = {
  space: { id: string; name: string }
  onDeleted: () => void
}

/** The button that deletes a space, for its administrators. It says what that does, and asks once more. */
export function DeleteSpace({ space: { id, name }, onDeleted }: Props) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const showResult = useResultNotice()
  const opener = useRef<HTMLButtonElement>(null)
  /** Until when it could be restored; undefined while the person has not pressed the button. */
  const [until, setUntil] = useState<string>()
  const [faults, setFaults] = useState<Fault[]>([])
  // The space stays on the page until the list of spaces is read again.
  const [deleteSpace, { loading, data }] = useMutation(Delete, { refetchQueries: ['Spaces'] })

  function cancel() {
    setFaults([])
    flushSync(() => setUntil(undefined))
    opener.current?.focus()
  }

  async function submit() {
    setFaults([])
    try {
      const { data } = await deleteSpace({ variables: { input: { spaceId: id } } })
      const space = data?.deleteSpace?.space
      if (!space) return
      onDeleted()
      showResult(t('deleteSpace.done', { name, until: moment(space.restorableUntil ?? '') }))
    } catch (error) {
      setFaults(faultsOf(error))
    }
  }

  if (until === undefined)
    return (
      <Group justify="flex-end" mt="xs">
        <Button
          ref={opener}
          size="compact-sm"
          variant="subtle"
          color="red"
          aria-label={`${t('deleteSpace.action')}, ${name}`}
          onClick={() => setUntil(new Date(clock.now() + restorablePeriod).toISOString())}
        >
          {t('deleteSpace.action')}
        </Button>
      </Group>
    )
  return (
    <Paper withBorder p="lg" mt="md">
      <Stack gap="sm">
        <div className="wrap-anywhere">
          <ResultTitle order={3}>{t('deleteSpace.confirmTitle', { name })}</ResultTitle>
        </div>
        <List spacing="xs" size="sm">
          <List.Item>{t('deleteSpace.effect.access')}</List.Item>
          <List.Item>{t('deleteSpace.effect.invitations')}</List.Item>
          <List.Item>{t('deleteSpace.effect.restore', { until: moment(until) })}</List.Item>
        </List>
        <FaultList faults={faults} compact onRetry={() => void submit()} />
        <Group>
          <Button color="red" loading={loading || Boolean(data)} onClick={() => void submit()}>
            {t('deleteSpace.confirm')}
          </Button>
          <Button variant="default" disabled={loading || Boolean(data)} onClick={cancel}>
            {t('deleteSpace.cancel')}
          </Button>
        </Group>
      </Stack>
    </Paper>
  )
}
