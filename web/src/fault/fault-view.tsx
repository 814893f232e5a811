import { Alert, Anchor, Button, Group, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { AttentionIcon } from '../theme/icons'
import { Contacts } from './contacts'
import { useExplanation } from './explanation'
import type { Fault } from './fault'

const supportEmail = 'support@alphacruncher.com'

type Props = { fault: Fault; compact?: boolean; children?: ReactNode }

/** Shows what went wrong, what to do, and whom to ask. `children` are the actions that help. */
export function FaultView({ fault, compact, children }: Props) {
  const { t } = useTranslation()
  const { title, remedy } = useExplanation()(fault)
  const { contacts = [], instances = [], requestId, code, support = supportEmail } = fault
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
            {t('fault.support')}{' '}
            <Anchor href={`mailto:${support}?subject=${encodeURIComponent(`DataHub ${requestId}`)}`} size="sm">
              {support}
            </Anchor>
            , {t('fault.requestId')} <code>{requestId}</code>
          </Text>
        )}
        {children}
      </Stack>
    </Alert>
  )
}

/** Shows each fault of a failed operation. */
export function FaultList({ faults, compact }: { faults: Fault[]; compact?: boolean }) {
  // biome-ignore lint/suspicious/noArrayIndexKey: faults have no identity, and the list is replaced as a whole
  return faults.map((fault, i) => <FaultView key={i} fault={fault} compact={compact} />)
}
