import { useMutation, useQuery } from '@apollo/client/react'
import { Anchor, Button, Group, Loader, Paper, Stack, Text, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation, useSearchParams } from 'react-router'
import { Contacts } from '../fault/contacts'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList, FaultView } from '../fault/fault-view'
import { graphql } from '../generated'
import type { ReviewedInvitationFragment } from '../generated/graphql'
import { useSession } from '../session/session'
import { SignIn } from '../session/sign-in'
import { useFormats } from '../texts/formats'
import { useTitle } from '../title'
import { HomeButton } from './home-button'
import { reviewedLink } from './link'
import { PrivacyNotice } from './privacy-notice'
import { Refusal } from './refusal'
import { ResultTitle } from './result-title'
import { WaitingInvitations } from './waiting-invitations'

export const ReviewedInvitation = graphql(`
  fragment ReviewedInvitation on Invitation {
    id
    email
    role
    organizationRole
    status
    instanceName
    message
    expiresAt
    keptUntil
    loggedUntil
    instance {
      id
      name
    }
    space {
      name
      organizationName
    }
    invitedBy {
      name
      email
    }
    requestedBy {
      name
      email
    }
    accepting {
      ...Readiness
    }
  }
`)

const InvitationByToken = graphql(`
  query InvitationByToken($token: String!) {
    invitation(token: $token) {
      ...ReviewedInvitation
    }
  }
`)

const OwnInvitations = graphql(`
  query OwnInvitations {
    viewer {
      id
      invitations(first: 100) {
        nodes {
          ...ReviewedInvitation
        }
      }
    }
  }
`)

const OwnWaitingInvitations = graphql(`
  query OwnWaitingInvitations {
    viewer {
      id
      invitations {
        nodes {
          ...WaitingInvitation
        }
      }
    }
  }
`)

const AcceptInvitation = graphql(`
  mutation AcceptInvitation($input: AcceptInvitationInput!) {
    acceptInvitation(input: $input) {
      invitation {
        id
        status
      }
      instance {
        id
        name
      }
      space {
        id
        name
      }
    }
  }
`)

const DeclineInvitation = graphql(`
  mutation DeclineInvitation($input: DeclineInvitationInput!) {
    declineInvitation(input: $input) {
      invitation {
        id
        status
      }
    }
  }
`)

/**
 * An invitation, for the invited person. The e-mail links to `/invitation#<token>`,
 * and to `/invitation?refuse#<token>` for refusing all further ones; `?id=` shows one
 * of the invitations of the person who is signed in.
 */
export function ReviewPage() {
  const { t } = useTranslation()
  const { token, isRefusal } = reviewedLink(useLocation())
  const [parameters] = useSearchParams()
  const id = parameters.get('id')
  const { signInMethod, account, signInWithProvider, signOut } = useSession()
  /** The address of the account to sign in with; '' if it is not known; undefined while the invitation is shown. */
  const [signInEmail, setSignInEmail] = useState<string>()

  if (signInEmail !== undefined && !account)
    return signInEmail ? (
      <SignIn title={t('review.signInAs', { email: signInEmail })}>
        {t(isRefusal ? 'refusal.undoLead' : 'review.signInLead', { email: signInEmail })}
      </SignIn>
    ) : (
      <SignIn />
    )

  function onSignIn(email = '') {
    if (signInMethod.kind === 'oidc') return signInWithProvider({ otherAccount: Boolean(account) })
    setSignInEmail(email)
    if (account) signOut()
  }

  // The answer depends on who asks: the key asks again after another person has signed in.
  return token || !id ? (
    <ReviewByToken key={`${account?.id} ${token}`} token={token} isRefusal={isRefusal} onSignIn={onSignIn} />
  ) : (
    <ReviewById id={id} onSignIn={onSignIn} />
  )
}

/** Signs in with the account of the address, or with any account. */
type SignInHandler = (email?: string) => void

type ReviewByTokenProps = {
  token: string
  /** The person wants to refuse all further invitations. */
  isRefusal: boolean
  onSignIn: SignInHandler
}

function ReviewByToken({ token, isRefusal, onSignIn }: ReviewByTokenProps) {
  const { t } = useTranslation()
  const { data, error, loading, refetch } = useQuery(InvitationByToken, {
    variables: { token },
    fetchPolicy: 'network-only',
    skip: !token,
  })
  if (!data && loading) return <Loader aria-label={t('loading')} mx="auto" />
  if (error && !data) return <FaultList faults={faultsOf(error)} onRetry={() => void refetch()} />
  const invitation = data?.invitation ?? undefined
  const review = invitation && (
    <Review
      invitation={invitation}
      by={{ token }}
      isSecond={isRefusal}
      onSignIn={onSignIn}
      onRefused={() => void refetch()}
    />
  )
  // An invitation that has ended is not shown to everybody, but its link still refuses further ones.
  if (isRefusal)
    return (
      <Stack gap="lg">
        <Refusal token={token} invitation={invitation} onSignIn={onSignIn} onDone={() => void refetch()} />
        {review}
      </Stack>
    )
  return review ?? <InvitationNotFound isIncomplete={!token} onSignIn={onSignIn} />
}

