import { useMutation } from '@apollo/client/react'
import { Anchor, Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { useResultFocus } from '../focus/result-focus'
import { graphql } from '../generated'

const RequestRole = graphql(`
  mutation RequestRole($input: RequestRoleInput!) {
    requestRole(input: $input) {
      created
      request {
        ...RequestRow
      }
    }
  }
`)

const RequestRestore = graphql(`
  mutation RequestRestore($input: RequestRestoreInput!) {
    requestRestore(input: $input) {
      created
      request {
        ...RequestRow
      }
    }
  }
`)

type Props = {
  kind: 'role' | 'restore'
  place: { instanceId: string } | { spaceId: string }
  /** There is a better action on the page. */
  secondary?: boolean
}

/** Asks to become an administrator, or to restore an instance or a space: a button that opens a form for the reason. */
export function RequestForm({ kind, place, secondary }: Props) {
  const { t } = useTranslation()
  const opener = useRef<HTMLButtonElement>(null)
  const [open, setOpen] = useState(false)
  const [reason, setReason] = useState('')
  const [faults, setFaults] = useState<Fault[]>([])
  const [requestRole, roleRequest] = useMutation(RequestRole, { refetchQueries: ['Requests'] })
  const [requestRestore, restoreRequest] = useMutation(RequestRestore, { refetchQueries: ['Requests'] })
  const sent = roleRequest.data?.requestRole ?? restoreRequest.data?.requestRestore

  function cancel() {
    flushSync(() => setOpen(false))
    opener.current?.focus()
  }

  async function submit() {
    setFaults([])
    const message = reason.trim() || undefined
    await (kind === 'role'
      ? requestRole({ variables: { input: { ...place, role: 'SPACE_ADMINISTRATOR', message } } })
      : requestRestore({ variables: { input: { ...place, message } } })
    ).catch((error) => setFaults(faultsOf(error)))
  }

  if (sent) return <Sent created={sent.created} />
  if (!open)
    return (
      <Group>
        <Button ref={opener} size="sm" variant={secondary ? 'default' : 'filled'} onClick={() => setOpen(true)}>
          {t(`requestForm.open.${kind}`)}
        </Button>
      </Group>
    )
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      <Stack gap="xs">
        <Textarea
          label={t('requestForm.reason')}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          maxLength={2_000}
          autosize
          minRows={2}
          autoFocus
        />
        <FaultList faults={faults} compact />
        <Group>
          <Button type="submit" size="sm" loading={roleRequest.loading || restoreRequest.loading}>
            {t('requestForm.send')}
          </Button>
          <Button size="sm" variant="subtle" onClick={cancel}>
            {t('requestForm.cancel')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function Sent({ created }: { created: boolean }) {
  const { t } = useTranslation()
  const focus = useResultFocus<HTMLParagraphElement>()
  return (
    <Text size="sm" fw={600} role="status" {...focus}>
      {t(created ? 'requestForm.sent' : 'requestForm.sentBefore')}{' '}
      <Anchor component={Link} to="/requests#mine" size="sm">
        {t('requestForm.myRequests')}
      </Anchor>
    </Text>
  )
}
