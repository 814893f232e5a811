import { useFragment } from '@apollo/client/react'
import { Badge, Button, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { InviteOutcome } from '../generated/graphql'
import { colorOf, InvitationRow, stageOf } from './invitation'
import type { Progress, Result } from './sendings'

const colors: Record<InviteOutcome, string> = {
  INVITED: 'sea',
  ROLE_CHANGED: 'sea',
  ALREADY_INVITED: 'gray',
  ALREADY_MEMBER: 'gray',
  DUPLICATE: 'gray',
}

/** What a sending came to, address by address, and what becomes of each mail. */
export function Outcome({ progress, onClose }: { progress: Progress; onClose: () => void }) {
  const { t } = useTranslation()
  if (progress.phase === 'asked')
    return (
      <Paper withBorder p="md" className="good" role="status">
        <Group justify="space-between">
          <div>
            <Title order={3}>{t(progress.created ? 'outcome.asked' : 'outcome.askedBefore')}</Title>
            <Text size="sm">{t('outcome.askedLead')}</Text>
          </div>
          <Button component={Link} to="/requests#mine" variant="light" onClick={onClose}>
            {t('outcome.requests')}
          </Button>
        </Group>
      </Paper>
    )
  if (progress.phase !== 'done') return null
  const invited = progress.results.filter(({ outcome }) => outcome === 'INVITED').length
  return (
    <Paper withBorder p="md" className="good">
      <Group justify="space-between" mb="xs">
        <div role="status">
          <Title order={3}>{t('outcome.title', { count: invited })}</Title>
        </div>
        <Button variant="subtle" size="compact-sm" onClick={onClose}>
          {t('outcome.close')}
        </Button>
      </Group>
      <Stack
        component="ul"
        gap={0}
        className="plain rows"
        tabIndex={progress.results.length > 8 ? 0 : undefined}
        mah={340}
      >
        {progress.results.map((result) => (
          <ResultRow key={result.index} result={result} />
        ))}
      </Stack>
    </Paper>
  )
}

function ResultRow({ result }: { result: Result }) {
  const { t } = useTranslation()
  const { outcome, email, role, previousRole } = result
  return (
    <li className="row">
      <Text size="sm" className="address">
        {email}
      </Text>
      <Group gap="xs">
        {outcome === 'INVITED' && result.invitation ? (
          <Live invitation={result.invitation} />
        ) : (
          <Badge variant="light" color={colors[outcome]}>
            {t(`outcome.${outcome}`, {
              role: role ? t(`role.${role}`) : t('role.administrator'),
              previous: previousRole ? t(`role.${previousRole}`) : '',
            })}
          </Badge>
        )}
      </Group>
    </li>
  )
}

function Live({ invitation }: { invitation: NonNullable<Result['invitation']> }) {
  const { t } = useTranslation()
  const { data, complete } = useFragment({ fragment: InvitationRow, fragmentName: 'InvitationRow', from: invitation })
  const present = complete ? data : invitation
  const stage = stageOf(present as typeof invitation)
  return (
    <Badge variant="light" color={colorOf[stage]} data-stage={stage}>
      {t(`stage.${stage}`)}
    </Badge>
  )
}
