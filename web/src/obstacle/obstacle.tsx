import { Alert, Anchor, Button, Group, List, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { Contact, Fault } from '../gateway/faults'
import { AttentionIcon, MailIcon } from '../look/icons'
import { useFormats } from '../texts/formats'

const ownWords = new Set([
  'FORBIDDEN',
  'NOT_FOUND',
  'INSTANCE_DISTRIBUTED',
  'INSTANCE_DELETED',
  'RESTORE_WINDOW_EXPIRED',
  'UNAVAILABLE',
  'INTERNAL_SERVER_ERROR',
  'OFFLINE',
  'UNAUTHENTICATED',
  'RATE_LIMITED',
  'IDEMPOTENCY_KEY_REUSED',
  'INVITATION_NOT_USABLE',
  'CONFLICT',
])

const support = 'support@alphacruncher.com'

/** A code in the page's words; the gateway's, which are English, where the page has none. */
export function useExplanation() {
  const { t } = useTranslation()
  const { moment, duration } = useFormats()
  return ({ code, reason, message, remedy, restorableUntil, deletedAt, retryAfter }: Fault) => {
    if (!ownWords.has(code)) return { title: message, remedy }
    const values = {
      until: restorableUntil ? moment(restorableUntil) : '',
      at: deletedAt ? moment(deletedAt) : '',
      wait: duration((retryAfter ?? 60) * 1_000),
    }
    const late = code === 'INSTANCE_DELETED' && restorableUntil && Date.parse(restorableUntil) < Date.now()
    const key = late
      ? 'INSTANCE_GONE'
      : reason && (code === 'CONFLICT' || code === 'INVITATION_NOT_USABLE')
        ? `${code}_${reason}`
        : code
    return {
      title: t(`fault.${key as 'FORBIDDEN'}.title`, { ...values, defaultValue: message }),
      remedy: t(`fault.${key as 'FORBIDDEN'}.remedy`, { ...values, defaultValue: remedy ?? '' }),
    }
  }
}

type Props = { fault: Fault; compact?: boolean; children?: ReactNode }

/** A refusal: what stands in the way, what to do, whom to ask; the way out itself is `children`. */
export function FaultView({ fault, compact, children }: Props) {
  const { t } = useTranslation()
  const { title, remedy } = useExplanation()(fault)
  const { contacts = [], instances = [], requestId, code } = fault
  const serious = code === 'INTERNAL_SERVER_ERROR' || code === 'UNAVAILABLE' || code === 'OFFLINE'
  return (
    <Alert
      color={serious ? 'red' : 'yellow'}
      icon={compact ? undefined : <AttentionIcon />}
      title={title}
      p={compact ? 'xs' : undefined}
      role={serious ? 'alert' : 'group'}
      data-code={code}
    >
      <Stack gap="xs">
        {remedy && <Text size="sm">{remedy}</Text>}
        {contacts.length > 0 && <Contacts contacts={contacts} />}
        {instances.length > 0 && (
          <Group gap="xs">
            {instances.map(({ id, name }) => (
              <Button key={id} component={Link} to={`/instance/${id}`} size="sm" variant="default">
                {name}
              </Button>
            ))}
          </Group>
        )}
        {serious && requestId && (
          <Text size="sm">
            {t('obstacle.support')}{' '}
            <Anchor
              href={`mailto:${fault.support ?? support}?subject=${encodeURIComponent(`DataHub ${requestId}`)}`}
              size="sm"
            >
              {fault.support ?? support}
            </Anchor>
            , {t('obstacle.requestId')} <code>{requestId}</code>
          </Text>
        )}
        {children}
      </Stack>
    </Alert>
  )
}

export function Contacts({ contacts }: { contacts: Contact[] }) {
  const { t } = useTranslation()
  return (
    <List size="sm" icon={<MailIcon />} aria-label={t('obstacle.contacts')}>
      {contacts.map(({ name, email }) => (
        <List.Item key={email}>
          {name} ·{' '}
          <Anchor href={`mailto:${email}`} size="sm" underline="always">
            {email}
          </Anchor>
        </List.Item>
      ))}
    </List>
  )
}
