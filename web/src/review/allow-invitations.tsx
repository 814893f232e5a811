import { useMutation } from '@apollo/client/react'
import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { announce } from '../focus/announcer'
import { graphql } from '../generated'

const AllowInvitationsMutation = graphql(`
  mutation AllowInvitations($input: AllowInvitationsInput!) {
    allowInvitations(input: $input) {
      viewer {
        id
        email
        refusesInvitations
      }
    }
  }
`)

/** The button that undoes a refusal of the person who is signed in. `onAllowed` gets their address. */
export function AllowInvitations({ onAllowed }: { onAllowed: (email: string) => void }) {
  const { t } = useTranslation()
  const [allow, { loading }] = useMutation(AllowInvitationsMutation)
  const [faults, setFaults] = useState<Fault[]>([])

  async function submit() {
    setFaults([])
    await allow({ variables: { input: {} } })
      .then(({ data }) => data?.allowInvitations && onAllowed(data.allowInvitations.viewer.email))
      .catch((error) => setFaults(faultsOf(error)))
  }

  return (
    <>
      <Group>
        <Button loading={loading} onClick={() => void submit()}>
          {t('refusal.allow')}
        </Button>
      </Group>
      <FaultList faults={faults} onRetry={() => void submit()} />
    </>
  )
}

/** Reminds a person that they refused invitations by e-mail, and offers to undo it. */
export function RefusalReminder({ email }: { email: string }) {
  const { t } = useTranslation()
  return (
    <Alert color="gray" title={t('refusal.already', { email })} className="wrap-anywhere">
      <Stack gap="xs">
        <Text size="sm">{t('refusal.alreadyLead')}</Text>
        <AllowInvitations onAllowed={(allowed) => announce(t('refusal.undone', { email: allowed }))} />
      </Stack>
    </Alert>
  )
}
