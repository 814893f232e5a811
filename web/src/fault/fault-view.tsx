import { Alert, Anchor, Button, Group, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { useSession } from '../session/session'
import { AttentionIcon } from '../theme/icons'
import { Contacts } from './contacts'
import { supportEmail, useExplanation } from './explanation'
import type { Fault } from './fault'

type Props = {
  fault: Fault
  compact?: boolean
  /** It is the answer to what the person did, and is read out. */
  isAnswer?: boolean
  children?: ReactNode
}

/** Shows what went wrong, what to do, and whom to ask. `children` are the actions that help. */
export function FaultView({ fault, compact, isAnswer, children }: Props) {
  const { t } = useTranslation()
  const { signInAgain } = useSession()
  const { title, remedy } = useExplanation()(fault)
  const { contacts = [], instances = [], requestId, code, support = supportEmail } = fault
  const serious = code === 'INTERNAL_SERVER_ERROR' || code === 'UNAVAILABLE' || code === 'OFFLINE'
  return (
    <Alert
      color={serious ? 'red' : 'yellow'}
      icon={compact ? undefined : <AttentionIcon />}
      title={title}
      p={compact ? 'xs' : undefined}
      role={serious || isAnswer ? 'alert' : 'group'}
      data-code={code}
    >
      <Stack gap="xs">
        {remedy && <Text size="sm">{remedy}</Text>}
        {contacts.length > 0 && <Contacts contacts={contacts} />}
        <InstanceButtons instances={instances} />
        {serious && requestId && (
          <Text size="sm">
            {t('fault.support')}{' '}
            <Anchor href={`mailto:${support}?subject=${encodeURIComponent(`DataHub ${requestId}`)}`} size="sm">
              {support}
            </Anchor>
            , {t('fault.requestId')} <code>{requestId}</code>
          </Text>
        )}
        {code === 'UNAUTHENTICATED' && !fault.reason && (
          <Group>
            <Button size="sm" onClick={signInAgain}>
              {t('signIn.again')}
            </Button>
          </Group>
        )}
        {children}
      </Stack>
    </Alert>
  )
}

/** Leads to other instances. */
export function InstanceButtons({ instances }: { instances: { id: string; name: string }[] }) {
  if (instances.length === 0) return null
  return (
    <Group gap="xs">
      {instances.map(({ id, name }) => (
        <Button key={id} component={Link} to={`/instance/${id}`} size="sm" variant="default">
          {name}
        </Button>
      ))}
    </Group>
  )
}

type FaultListProps = {
  faults: Fault[]
  compact?: boolean
  /** Repeats the operation. */
  onRetry?: () => void
}

/** Shows each fault of a failed operation. */
export function FaultList({ faults, compact, onRetry }: FaultListProps) {
  const { t } = useTranslation()
  return faults.map((fault, i) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: faults have no identity, and the list is replaced as a whole
    <FaultView key={i} fault={fault} compact={compact} isAnswer>
      {onRetry && i === 0 && (fault.retryable || fault.code === 'OFFLINE') && (
        <Group>
          <Button size="sm" variant="default" onClick={onRetry}>
            {t('fault.retry')}
          </Button>
        </Group>
      )}
    </FaultView>
  ))
}
