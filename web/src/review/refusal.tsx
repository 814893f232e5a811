import { useMutation, useQuery } from '@apollo/client/react'
import { Anchor, Button, Group, List, Loader, Paper, Stack, Text } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'react-router'
import { supportEmail } from '../fault/explanation'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { graphql } from '../generated'
import type { ReviewedInvitationFragment } from '../generated/graphql'
import { useSession } from '../session/session'
import { useTitle } from '../title'
import { AllowInvitations } from './allow-invitations'
import { HomeButton } from './home-button'
import { ResultTitle } from './result-title'

const OwnRefusal = graphql(`
  query OwnRefusal {
    viewer {
      id
      email
      refusesInvitations
    }
  }
`)

const RefuseInvitations = graphql(`
  mutation RefuseInvitations($input: RefuseInvitationsInput!) {
    refuseInvitations(input: $input) {
      email
    }
  }
`)

type Props = {
  /** '' if it was lost. */
  token: string
  /** Undefined if the link does not show one, for example because it has ended. The link can refuse all the same. */
  invitation?: ReviewedInvitationFragment
  onSignIn: (email?: string) => void
  /** The invitation may have changed. */
  onDone: () => void
}

/**
 * Refuses all further invitations to the address of a mail, with the link in it.
 * That needs no account; undoing it needs the account of the address.
 */
export function Refusal({ token, invitation, onSignIn, onDone }: Props) {
  const { t } = useTranslation()
  useTitle(t('refusal.title'))
  const { account } = useSession()
  const own = useQuery(OwnRefusal, { skip: !account, fetchPolicy: 'network-only' })
  const [refuse, { data, loading }] = useMutation(RefuseInvitations)
  const [confirming, setConfirming] = useState(false)
  const [allowed, setAllowed] = useState<string>()
  const [faults, setFaults] = useState<Fault[]>([])
  const viewer = own.data?.viewer
  const refused = data?.refuseInvitations?.email
  const email = refused ?? invitation?.email

  async function submit() {
    setFaults([])
    await refuse({ variables: { input: { token } } })
      .then(onDone)
      .catch((error) => setFaults(faultsOf(error)))
  }

  const isOwn = viewer && (!email || email.toLowerCase() === viewer.email.toLowerCase())
  if (!own.data && own.loading) return <Loader aria-label={t('loading')} mx="auto" />
  // The invitation below leads home, too.
  const home = !invitation && <HomeLink />
  if (allowed)
    return (
      <Panel key="allowed" title={t('refusal.undone', { email: allowed })} isResult>
        <Text>{t('refusal.undoneLead')}</Text>
        {home}
      </Panel>
    )
  if (refused)
    return (
      <Panel key="done" title={t('refusal.done', { email })} isResult>
        <Text>{t('refusal.doneLead')}</Text>
        {isOwn ? (
          <AllowInvitations onAllowed={setAllowed} />
        ) : (
          <>
            <Text>{t('refusal.undoLead', { email })}</Text>
            <Group>
              <Button variant="default" onClick={() => onSignIn(refused)}>
                {t('refusal.undoSignIn')}
              </Button>
            </Group>
          </>
        )}
      </Panel>
    )
  if (isOwn && viewer.refusesInvitations)
    return (
      <Panel key="already" title={t('refusal.already', { email: viewer.email })}>
        <Text>{t('refusal.alreadyLead')}</Text>
        <AllowInvitations onAllowed={setAllowed} />
        {home}
      </Panel>
    )
  if (!token)
    return (
      <Panel title={t('review.incomplete')}>
        <Text>{t('refusal.incompleteLead')}</Text>
        <Support />
        <HomeLink />
      </Panel>
    )
  if (faults.some(({ code }) => code === 'INVITATION_NOT_USABLE'))
    return (
      <Panel key="unknown" title={t('refusal.unknown')} isResult>
        <Text>{t('refusal.unknownLead')}</Text>
        <Support />
        <HomeLink />
      </Panel>
    )
  return (
    <Panel key="step" title={t('refusal.title')}>
      <Text>
        {invitation
          ? t('refusal.lead', { email, organization: invitation.space.organizationName })
          : t('refusal.leadUnknown')}
      </Text>
      {confirming ? (
        <Stack gap="sm">
          <ResultTitle>{email ? t('refusal.confirmTitle', { email }) : t('refusal.confirmTitleUnknown')}</ResultTitle>
          <Group>
            <Button color="red" loading={loading} onClick={() => void submit()}>
              {t('refusal.confirm')}
            </Button>
            <Button variant="default" disabled={loading} onClick={() => setConfirming(false)}>
              {t('refusal.cancel')}
            </Button>
          </Group>
        </Stack>
      ) : (
        <Group>
          <Button data-focus-home onClick={() => setConfirming(true)}>
            {t('refusal.action')}
          </Button>
          {invitation && (
            <Button component={Link} to={`/invitation#${token}`} variant="default">
              {t('refusal.back')}
            </Button>
          )}
        </Group>
      )}
      <FaultList faults={faults} onRetry={() => void submit()} />
      <Effects invitation={invitation} />
    </Panel>
  )
}

/** What refusing does. */
function Effects({ invitation }: { invitation?: ReviewedInvitationFragment }) {
  const { t } = useTranslation()
  return (
    <List spacing="xs" size="sm">
      {invitation?.status === 'PENDING' && (
        <List.Item>{t('refusal.effect.declines', { name: invitation.invitedBy.name })}</List.Item>
      )}
      <List.Item>{t('refusal.effect.inviters')}</List.Item>
      <List.Item>{t('refusal.effect.hash')}</List.Item>
      <List.Item>{t('refusal.effect.undo')}</List.Item>
    </List>
  )
}

/** The step on its card. It gets the focus when it appears. `isResult`: it is the result of what the person did. */
function Panel({ title, isResult, children }: { title: string; isResult?: boolean; children: ReactNode }) {
  return (
    <Paper withBorder p="xl" w="100%" maw={560} mx="auto">
      <Stack role={isResult ? 'status' : undefined}>
        <div className="wrap-anywhere">
          <ResultTitle order={1}>{title}</ResultTitle>
        </div>
        {children}
      </Stack>
    </Paper>
  )
}

function Support() {
  const { t } = useTranslation()
  return (
    <Text>
      {t('refusal.support')}{' '}
      <Anchor href={`mailto:${supportEmail}`} underline="always">
        {supportEmail}
      </Anchor>
    </Text>
  )
}

function HomeLink() {
  return (
    <Group>
      <HomeButton variant="default" />
    </Group>
  )
}
