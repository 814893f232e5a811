import { useMutation, useQuery } from '@apollo/client/react'
import { Anchor, Button, Group, Loader, Paper, Stack, Text, TextInput, Title } from '@mantine/core'
import { type FormEvent, type ReactNode, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useLocation } from 'react-router'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { graphql } from '../generated'
import type { CourseFragment } from '../generated/graphql'
import { HomeButton } from '../review/home-button'
import { linkToken } from '../review/link'
import { ResultTitle } from '../review/result-title'
import { useSession } from '../session/session'
import { useFormats } from '../texts/formats'
import { useTitle } from '../title'

export const Course = graphql(`
  fragment Course on InviteLink {
    id
    role
    instanceName
    ownInstance
    inviterName
    allowedDomains
    expiresAt
    space {
      name
      organizationName
    }
  }
`)

const CourseByToken = graphql(`
  query CourseByToken($token: String!) {
    inviteLink(token: $token) {
      ...Course
    }
  }
`)

const JoinByLink = graphql(`
  mutation JoinByLink($input: JoinByLinkInput!) {
    joinByLink(input: $input) {
      email
    }
  }
`)

/**
 * A course link, for anyone who opens it: `/join#<token>`. It needs no account. The
 * invitation is sent to the address that the person gives, and the page says the same
 * for every address.
 */
export function JoinPage() {
  const { t } = useTranslation()
  const token = linkToken(useLocation())
  const { data, error, loading, refetch } = useQuery(CourseByToken, {
    variables: { token },
    fetchPolicy: 'network-only',
    skip: !token,
  })
  if (!data && loading) return <Loader aria-label={t('loading')} mx="auto" />
  if (error && !data) return <FaultList faults={faultsOf(error)} onRetry={() => void refetch()} />
  const course = data?.inviteLink
  return course ? <Join key={token} token={token} course={course} /> : <NotOpen />
}

type JoinProps = { token: string; course: CourseFragment }

function Join({ token, course }: JoinProps) {
  const { t } = useTranslation()
  const { account } = useSession()
  const [email, setEmail] = useState(account?.email ?? '')
  const [join, { data, loading, reset }] = useMutation(JoinByLink)
  const [faults, setFaults] = useState<Fault[]>([])
  const field = useRef<HTMLInputElement>(null)
  // A repeated submission has the same key: its answer may be lost, and the link used up.
  const submission = useRef({ email: '', idempotencyKey: '' })
  const place = course.instanceName ?? course.space.name
  useTitle(t('join.title', { place }))

  async function submit(event?: FormEvent) {
    event?.preventDefault()
    setFaults([])
    if (submission.current.email !== email) submission.current = { email, idempotencyKey: crypto.randomUUID() }
    await join({ variables: { input: { token, ...submission.current } } }).catch((error) => setFaults(faultsOf(error)))
  }

  function change(email: string) {
    setEmail(email)
    setFaults([])
  }

  function use(suggestion: string) {
    change(suggestion)
    field.current?.focus()
  }

  const sent = data?.joinByLink?.email
  if (sent)
    return (
      <Panel isResult>
        <ResultTitle order={1}>{t('join.sent')}</ResultTitle>
        <Text className="wrap-anywhere">{t('join.sentLead', { email: sent })}</Text>
        <Text>{t('join.sentBefore')}</Text>
        <Group>
          {/* The field is where the person comes from: the focus returns to it. */}
          <Button variant="default" onClick={reset}>
            {t('join.again')}
          </Button>
        </Group>
      </Panel>
    )
  // It was used up or ended since the page was opened.
  if (faults.some(({ code }) => code === 'NOT_FOUND')) return <NotOpen isResult />
  const invalid = faults.find(({ code }) => code === 'INVALID_EMAIL')
  return (
    <Panel>
      <div className="wrap-anywhere">
        <Text size="sm" c="dimmed">
          {course.space.organizationName}
        </Text>
        <Title order={1}>{t('join.title', { place })}</Title>
      </div>
      <Text>{t('join.lead', { name: course.inviterName })}</Text>
      <CourseFacts course={course} />
      <form noValidate onSubmit={(event) => void submit(event)}>
        <Stack>
          <TextInput
            ref={field}
            data-focus-home
            type="email"
            name="email"
            autoComplete="email"
            required
            label={t('join.email')}
            description={domains(course, t)}
            value={email}
            onChange={(event) => change(event.currentTarget.value)}
            error={invalid && <Problem fault={invalid} course={course} onUse={use} />}
          />
          <Group>
            <Button type="submit" size="md" loading={loading}>
              {t('join.send')}
            </Button>
          </Group>
        </Stack>
      </form>
      <FaultList faults={faults.filter((fault) => fault !== invalid)} onRetry={() => void submit()} />
      <Text size="sm" c="dimmed">
        {t('join.privacy')}
      </Text>
    </Panel>
  )
}

/** Which addresses the link is for; undefined if it is for any. */
function domains({ allowedDomains }: CourseFragment, t: ReturnType<typeof useTranslation>['t']) {
  return allowedDomains.length > 0 ? t('join.domains', { domains: allowedDomains.join(', ') }) : undefined
}

type ProblemProps = { fault: Fault; course: CourseFragment; onUse: (email: string) => void }

/** What is wrong with the address, and what was probably meant. */
function Problem({ fault, course, onUse }: ProblemProps) {
  const { t } = useTranslation()
  const { reason, message, suggestion } = fault
  const text =
    reason === 'DOMAIN_NOT_ALLOWED'
      ? domains(course, t)
      : // The cast names one of the keys: a newer gateway may have others, hence the default value.
        t(`reason.${reason}` as 'reason.EMPTY', { defaultValue: message })
  return (
    <span role="alert">
      {text}{' '}
      {suggestion && (
        <Anchor component="button" type="button" size="sm" underline="always" onClick={() => onUse(suggestion)}>
          {t('problems.use', { suggestion })}
        </Anchor>
      )}
    </span>
  )
}

function CourseFacts({ course }: { course: CourseFragment }) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const { space, instanceName, role, expiresAt } = course
  return (
    <dl className="facts">
      <dt>{t('review.space')}</dt>
      <dd>{space.name}</dd>
      <dt>{t('review.instance')}</dt>
      <dd>{instanceName ?? t('join.ownInstance')}</dd>
      <dt>{t('review.role')}</dt>
      <dd>
        {t(`role.${role}`)}
        <Text size="sm" c="dimmed">
          {t(`review.roleDescription.${role}`)}
        </Text>
      </dd>
      <dt>{t('join.until')}</dt>
      <dd>{moment(expiresAt)}</dd>
    </dl>
  )
}

/** The one page of every link that cannot be used, whatever the reason. */
function NotOpen({ isResult }: { isResult?: boolean }) {
  const { t } = useTranslation()
  const { account } = useSession()
  useTitle(t('join.notOpen'))
  return (
    <Panel isResult={isResult}>
      {isResult ? (
        <ResultTitle order={1}>{t('join.notOpen')}</ResultTitle>
      ) : (
        <Title order={1}>{t('join.notOpen')}</Title>
      )}
      <Text>{t('join.notOpenLead')}</Text>
      {account && (
        <Group>
          <HomeButton variant="default" />
        </Group>
      )}
    </Panel>
  )
}

/** `isResult`: it is the result of what the person did. */
function Panel({ isResult, children }: { isResult?: boolean; children: ReactNode }) {
  return (
    <Paper withBorder p="xl" w="100%" maw={560} mx="auto">
      <Stack role={isResult ? 'status' : undefined}>{children}</Stack>
    </Paper>
  )
}
