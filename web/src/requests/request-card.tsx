import { useMutation } from '@apollo/client/react'
import { Anchor, Badge, Button, Checkbox, Group, Paper, Stack, Text, Textarea, Title } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { announce } from '../focus/announcer'
import { graphql } from '../generated'
import type { RequestRowFragment, RequestStatus } from '../generated/graphql'
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

const statusColors: Record<RequestStatus, string> = {
  OPEN: 'sea',
  APPROVED: 'green',
  DECLINED: 'red',
  WITHDRAWN: 'gray',
  EXPIRED: 'gray',
}

type Props = {
  request: RequestRowFragment
  /** `received`: the person can answer the request. `sent`: they have sent it. */
  direction: 'received' | 'sent'
  /** The link that was followed is about this request. */
  selected?: boolean
}

export function RequestCard({ request, direction, selected }: Props) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const {
    id,
    kind,
    status,
    instance,
    instanceName,
    spaceName,
    organizationName,
    message,
    answer,
    answeredBy,
    requestedBy,
  } = request
  const card = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (selected) card.current?.focus()
  }, [selected])
  const place = instanceName ?? organizationName ?? spaceName
  return (
    <Paper
      ref={card}
      withBorder
      p="lg"
      component="article"
      aria-labelledby={`${id}-title`}
      tabIndex={-1}
      className={selected ? 'selected' : undefined}
      data-request={id}
    >
      <Group justify="space-between" align="flex-start" gap="xs" wrap="nowrap">
        <div>
          <Title order={3} id={`${id}-title`}>
            {t(`request.${direction}.${kind}`, {
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
        <Badge variant="light" color={statusColors[status]}>
          {t(`request.status.${status}`)}
        </Badge>
      </Group>
      <Stack gap="sm" mt="sm">
        {message && <Quote>{message}</Quote>}
        {status !== 'OPEN' && request.emails.length > 0 && (
          <Text size="sm" className="wrap-anywhere">
            {(status === 'APPROVED' ? request.approvedEmails : request.emails).join(', ')}
          </Text>
        )}
        {answeredBy && status !== 'OPEN' && (
          <Text size="sm">
            {t(`request.answered.${status as 'APPROVED'}`, {
              // Guests are not told which manager it was.
              name:
                answeredBy.email || !organizationName
                  ? answeredBy.name
                  : t('request.aManager', { organization: organizationName }),
              at: moment(request.endedAt ?? ''),
            })}
          </Text>
        )}
        {answer && <Quote>{answer}</Quote>}
        {request.endReason === 'RESTORE_WINDOW_EXPIRED' && (
          <Text size="sm">{t('fault.RESTORE_WINDOW_EXPIRED.title')}</Text>
        )}
        {status === 'OPEN' &&
          (direction === 'received' ? <AnswerForm request={request} /> : <WithdrawButton requestId={id} />)}
      </Stack>
    </Paper>
  )
}

function Quote({ children }: { children: string }) {
  return (
    <Text component="blockquote" className="quote">
      {children}
    </Text>
  )
}

function AnswerForm({ request }: { request: RequestRowFragment }) {
  const { t } = useTranslation()
  const { id, emails, requestedBy, space, instanceName } = request
  const isAboutSpace = request.kind === 'RESTORE' && !instanceName
  // In a deleted space, nothing is approved before the space is restored.
  const canApprove = isAboutSpace || space?.state !== 'DELETED'
  const [excluded, setExcluded] = useState<string[]>([])
  const [answer, setAnswer] = useState('')
  const [faults, setFaults] = useState<Fault[]>([])
  const [approve, approval] = useMutation(Approve)
  const [decline, refusal] = useMutation(Decline)
  const included = emails.filter((email) => !excluded.includes(email))
  const message = answer.trim() || undefined

  async function submit(decision: 'approve' | 'decline') {
    setFaults([])
    try {
      await (decision === 'approve'
        ? approve({ variables: { input: { requestId: id, message, emails: excluded.length ? included : undefined } } })
        : decline({ variables: { input: { requestId: id, message } } }))
      announce(t(decision === 'approve' ? 'request.approved' : 'request.declined', { name: requestedBy.name }))
    } catch (error) {
      setFaults(faultsOf(error).map((fault) => (isAboutSpace ? { ...fault, placeKind: 'space' } : fault)))
    }
  }

  return (
    <Stack gap="sm">
      {!canApprove && (
        <Text size="sm">
          {t('request.spaceDeleted')}{' '}
          <Anchor component={Link} to="/" size="sm">
            {t('request.goToSpaces')}
          </Anchor>
        </Text>
      )}
      {!canApprove && emails.length > 0 && (
        <Text size="sm" className="wrap-anywhere">
          {emails.join(', ')}
        </Text>
      )}
      {canApprove && emails.length > 0 && (
        <Checkbox.Group
          label={t('request.people')}
          value={included}
          onChange={(value) => setExcluded(emails.filter((email) => !value.includes(email)))}
        >
          <Stack gap={6} mt={6} mah={220} className="scroll">
            {emails.map((email) => (
              <Checkbox key={email} value={email} label={email} size="sm" />
            ))}
          </Stack>
        </Checkbox.Group>
      )}
      <Textarea
        label={t('request.answer', { name: requestedBy.name })}
        value={answer}
        maxLength={2_000}
        autosize
        minRows={1}
        onChange={(event) => setAnswer(event.currentTarget.value)}
      />
      <FaultList faults={faults} compact />
      <Group>
        {canApprove && (
          <Button
            loading={approval.loading}
            disabled={emails.length > 0 && included.length === 0}
            onClick={() => void submit('approve')}
          >
            {t(`request.approve.${request.kind}`, { count: included.length })}
          </Button>
        )}
        <Button variant="default" loading={refusal.loading} onClick={() => void submit('decline')}>
          {t('request.decline')}
        </Button>
      </Group>
    </Stack>
  )
}

function WithdrawButton({ requestId }: { requestId: string }) {
  const { t } = useTranslation()
  const [faults, setFaults] = useState<Fault[]>([])
  const [withdraw, { loading }] = useMutation(Withdraw)
  return (
    <>
      <FaultList faults={faults} compact />
      <Group>
        <Button
          variant="default"
          size="sm"
          loading={loading}
          onClick={() =>
            void withdraw({ variables: { input: { requestId } } }).then(
              () => announce(t('request.withdrawn')),
              (error) => setFaults(faultsOf(error)),
            )
          }
        >
          {t('request.withdraw')}
        </Button>
      </Group>
    </>
  )
}
