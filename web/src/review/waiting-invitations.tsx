import { Alert, Button, Stack } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { graphql } from '../generated'
import type { WaitingInvitationFragment } from '../generated/graphql'

export const WaitingInvitation = graphql(`
  fragment WaitingInvitation on Invitation {
    id
    instanceName
    space {
      name
    }
    invitedBy {
      name
    }
  }
`)

/** The invitations that a person can answer, each with a link to review it. */
export function WaitingInvitations({ invitations }: { invitations: WaitingInvitationFragment[] }) {
  const { t } = useTranslation()
  return invitations.map(({ id, instanceName, space, invitedBy }) => (
    <Alert
      key={id}
      color="sea"
      title={t('spaces.invited', { name: invitedBy.name, place: instanceName ?? space.name, space: space.name })}
    >
      <Stack align="flex-start">
        <Button component={Link} to={`/invitation?id=${id}`} size="sm" mt={4}>
          {t('spaces.review')}
        </Button>
      </Stack>
    </Alert>
  ))
}
