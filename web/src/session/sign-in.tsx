import { Alert, Anchor, Avatar, Button, Group, Paper, Stack, Text, TextInput, Title } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { DemoPerson } from './configuration'
import { useSession } from './session'

/** Shown instead of a page that needs an account. After signing in, the person sees that page. */
export function SignIn({ title, children }: { title?: string; children?: ReactNode }) {
  const { t } = useTranslation()
  const { signInMethod, refusal, providerFailed, signInWithProvider } = useSession()
  return (
    <Stack maw={520} mx="auto" gap="lg">
      <div>
        <Title order={1}>{title ?? t('signIn.title')}</Title>
        <Text c="dimmed" mt={4}>
          {children ?? t('signIn.lead')}
        </Text>
      </div>
      {refusal && <Alert color="yellow" title={t('signIn.expired')} />}
      {providerFailed && <Alert color="red" role="alert" title={t('signIn.providerFailed')} />}
      {signInMethod.kind === 'development' && <DemoSignIn people={signInMethod.people} />}
      {signInMethod.kind === 'oidc' && (
        <Button size="md" onClick={() => signInWithProvider()}>
          {t('signIn.provider')}
        </Button>
      )}
      {signInMethod.kind === 'none' && <Alert color="gray" title={t('signIn.none')} />}
    </Stack>
  )
}

function DemoSignIn({ people }: { people: DemoPerson[] }) {
  const { t } = useTranslation()
  const { signInWithToken } = useSession()
  const [withToken, setWithToken] = useState(false)
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {t('signIn.development')}
      </Text>
      <Stack component="ul" gap="xs" className="plain-list">
        {people.map(({ name, email, description, token }) => (
          <li key={email}>
            <Paper
              withBorder
              component="button"
              type="button"
              w="100%"
              ta="start"
              p="sm"
              className="choice"
              onClick={() => signInWithToken(token)}
            >
              <Group wrap="nowrap">
                <Avatar name={name} color="sea" variant="light" aria-hidden />
                <div>
                  <Text fw={600}>{name}</Text>
                  <Text size="sm" c="dimmed">
                    {email} · {description}
                  </Text>
                </div>
              </Group>
            </Paper>
          </li>
        ))}
      </Stack>
      {withToken ? (
        <TokenForm />
      ) : (
        <Anchor component="button" type="button" size="sm" ta="start" onClick={() => setWithToken(true)}>
          {t('signIn.other')}
        </Anchor>
      )}
    </Stack>
  )
}

function TokenForm() {
  const { t } = useTranslation()
  const { signInWithToken } = useSession()
  const [token, setToken] = useState('')
  const [invalid, setInvalid] = useState(false)
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        setInvalid(!signInWithToken(token.trim()))
      }}
    >
      <Group align="flex-end" wrap="nowrap">
        <TextInput
          flex={1}
          label={t('signIn.token')}
          description={t('signIn.tokenDescription')}
          error={invalid && t('signIn.tokenInvalid')}
          value={token}
          onChange={(event) => setToken(event.currentTarget.value)}
          autoComplete="off"
          spellCheck={false}
        />
        <Button type="submit">{t('signIn.action')}</Button>
      </Group>
    </form>
  )
}
