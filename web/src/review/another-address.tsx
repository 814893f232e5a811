import { useMutation } from '@apollo/client/react'
import { Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { graphql } from '../generated'
import { ResultTitle } from './result-title'

const RequestReaddressing = graphql(`
  mutation RequestReaddressing($input: RequestReaddressingInput!) {
    requestReaddressing(input: $input) {
      created
      request {
        id
        status
      }
    }
  }
`)

/** Asks for the invitation of a link at the address of the account that is signed in. */
export function AnotherAddress({ token, own }: { token: string; own: string }) {
  const { t } = useTranslation()
  const [opened, setOpened] = useState(false)
  const [message, setMessage] = useState('')
  const [faults, setFaults] = useState<Fault[]>([])
  const [ask, { data, loading }] = useMutation(RequestReaddressing)

  async function submit() {
    setFaults([])
    const input = { token, message: message.trim() || undefined }
    await ask({ variables: { input } }).catch((error) => setFaults(faultsOf(error)))
  }

  if (data?.requestReaddressing)
    return (
      <Stack gap="xs" role="status">
        <ResultTitle>{t('review.asked')}</ResultTitle>
        <Text size="sm">{t('review.askedLead', { own })}</Text>
        <Group>
          <Button component={Link} to="/requests" size="sm" variant="default">
            {t('review.myRequests')}
          </Button>
        </Group>
      </Stack>
    )
  if (!opened)
    return (
      <Group>
        <Button size="sm" variant="default" onClick={() => setOpened(true)}>
          {t('review.anotherAddress')}
        </Button>
      </Group>
    )
  return (
    <Stack gap="xs">
      <ResultTitle>{t('review.anotherAddress')}</ResultTitle>
      <Text size="sm">{t('review.anotherAddressLead', { own })}</Text>
      <Textarea
        label={t('review.askMessage')}
        value={message}
        maxLength={2_000}
        autosize
        minRows={1}
        onChange={(event) => setMessage(event.currentTarget.value)}
      />
      <Group>
        <Button size="sm" loading={loading} onClick={() => void submit()}>
          {t('review.ask')}
        </Button>
        <Button size="sm" variant="default" disabled={loading} onClick={() => setOpened(false)}>
          {t('refusal.cancel')}
        </Button>
      </Group>
      <FaultList faults={faults} compact onRetry={() => void submit()} />
    </Stack>
  )
}
