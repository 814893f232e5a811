import { Anchor, Stack, Text, Title } from '@mantine/core'
import { useId } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import type { Contact } from '../fault/fault'
import type { ReviewedInvitationFragment } from '../generated/graphql'
import { useFormats } from '../texts/formats'

type Props = {
  invitation: ReviewedInvitationFragment
  /** The token of the mail's link, which can refuse further invitations; undefined if the person came without it. */
  token?: string
  /** The page already shows how to refuse. */
  isRefusing: boolean
}

/** The address is empty if it belongs to somebody else by now. */
const named = ({ name, email }: Contact) => (email ? `${name} (${email})` : name)

/** Tells the invited person why DataHub has their address, for how long, and how to refuse further invitations. */
export function PrivacyNotice({ invitation, token, isRefusing }: Props) {
  const { t } = useTranslation()
  const { day } = useFormats()
  const title = useId()
  const { email, invitedBy, requestedBy, space, status, keptUntil, loggedUntil } = invitation
  const end = status === 'ACCEPTED' ? 'Accepted' : status === 'PENDING' ? '' : 'Ended'
  return (
    <Stack component="section" aria-labelledby={title} gap="xs" className="notice">
      <Title order={2} size="h5" id={title}>
        {t('notice.title')}
      </Title>
      <Text size="sm">
        {t('notice.why', { person: named(invitedBy), organization: space.organizationName, email })}{' '}
        {requestedBy && `${t('notice.requested', { person: named(requestedBy) })} `}
        {t('notice.purpose')}
      </Text>
      <Text size="sm">{t(`notice.kept${end}`, { kept: day(keptUntil), logged: day(loggedUntil) })}</Text>
      {!isRefusing && (
        <Text size="sm">
          {token ? (
            <Anchor component={Link} to={`/invitation?refuse#${token}`} size="sm" underline="always">
              {t('refusal.action')}
            </Anchor>
          ) : (
            t('notice.refuse')
          )}
        </Text>
      )}
    </Stack>
  )
}
