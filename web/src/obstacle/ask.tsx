import { useMutation } from '@apollo/client/react'
import { Anchor, Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { type Fault, faultsOf } from '../gateway/faults'
import { graphql } from '../generated'
import { FaultView } from './obstacle'

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

type Props = { what: 'role' | 'restore'; instanceId: string; quiet?: boolean }

/** Asks those who can: with one button, and words if one likes. */
export function Ask({ what, instanceId, quiet }: Props) {
  const { t } = useTranslation()
  const [open, setOpen] = useState(false)
  const [message, setMessage] = useState('')
  const [faults, setFaults] = useState<Fault[]>([])
  const [role, askingRole] = useMutation(RequestRole, { refetchQueries: ['Requests'] })
  const [restore, askingRestore] = useMutation(RequestRestore, { refetchQueries: ['Requests'] })
  const answer = askingRole.data?.requestRole ?? askingRestore.data?.requestRestore

  async function ask() {
    setFaults([])
    const words = message.trim() || undefined
    await (what === 'role'
      ? role({ variables: { input: { instanceId, role: 'SPACE_ADMINISTRATOR', message: words } } })
      : restore({ variables: { input: { instanceId, message: words } } })
    ).catch((error) => setFaults(faultsOf(error)))
  }

  if (answer)
    return (
      <Text size="sm" fw={600} role="status">
        {t(answer.created ? 'ask.done' : 'ask.doneBefore')}{' '}
        <Anchor component={Link} to="/requests#mine" size="sm">
          {t('outcome.requests')}
        </Anchor>
      </Text>
    )
  if (!open)
    return (
      <Group>
        <Button size="sm" variant={quiet ? 'default' : 'filled'} onClick={() => setOpen(true)}>
          {t(`ask.${what}`)}
        </Button>
      </Group>
    )
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void ask()
      }}
    >
      <Stack gap="xs">
        <Textarea
          label={t('ask.message')}
          value={message}
          onChange={(event) => setMessage(event.currentTarget.value)}
          maxLength={2_000}
          autosize
          minRows={2}
          data-autofocus
          autoFocus
        />
        {faults.map((fault, at) => (
          <FaultView key={at} fault={fault} compact />
        ))}
        <Group>
          <Button type="submit" size="sm" loading={askingRole.loading || askingRestore.loading}>
            {t(`ask.send.${what}`)}
          </Button>
          <Button size="sm" variant="subtle" onClick={() => setOpen(false)}>
            {t('ask.cancel')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
