import { useMutation } from '@apollo/client/react'
import { Anchor, Button, Group, Paper, Stack, Text, TextInput, Title } from '@mantine/core'
import { useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { graphql } from '../generated'
import { useSession } from '../session/session'
import { useTitle } from '../title'
import { HomeButton } from './home-button'
import { ResultTitle } from './result-title'

const SendPendingInvitations = graphql(`
  mutation SendPendingInvitations($input: SendPendingInvitationsInput!) {
    sendPendingInvitations(input: $input) {
      email
    }
  }
`)

/**
 * Has the pending invitations of an address mailed to it again, for people whose mail never came. The result is
 * the same for every address.
 */
export function PendingPage() {
  const { t } = useTranslation()
  const { account } = useSession()
  const [email, setEmail] = useState(account?.email ?? '')
  const [send, { data, loading, reset }] = useMutation(SendPendingInvitations)
  const [faults, setFaults] = useState<Fault[]>([])
  const sent = data?.sendPendingInvitations?.email
  const [invalid] = faults.filter(({ code }) => code === 'INVALID_EMAIL')
  const input = useRef<HTMLInputElement>(null)
  useTitle(t('pending.title'))

  function change(typed: string) {
    setEmail(typed)
    setFaults([])
  }

  async function submit() {
    setFaults([])
    await send({ variables: { input: { email } } }).catch((error) => {
      const found = faultsOf(error)
      setFaults(found)
      if (found.some(({ code }) => code === 'INVALID_EMAIL')) input.current?.focus()
    })
  }

  return (
    <Paper withBorder p="xl" w="100%" maw={560} mx="auto">
      {sent ? (
        <Stack role="status">
          <div className="wrap-anywhere">
            <ResultTitle order={1}>{t('pending.done', { email: sent })}</ResultTitle>
          </div>
          <Text>{t('pending.doneLead')}</Text>
          <Text>{t('pending.doneNothing')}</Text>
          <Group>
            <HomeButton />
            <Button
              variant="default"
              onClick={() => {
                reset()
                change('')
                requestAnimationFrame(() => input.current?.focus())
              }}
            >
              {t('pending.again')}
            </Button>
          </Group>
        </Stack>
      ) : (
        <form
          noValidate
          onSubmit={(event) => {
            event.preventDefault()
            void submit()
          }}
        >
          <Stack>
            <Title order={1}>{t('pending.title')}</Title>
            <Text>{t('pending.lead')}</Text>
            <TextInput
              type="email"
              label={t('pending.email')}
              value={email}
              ref={input}
              onChange={(event) => change(event.currentTarget.value)}
              error={invalid && t(`reason.${invalid.reason as 'EMPTY'}`, { defaultValue: invalid.message })}
              autoComplete="email"
              spellCheck={false}
              required
            />
            {invalid?.suggestion && (
              <Group>
                <Button
                  size="sm"
                  variant="default"
                  onClick={() => {
                    change(invalid.suggestion ?? '')
                    input.current?.focus()
                  }}
                >
                  {t('problems.use', { suggestion: invalid.suggestion })}
                </Button>
              </Group>
            )}
            <Group>
              <Button type="submit" loading={loading}>
                {t('pending.action')}
              </Button>
            </Group>
            <FaultList faults={faults.filter((fault) => fault !== invalid)} onRetry={() => void submit()} />
          </Stack>
        </form>
      )}
    </Paper>
  )
}

/** Leads people whose mail never came, or whose link does not work any more, to the page above. */
export function PendingLink() {
  const { t } = useTranslation()
  return (
    <Text size="sm">
      {t('pending.question')}{' '}
      <Anchor component={Link} to="/pending" size="sm" underline="always">
        {t('pending.title')}
      </Anchor>
    </Text>
  )
}
