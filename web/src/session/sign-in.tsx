import { Alert, Anchor, Avatar, Button, Group, Paper, Stack, Text, TextInput, Title } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useSession } from './session'

/** Signing in, where the person is: the page comes back once it is done. */
export function SignIn({ title, children }: { title?: string; children?: ReactNode }) {
  const { t } = useTranslation()
  const { signIn, expired, leave } = useSession()
  return (
    <Stack maw={520} mx="auto" gap="lg">
      <div>
        <Title order={1}>{title ?? t('signIn.title')}</Title>
        <Text c="dimmed" mt={4}>
          {children ?? t('signIn.lead')}
        </Text>
      </div>
      {expired && <Alert color="yellow" title={t('signIn.expired')} />}
      {signIn.kind === 'development' && <People />}
      {signIn.kind === 'oidc' && (
        <Button size="md" onClick={() => leave()}>
          {t('signIn.provider')}
        </Button>
      )}
      {signIn.kind === 'none' && <Alert color="gray" title={t('signIn.none')} />}
    </Stack>
  )
}

function People() {
  const { t } = useTranslation()
  const { signIn, use } = useSession()
  const [other, setOther] = useState(false)
  const [token, setToken] = useState('')
  const [wrong, setWrong] = useState(false)
  if (signIn.kind !== 'development') return null
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        {t('signIn.development')}
      </Text>
      <Stack component="ul" gap="xs" className="plain">
        {signIn.people.map((person) => (
          <li key={person.email}>
            <Paper
              withBorder
              component="button"
              type="button"
              w="100%"
              ta="start"
              p="sm"
              className="choice"
              onClick={() => use(person.token)}
            >
              <Group wrap="nowrap">
                <Avatar name={person.name} color="sea" variant="light" aria-hidden />
                <div>
                  <Text fw={600}>{person.name}</Text>
                  <Text size="sm" c="dimmed">
                    {person.email} · {person.description}
                  </Text>
                </div>
              </Group>
            </Paper>
          </li>
        ))}
      </Stack>
      {!other ? (
        <Anchor component="button" type="button" size="sm" ta="start" onClick={() => setOther(true)}>
          {t('signIn.other')}
        </Anchor>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            setWrong(!use(token.trim()))
          }}
        >
          <Group align="flex-end" wrap="nowrap">
            <TextInput
              flex={1}
              label={t('signIn.token')}
              description={t('signIn.tokenFrom')}
              error={wrong && t('signIn.tokenWrong')}
              value={token}
              onChange={(event) => setToken(event.currentTarget.value)}
              autoComplete="off"
              spellCheck={false}
            />
            <Button type="submit">{t('signIn.action')}</Button>
          </Group>
        </form>
      )}
    </Stack>
  )
}