function ReviewById({ id, onSignIn }: { id: string; onSignIn: SignInHandler }) {
  const { t } = useTranslation()
  const { account } = useSession()
  const { data, error, loading, refetch } = useQuery(OwnInvitations, { skip: !account, fetchPolicy: 'network-only' })
  // After the answer, the invitation is no longer in the list. It stays on the page.
  const [latest, setLatest] = useState<ReviewedInvitationFragment>()
  const invitation = data?.viewer.invitations?.nodes.find((each) => each.id === id) ?? latest
  useEffect(() => setLatest((before) => invitation ?? before), [invitation])
  if (!account) return <SignIn />
  if (!data && loading) return <Loader aria-label={t('loading')} mx="auto" />
  if (error && !data) return <FaultList faults={faultsOf(error)} onRetry={() => void refetch()} />
  if (!invitation) return <InvitationNotFound onSignIn={onSignIn} />
  return (
    <Review invitation={invitation} by={{ invitationId: id }} onSignIn={onSignIn} onRefused={() => void refetch()} />
  )
}

type InvitationNotFoundProps = {
  /** The link has no token. */
  isIncomplete?: boolean
  onSignIn: SignInHandler
}

/** There is no such invitation, or this person may not see it. Shows what is waiting for them instead. */
function InvitationNotFound({ isIncomplete, onSignIn }: InvitationNotFoundProps) {
  const { t } = useTranslation()
  const { account } = useSession()
  const { data, loading } = useQuery(OwnWaitingInvitations, { skip: !account, fetchPolicy: 'network-only' })
  const waiting = data?.viewer.invitations?.nodes ?? []
  const title = t(waiting.length > 0 ? 'review.waiting' : isIncomplete ? 'review.incomplete' : 'review.notFound')
  useTitle(title)
  if (loading) return <Loader aria-label={t('loading')} mx="auto" />
  const lead = waiting.length > 0 ? 'Waiting' : account ? '' : 'SignedOut'
  return (
    <Paper withBorder p="xl" maw={560} mx="auto">
      <Stack>
        <Title order={1}>{title}</Title>
        <Text>{t(`review.${isIncomplete ? 'incomplete' : 'notFound'}Lead${lead}`)}</Text>
        <WaitingInvitations invitations={waiting} />
        <Group>
          {account && <HomeButton variant={waiting.length > 0 ? 'default' : 'filled'} />}
          <Button variant={account ? 'default' : 'filled'} onClick={() => onSignIn()}>
            {t(account ? 'review.otherAccount' : 'signIn.action')}
          </Button>
        </Group>
      </Stack>
    </Paper>
  )
}

type ReviewProps = {
  invitation: ReviewedInvitationFragment
  by: { token: string } | { invitationId: string }
  /** It stands below something else, which has the title of the page. */
  isSecond?: boolean
  onSignIn: SignInHandler
  /** The answer was refused: the invitation has changed. */
  onRefused: () => void
}

