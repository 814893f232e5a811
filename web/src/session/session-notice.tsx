import { Anchor, Button, Container, Group, Paper, Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { supportEmail, useExplanation } from '../fault/explanation'
import type { Fault } from '../fault/fault'
import { AttentionIcon } from '../theme/icons'
import { useTitle } from '../title'
import { useSession } from './session'

/** Says that the session has ended while a page is open. The page stays, with what was typed. */
export function SessionBanner() {
  const { t } = useTranslation()
  const { account, refusal, signInAgain } = useSession()
  const ended = account && refusal && !refusal.reason
  return (
    <div role="alert">
      {ended && (
        <Container size={880} px="md" py={10} className="banner">
          <Group gap="sm" justify="space-between">
            <Group gap="sm" wrap="nowrap" flex="1 1 260px">
              <AttentionIcon />
              <Text size="sm">{t('signIn.expired')}</Text>
            </Group>
            <Button size="sm" onClick={signInAgain}>
              {t('signIn.again')}
            </Button>
          </Group>
        </Container>
      )}
    </div>
  )
}

/** Shown instead of every page while the gateway refuses an account for a reason that signing in does not change. */
export function AccountProblem({ refusal }: { refusal: Fault }) {
  const { t } = useTranslation()
  const { account, signInMethod, signInWithProvider, retry, signOut } = useSession()
  const { title, remedy } = useExplanation()(refusal)
  const { support = supportEmail, requestId } = refusal
  useTitle(title)
  return (
    <Paper withBorder p="xl" maw={560} mx="auto" data-code={refusal.code} data-reason={refusal.reason}>
      <Stack>
        <Title order={1}>{title}</Title>
        <Text>{remedy}</Text>
        <Text size="sm" c="dimmed" className="wrap-anywhere">
          {t('signIn.account', { account: account?.email || account?.name })}
        </Text>
        <Text size="sm">
          {t('signIn.support')}{' '}
          <Anchor href={`mailto:${support}?subject=${encodeURIComponent(`DataHub ${requestId ?? ''}`)}`} size="sm">
            {support}
          </Anchor>
        </Text>
        <Group>
          <Button onClick={retry}>{t('signIn.retry')}</Button>
          {signInMethod.kind === 'oidc' && (
            <Button variant="default" onClick={() => signInWithProvider({ otherAccount: true })}>
              {t('signIn.otherAccount')}
            </Button>
          )}
          <Button variant="default" onClick={signOut}>
            {t('shell.signOut')}
          </Button>
        </Group>
      </Stack>
    </Paper>
  )
}
