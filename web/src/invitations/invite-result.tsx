import { useFragment } from '@apollo/client/react'
import { Badge, Button, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { useResultFocus } from '../focus/result-focus'
import type { InviteOutcome } from '../generated/graphql'
import { InvitationRow, stageOf } from './invitation'
import { StageBadge } from './stage-badge'
import type { InviteUserResult, Progress } from './submissions'

const outcomeColors: Record<InviteOutcome, string> = {
  INVITED: 'sea',
  ROLE_CHANGED: 'sea',
  ALREADY_INVITED: 'gray',
  ALREADY_MEMBER: 'gray',
  DUPLICATE: 'gray',
}

/** The result of a submission: the outcome for each address and the delivery of its e-mail, or that it was requested. */
export function InviteResult({ progress, onClose }: { progress: Progress; onClose: () => void }) {
  if (progress.phase === 'asked') return <Asked created={progress.created} onClose={onClose} />
  if (progress.phase === 'invited') return <Invited results={progress.results} onClose={onClose} />
  return null
}

function Asked({ created, onClose }: { created: boolean; onClose: () => void }) {
  const { t } = useTranslation()
  const focus = useResultFocus<HTMLHeadingElement>()
  return (
    <Paper withBorder p="md" className="success" role="status">
      <Group justify="space-between">
        <div>
          <Title order={3} {...focus}>
            {t(created ? 'outcome.asked' : 'outcome.askedBefore')}
          </Title>
          <Text size="sm">{t('outcome.askedLead')}</Text>
        </div>
        <Button component={Link} to="/requests#mine" variant="light" onClick={onClose}>
          {t('requestForm.myRequests')}
        </Button>
      </Group>
    </Paper>
  )
}

function Invited({ results, onClose }: { results: InviteUserResult[]; onClose: () => void }) {
  const { t } = useTranslation()
  const focus = useResultFocus<HTMLHeadingElement>()
  return (
    <Paper withBorder p="md" className="success">
      <Group justify="space-between" mb="xs">
        <div role="status">
          <Title order={3} {...focus}>
            {t('outcome.title', { count: results.filter(({ outcome }) => outcome === 'INVITED').length })}
          </Title>
        </div>
        <Button variant="subtle" size="compact-sm" onClick={onClose}>
          {t('outcome.close')}
        </Button>
      </Group>
      <Stack
        component="ul"
        gap={0}
        className="plain-list result-list"
        tabIndex={results.length > 8 ? 0 : undefined}
        mah={340}
      >
        {results.map((result) => (
          <ResultRow key={result.index} result={result} />
        ))}
      </Stack>
    </Paper>
  )
}

function ResultRow({ result }: { result: InviteUserResult }) {
  const { t } = useTranslation()
  const { outcome, email, role, previousRole, invitation } = result
  return (
    <li className="row">
      <Text size="sm" className="wrap-anywhere">
        {email}
      </Text>
      <Group gap="xs">
        {outcome === 'INVITED' && invitation ? (
          <CurrentStage invitation={invitation} />
        ) : (
          <Badge variant="light" color={outcomeColors[outcome]}>
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

/** Follows the invitation in the cache, where its changes are written. */
function CurrentStage({ invitation }: { invitation: NonNullable<InviteUserResult['invitation']> }) {
  const { data, complete } = useFragment({ fragment: InvitationRow, fragmentName: 'InvitationRow', from: invitation })
  return <StageBadge stage={stageOf(complete ? (data as typeof invitation) : invitation)} />
}
