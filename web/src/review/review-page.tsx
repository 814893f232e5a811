import { useMutation, useQuery } from '@apollo/client/react'
import { Anchor, Button, Group, Loader, Paper, Stack, Text, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation, useSearchParams } from 'react-router'
import { type Fault, faultsOf } from '../gateway/faults'
import { graphql } from '../generated'
import type { ReviewedFragment } from '../generated/graphql'
import { Contacts, FaultView } from '../obstacle/obstacle'
import { useSession } from '../session/session'
import { SignIn } from '../session/sign-in'
import { useFormats } from '../texts/formats'
import { useTitle } from '../title'

export const Reviewed = graphql(`
  fragment Reviewed on Invitation {
    id
    email
    role
    status
    instanceName
    message
    expiresAt
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

const ByToken = graphql(`
  query InvitationByToken($token: String!) {
    invitation(token: $token) {
      ...Reviewed
    }
  }
`)

const OwnInvitations = graphql(`
  query OwnInvitations {
    viewer {
      id
      invitations(first: 100) {
        nodes {
          ...Reviewed
        }
      }
    }
  }
`)

const Accept = graphql(`
  mutation Accept($input: AcceptInvitationInput!) {
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

/** Where the button of an invitation's mail leads: `/invitation#<token>`, or `?id=` for one of the person's own. */
export function ReviewPage() {
  const token = useLocation().hash.slice(1)
  const [parameters] = useSearchParams()
  const id = parameters.get('id')
  const { t } = useTranslation()
  const { signIn, account, leave, signOut } = useSession()
  const [wanted, setWanted] = useState<string>()
  if (wanted !== undefined && !account)
    return wanted ? (
      <SignIn title={t('review.signInAs', { email: wanted })}>{t('review.signInLead', { email: wanted })}</SignIn>
    ) : (
      <SignIn />
    )

  /** Signs in, as whom the invitation is for. */
  function begin(email = '') {
    if (signIn.kind === 'oidc') return leave(Boolean(account))
    setWanted(email)
    if (account) signOut()
  }
  // Who is signed in decides what is answered.
  return token || !id ? (
    <ReviewByToken key={`${account?.email} ${token}`} token={token} begin={begin} />
  ) : (
    <ReviewOwn id={id} begin={begin} />
  )
}

type Begin = (email?: string) => void

function ReviewByToken({ token, begin }: { token: string; begin: Begin }) {
  const { t } = useTranslation()
  const { data, error, loading, refetch } = useQuery(ByToken, {
    variables: { token },
    fetchPolicy: 'network-only',
    skip: !token,
  })
  if (!data && loading) return <Loader aria-label={t('loading')} mx="auto" />
  if (error) return faultsOf(error).map((fault, at) => <FaultView key={at} fault={fault} />)
  return data?.invitation ? (
    <Review invitation={data.invitation} by={{ token }} begin={begin} again={() => void refetch()} />
  ) : (
    <Nothing begin={begin} />
  )
}

function ReviewOwn({ id, begin }: { id: string; begin: Begin }) {
  const { t } = useTranslation()
  const { account } = useSession()
  const { data, loading, refetch } = useQuery(OwnInvitations, { skip: !account, fetchPolicy: 'network-only' })
  const [found, setFound] = useState<ReviewedFragment>()
  const invitation = data?.viewer.invitations?.nodes.find((each) => each.id === id) ?? found
  useEffect(() => setFound((before) => invitation ?? before), [invitation])
  if (!account) return <SignIn />
  if (!data && loading) return <Loader aria-label={t('loading')} mx="auto" />
  return invitation ? (
    <Review invitation={invitation} by={{ invitationId: id }} begin={begin} again={() => void refetch()} />
  ) : (
    <Nothing begin={begin} />
  )
}

/** A link that leads to no invitation, or to none that this person may see. */
function Nothing({ begin }: { begin: Begin }) {
  const { t } = useTranslation()
  const { account } = useSession()
  useTitle(t('review.nothing'))
  return (
    <Paper withBorder p="xl" maw={560} mx="auto">
      <Stack>
        <Title order={1}>{t('review.nothing')}</Title>
        <Text>{t(account ? 'review.nothingLead' : 'review.nothingSignedOut')}</Text>
        <Group>
          {account ? (
            <Button component={Link} to="/">
              {t('review.home')}
            </Button>
          ) : (
            <Button onClick={() => begin()}>{t('signIn.action')}</Button>
          )}
        </Group>
      </Stack>
    </Paper>
  )
}

type ReviewProps = {
  invitation: ReviewedFragment
  by: { token: string } | { invitationId: string }
  begin: Begin
  again: () => void
}

function Review({ invitation, by, begin, again }: ReviewProps) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const { account } = useSession()
  const [faults, setFaults] = useState<Fault[]>([])
  const [accept, accepting] = useMutation(Accept)
  const [decline, declining] = useMutation(DeclineInvitation)
  const { email, role, instanceName, space, invitedBy, requestedBy, message, expiresAt } = invitation
  const place = instanceName ?? space.name
  useTitle(t('review.title', { name: invitedBy.name, place }))

  const obstacle = invitation.accepting.obstacles[0]
  const otherAddress = obstacle?.reason === 'OTHER_ADDRESS'
  const signedOut = obstacle?.code === 'UNAUTHENTICATED'
  const accepted = accepting.data?.acceptInvitation
  const declined = declining.data?.declineInvitation

  async function act(carryOut: typeof accept | typeof decline) {
    setFaults([])
    await carryOut({ variables: { input: by } }).catch((error) => {
      setFaults(faultsOf(error))
      again()
    })
  }

  return (
    <Paper withBorder p="xl" maw={560} mx="auto" className="letter">
      <Stack gap="lg">
        <div>
          <Text size="sm" c="dimmed">
            {space.organizationName}
          </Text>
          <Title order={1}>{t('review.title', { name: invitedBy.name, place })}</Title>
        </div>
        <dl className="facts">
          <dt>{t('review.space')}</dt>
          <dd>{space.name}</dd>
          {instanceName && (
            <>
              <dt>{t('review.instance')}</dt>
              <dd>{instanceName}</dd>
            </>
          )}
          <dt>{t('review.role')}</dt>
          <dd>
            {role ? t(`role.${role}`) : t('role.administrator')}
            <Text size="sm" c="dimmed">
              {t(`review.may.${role ?? 'ADMINISTRATOR'}`)}
            </Text>
          </dd>
          <dt>{t('review.for')}</dt>
          <dd>{email}</dd>
          {requestedBy && (
            <>
              <dt>{t('review.asked')}</dt>
              <dd>{requestedBy.name}</dd>
            </>
          )}
          <dt>{t('review.until')}</dt>
          <dd>{moment(expiresAt)}</dd>
        </dl>
        {message && (
          <Text component="blockquote" className="words">
            {message}
          </Text>
        )}
        {accepted ? (
          <Stack gap="sm" role="status">
            <Title order={2}>{t('review.accepted')}</Title>
            <Group>
              <Button component={Link} to={accepted.instance ? `/instance/${accepted.instance.id}` : '/'}>
                {t('review.open', { place: accepted.instance?.name ?? accepted.space?.name ?? 'DataHub' })}
              </Button>
            </Group>
          </Stack>
        ) : declined ? (
          <Stack gap="xs" role="status">
            <Title order={2}>{t('review.declined')}</Title>
            <Text>{t('review.declinedLead', { name: invitedBy.name })}</Text>
          </Stack>
        ) : invitation.accepting.allowed ? (
          <Group>
            <Button size="md" loading={accepting.loading} onClick={() => void act(accept)}>
              {t('review.accept')}
            </Button>
            <Button size="md" variant="default" loading={declining.loading} onClick={() => void act(decline)}>
              {t('review.decline')}
            </Button>
          </Group>
        ) : signedOut ? (
          <Stack gap="xs">
            <Text>{t('review.signInLead', { email })}</Text>
            <Group>
              <Button size="md" onClick={() => begin(email)}>
                {t('review.signIn')}
              </Button>
            </Group>
          </Stack>
        ) : (
          obstacle && (
            <FaultView fault={{ ...obstacle, contacts: [] }}>
              {otherAddress ? (
                <>
                  <Text size="sm">{t('review.otherAddress', { email, own: account?.email })}</Text>
                  <Group>
                    <Button size="sm" onClick={() => begin(email)}>
                      {t('review.another')}
                    </Button>
                  </Group>
                </>
              ) : (
                <Contacts contacts={[invitedBy]} />
              )}
            </FaultView>
          )
        )}
        {faults.map((fault, at) => (
          <FaultView key={at} fault={fault} />
        ))}
        {!account && (
          <Text size="sm" c="dimmed">
            {t('review.unexpected')}{' '}
            <Anchor href={`mailto:${invitedBy.email}`} size="sm">
              {invitedBy.email}
            </Anchor>
          </Text>
        )}
      </Stack>
    </Paper>
  )
}
