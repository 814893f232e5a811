import { useMutation } from '@apollo/client/react'
import { Anchor, Badge, Button, Checkbox, Group, Paper, Stack, Text, Textarea, Title } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { type Fault, faultsOf } from '../gateway/faults'
import { graphql } from '../generated'
import type { RequestRowFragment, RequestStatus } from '../generated/graphql'
import { FaultView } from '../obstacle/obstacle'
import { useFormats } from '../texts/formats'

const Approve = graphql(`
  mutation Approve($input: ApproveRequestInput!) {
    approveRequest(input: $input) {
      request {
        ...RequestRow
      }
    }
  }
`)

const Decline = graphql(`
  mutation Decline($input: DeclineRequestInput!) {
    declineRequest(input: $input) {
      request {
        ...RequestRow
      }
    }
  }
`)

const Withdraw = graphql(`
  mutation Withdraw($input: WithdrawRequestInput!) {
    withdrawRequest(input: $input) {
      request {
        ...RequestRow
      }
    }
  }
`)

const colors: Record<RequestStatus, string> = {
  OPEN: 'sea',
  APPROVED: 'green',
  DECLINED: 'red',
  WITHDRAWN: 'gray',
  EXPIRED: 'gray',
}

type Props = { request: RequestRowFragment; answers: boolean; chosen?: boolean }

/** A request: for who answers it (`answers`), or for who has made it. */
export function RequestCard({ request, answers, chosen }: Props) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const { id, kind, status, instance, instanceName, spaceName, message, answer, answeredBy, requestedBy } = request
  const card = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (chosen) card.current?.focus()
  }, [chosen])
  const place = instanceName ?? spaceName
  return (
    <Paper
      ref={card}
      withBorder
      p="lg"
      component="article"
      aria-labelledby={`${id}-title`}
      tabIndex={-1}
      className={chosen ? 'chosen' : undefined}
      data-request={id}
    >
      <Group justify="space-between" align="flex-start" gap="xs" wrap="nowrap">
        <div>
          <Title order={3} id={`${id}-title`}>
            {t(`request.${answers ? 'of' : 'own'}.${kind}`, {
              name: requestedBy.name,
              place,
              role: request.role ? t(`role.${request.role as 'SPACE_ADMINISTRATOR'}`) : '',
              count: request.emails.length,
            })}
          </Title>
          <Text size="sm" c="dimmed">
            {instance ? (
              <Anchor component={Link} to={`/instance/${instance.id}`} size="sm">
                {place}
              </Anchor>
            ) : (
              place
            )}
            {instanceName && ` · ${spaceName}`} · {moment(request.createdAt)}
            {status === 'OPEN' && ` · ${t('request.until', { at: moment(request.expiresAt) })}`}
          </Text>
        </div>
        <Badge variant="light" color={colors[status]}>
          {t(`request.status.${status}`)}
        </Badge>
      </Group>
      <Stack gap="sm" mt="sm">
        {message && (
          <Text component="blockquote" className="words">
            {message}
          </Text>
        )}
        {status !== 'OPEN' && request.emails.length > 0 && (
          <Text size="sm" className="address">
            {(status === 'APPROVED' ? request.approvedEmails : request.emails).join(', ')}
          </Text>
        )}
        {answeredBy && status !== 'OPEN' && (
          <Text size="sm">
            {t(`request.answered.${status as 'APPROVED'}`, {
              name: answeredBy.name,
              at: moment(request.endedAt ?? ''),
            })}
          </Text>
        )}
        {answer && (
          <Text component="blockquote" className="words">
            {answer}
          </Text>
        )}
        {request.endReason === 'RESTORE_WINDOW_EXPIRED' && (
          <Text size="sm">{t('fault.RESTORE_WINDOW_EXPIRED.title')}</Text>
        )}
        {status === 'OPEN' && (answers ? <Answer request={request} /> : <TakeBack id={id} />)}
      </Stack>
    </Paper>
  )
}

function Answer({ request }: { request: RequestRowFragment }) {
  const { t } = useTranslation()
  const { id, emails, requestedBy } = request
  const [left, setLeft] = useState<string[]>([])
  const [words, setWords] = useState('')
  const [faults, setFaults] = useState<Fault[]>([])
  const [approve, approving] = useMutation(Approve)
  const [decline, declining] = useMutation(Decline)
  const chosen = emails.filter((email) => !left.includes(email))
  const message = words.trim() || undefined

  async function answer(how: 'approve' | 'decline') {
    setFaults([])
    await (how === 'approve'
      ? approve({ variables: { input: { requestId: id, message, emails: left.length ? chosen : undefined } } })
      : decline({ variables: { input: { requestId: id, message } } })
    ).catch((error) => setFaults(faultsOf(error)))
  }

  return (
    <Stack gap="sm">
      {emails.length > 0 && (
        <Checkbox.Group
          label={t('request.whom')}
          value={chosen}
          onChange={(value) => setLeft(emails.filter((email) => !value.includes(email)))}
        >
          <Stack gap={6} mt={6} mah={220} className="scrolls">
            {emails.map((email) => (
              <Checkbox key={email} value={email} label={email} size="sm" />
            ))}
          </Stack>
        </Checkbox.Group>
      )}
      <Textarea
        label={t('request.words', { name: requestedBy.name })}
        value={words}
        maxLength={2_000}
        autosize
        minRows={1}
        onChange={(event) => setWords(event.currentTarget.value)}
      />
      {faults.map((fault, at) => (
        <FaultView key={at} fault={fault} compact />
      ))}
      <Group>
        <Button
          loading={approving.loading}
          disabled={emails.length > 0 && chosen.length === 0}
          onClick={() => void answer('approve')}
        >
          {t(`request.approve.${request.kind}`, { count: chosen.length })}
        </Button>
        <Button variant="default" loading={declining.loading} onClick={() => void answer('decline')}>
          {t('request.decline')}
        </Button>
      </Group>
    </Stack>
  )
}

function TakeBack({ id }: { id: string }) {
  const { t } = useTranslation()
  const [faults, setFaults] = useState<Fault[]>([])
  const [withdraw, { loading }] = useMutation(Withdraw)
  return (
    <>
      {faults.map((fault, at) => (
        <FaultView key={at} fault={fault} compact />
      ))}
      <Group>
        <Button
          variant="default"
          size="sm"
          loading={loading}
          onClick={() =>
            void withdraw({ variables: { input: { requestId: id } } }).catch((error) => setFaults(faultsOf(error)))
          }
        >
          {t('request.withdraw')}
        </Button>
      </Group>
    </>
  )
}