function Review({ invitation, by, isSecond = false, onSignIn, onRefused }: ReviewProps) {
  const { t } = useTranslation()
  const { account } = useSession()
  const [faults, setFaults] = useState<Fault[]>([])
  const [accept, acceptance] = useMutation(AcceptInvitation)
  const [decline, refusal] = useMutation(DeclineInvitation)
  const { email, instanceName, space, invitedBy, message } = invitation
  const place = instanceName ?? space.name
  useTitle(isSecond ? t('refusal.title') : t('review.title', { name: invitedBy.name, place }))

  const accepted = acceptance.data?.acceptInvitation
  const declined = refusal.data?.declineInvitation
  const obstacle = invitation.accepting.obstacles[0]

  async function submit(mutate: typeof accept | typeof decline) {
    setFaults([])
    await mutate({ variables: { input: by } }).catch((error) => {
      setFaults(faultsOf(error))
      onRefused()
    })
  }

  function answer() {
    if (accepted)
      return (
        <Stack gap="sm" role="status">
          <ResultTitle>{t('review.accepted')}</ResultTitle>
          <Group>
            <Button component={Link} to={accepted.instance ? `/instance/${accepted.instance.id}` : '/'}>
              {t('review.open', { place: accepted.instance?.name ?? accepted.space?.name ?? 'DataHub' })}
            </Button>
          </Group>
        </Stack>
      )
    if (declined)
      return (
        <Stack gap="xs" role="status">
          <ResultTitle>{t('review.declined')}</ResultTitle>
          <Text>{t('review.declinedLead', { name: invitedBy.name })}</Text>
        </Stack>
      )
    if (invitation.accepting.allowed)
      return (
        <Group>
          <Button size="md" loading={acceptance.loading} onClick={() => void submit(accept)}>
            {t('review.accept')}
          </Button>
          <Button size="md" variant="default" loading={refusal.loading} onClick={() => void submit(decline)}>
            {t('review.decline')}
          </Button>
        </Group>
      )
    if (obstacle?.code === 'UNAUTHENTICATED')
      return (
        <Stack gap="xs">
          <Text>{t('review.signInLead', { email })}</Text>
          <Group>
            <Button size="md" onClick={() => onSignIn(email)}>
              {t('review.signIn')}
            </Button>
          </Group>
        </Stack>
      )
    if (!obstacle) return null
    if (obstacle.reason === 'ACCEPTED') return <AlreadyAccepted invitation={invitation} />
    if (obstacle.reason === 'OTHER_ADDRESS')
      return (
        <FaultView fault={{ ...obstacle, contacts: [] }}>
          <Text size="sm">{t('review.otherAddress', { email, own: account?.email || account?.name })}</Text>
          <Group>
            <Button size="sm" onClick={() => onSignIn(email)}>
              {t('review.otherAccount')}
            </Button>
          </Group>
        </FaultView>
      )
    const inviter = obstacle.reason === 'INVITER_LEFT' ? [] : [invitedBy]
    return (
      <>
        <FaultView fault={{ ...obstacle, contacts: obstacle.contacts.length > 0 ? obstacle.contacts : inviter }} />
        <Group>
          <HomeButton variant="default" />
        </Group>
      </>
    )
  }

  return (
    <Paper withBorder p="xl" maw={560} mx="auto">
      <Stack gap="lg">
        <div>
          <Text size="sm" c="dimmed">
            {space.organizationName}
          </Text>
          <Title order={isSecond ? 2 : 1} size={isSecond ? 'h3' : undefined}>
            {t('review.title', { name: invitedBy.name, place })}
          </Title>
        </div>
        <InvitationFacts invitation={invitation} />
        {message && (
          <Text component="blockquote" className="quote">
            {message}
          </Text>
        )}
        {answer()}
        <FaultList faults={faults} />
        {!account && invitedBy.email && (
          <Text size="sm" c="dimmed">
            {t('review.unexpected')}{' '}
            <Anchor href={`mailto:${invitedBy.email}`} size="sm">
              {invitedBy.email}
            </Anchor>
          </Text>
        )}
        <PrivacyNotice invitation={invitation} token={'token' in by ? by.token : undefined} isRefusing={isSecond} />
      </Stack>
    </Paper>
  )
}

/** The person has accepted before, and follows the link again. */
function AlreadyAccepted({ invitation }: { invitation: ReviewedInvitationFragment }) {
  const { t } = useTranslation()
  const { instance, instanceName, invitedBy } = invitation
  return (
    <Stack gap="sm">
      <Title order={2}>{t('review.acceptedBefore')}</Title>
      {instanceName && !instance && (
        <>
          <Text>{t('review.acceptedAndLeft', { place: instanceName })}</Text>
          <Contacts contacts={[invitedBy]} />
        </>
      )}
      <Group>
        {instance && (
          <Button component={Link} to={`/instance/${instance.id}`}>
            {t('review.open', { place: instance.name })}
          </Button>
        )}
        <HomeButton variant={instance ? 'default' : 'filled'} />
      </Group>
    </Stack>
  )
}

function InvitationFacts({ invitation }: { invitation: ReviewedInvitationFragment }) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const { email, role, organizationRole, instanceName, space, requestedBy, expiresAt } = invitation
  return (
    <dl className="facts">
      <dt>{organizationRole ? t('review.organization') : t('review.space')}</dt>
      <dd>{space.name}</dd>
      {instanceName && (
        <>
          <dt>{t('review.instance')}</dt>
          <dd>{instanceName}</dd>
        </>
      )}
      <dt>{t('review.role')}</dt>
      <dd>
        {organizationRole
          ? t(`role.ORGANIZATION_${organizationRole}`)
          : role
            ? t(`role.${role}`)
            : t('role.administrator')}
        <Text size="sm" c="dimmed">
          {t(`review.roleDescription.${organizationRole ?? role ?? 'ADMINISTRATOR'}`)}
        </Text>
      </dd>
      <dt>{t('review.email')}</dt>
      <dd>{email}</dd>
      {requestedBy && (
        <>
          <dt>{t('review.requestedBy')}</dt>
          <dd>{requestedBy.name}</dd>
        </>
      )}
      <dt>{t('review.until')}</dt>
      <dd>{moment(expiresAt)}</dd>
    </dl>
  )
}
