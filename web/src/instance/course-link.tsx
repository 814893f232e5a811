import { useMutation, useQuery } from '@apollo/client/react'
import { Button, CopyButton, Group, Paper, Radio, Stack, Text, TextInput, Title } from '@mantine/core'
import { type FormEvent, useRef, useState } from 'react'
import { flushSync } from 'react-dom'
import { useTranslation } from 'react-i18next'
import { type Fault, faultsOf } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { useResultNotice } from '../focus/result-notice'
import { clock } from '../gateway/clock'
import { graphql } from '../generated'
import type { InstanceRole, LinkPanelQuery } from '../generated/graphql'
import { instanceRoles } from '../roles'
import { useFormats } from '../texts/formats'

const LinkPanel = graphql(`
  query LinkPanel($id: ID!) {
    instance(id: $id) {
      id
      inviteLinks(first: 1) {
        nodes {
          id
          state
          role
          url
          expiresAt
          maxUses
          uses
          createdBy {
            name
          }
        }
      }
    }
  }
`)

const CreateLink = graphql(`
  mutation CreateLink($input: CreateInviteLinkInput!) {
    createInviteLink(input: $input) {
      link {
        id
      }
    }
  }
`)

const RefreshLink = graphql(`
  mutation RefreshLink($input: RefreshInviteLinkInput!) {
    refreshInviteLink(input: $input) {
      link {
        id
        state
      }
    }
  }
`)

const RevokeLink = graphql(`
  mutation RevokeLink($input: RevokeInviteLinkInput!) {
    revokeInviteLink(input: $input) {
      revoked
      link {
        id
        state
      }
    }
  }
`)

type Link = NonNullable<NonNullable<LinkPanelQuery['instance']>['inviteLinks']>['nodes'][number]

const refetchQueries = ['LinkPanel']

/** Milliseconds. */
const aDay = 86_400_000

/** The newest course link to an instance, for administrators; where there is none that can be used again, what makes one. */
export function CourseLink({ instanceId }: { instanceId: string }) {
  const { t } = useTranslation()
  const { data, error, refetch } = useQuery(LinkPanel, { variables: { id: instanceId } })
  const heading = useRef<HTMLHeadingElement>(null)
  if (!data && !error) return null
  const link = data?.instance?.inviteLinks?.nodes[0]
  const focusHeading = () => heading.current?.focus()
  return (
    <Paper withBorder p="lg" component="section" aria-labelledby="course-link">
      <Stack>
        <div>
          <Title order={2} id="course-link" ref={heading} tabIndex={-1}>
            {t('link.title')}
          </Title>
          <Text c="dimmed">{t('link.lead')}</Text>
        </div>
        {error && !data && <FaultList faults={faultsOf(error)} onRetry={() => void refetch()} />}
        {data && link && <State key={link.id} link={link} onRevoked={focusHeading} />}
        {data && (!link || link.state === 'REVOKED') && <Make instanceId={instanceId} onMade={focusHeading} />}
      </Stack>
    </Paper>
  )
}

function State({ link, onRevoked }: { link: Link; onRevoked: () => void }) {
  const { t } = useTranslation()
  const { moment } = useFormats()
  const showResult = useResultNotice()
  const opener = useRef<HTMLButtonElement>(null)
  const [isRevoking, setIsRevoking] = useState(false)
  const [faults, setFaults] = useState<Fault[]>([])
  const [refresh, refreshing] = useMutation(RefreshLink, { refetchQueries, awaitRefetchQueries: true })
  const [revoke, revoking] = useMutation(RevokeLink, { refetchQueries, awaitRefetchQueries: true })
  const { id: linkId, state, role, url, expiresAt, uses, maxUses, createdBy } = link

  async function change(run: () => Promise<unknown>, result: string) {
    setFaults([])
    try {
      await run()
      showResult(result)
      return true
    } catch (error) {
      setFaults(faultsOf(error))
      return false
    }
  }

  async function confirm() {
    if (await change(() => revoke({ variables: { input: { linkId } } }), t('link.revoked'))) onRevoked()
  }

  function cancel() {
    flushSync(() => setIsRevoking(false))
    opener.current?.focus()
  }

  if (state === 'REVOKED') return <Text>{t('link.state.REVOKED')}</Text>
  return (
    <>
      <Text role="status">{t(`link.state.${state}`, { name: createdBy?.name })}</Text>
      {url ? (
        <Group align="flex-end">
          <TextInput
            label={t('link.url')}
            value={url}
            readOnly
            onFocus={(event) => event.currentTarget.select()}
            flex="1 1 16rem"
          />
          <CopyButton value={url} timeout={5_000}>
            {({ copied, copy }) => (
              <Button variant="default" onClick={copy}>
                {t(copied ? 'link.copied' : 'link.copy')}
              </Button>
            )}
          </CopyButton>
        </Group>
      ) : (
        <Text>{t('link.noUrl')}</Text>
      )}
      <dl className="facts">
        <dt>{t('invite.role')}</dt>
        <dd>{t(`role.${role}`)}</dd>
        <dt>{t('link.until')}</dt>
        <dd>{moment(expiresAt)}</dd>
        <dt>{t('link.uses')}</dt>
        <dd>{t('link.usesOf', { uses: uses ?? 0, max: maxUses ?? 0 })}</dd>
      </dl>
      <FaultList faults={faults} compact />
      {isRevoking ? (
        <>
          <Text>{t('link.revokeLead')}</Text>
          <Group>
            <Button color="red" autoFocus loading={revoking.loading} onClick={() => void confirm()}>
              {t('link.revokeConfirm')}
            </Button>
            <Button variant="default" disabled={revoking.loading} onClick={cancel}>
              {t('deleteSpace.cancel')}
            </Button>
          </Group>
        </>
      ) : (
        <Group>
          <Button
            variant="default"
            loading={refreshing.loading}
            onClick={() => void change(() => refresh({ variables: { input: { linkId } } }), t('link.refreshed'))}
          >
            {t('link.refresh')}
          </Button>
          <Button ref={opener} variant="subtle" color="red" onClick={() => setIsRevoking(true)}>
            {t('link.revoke')}
          </Button>
        </Group>
      )}
    </>
  )
}

function Make({ instanceId, onMade }: { instanceId: string; onMade: () => void }) {
  const { t } = useTranslation()
  const [isOpen, setIsOpen] = useState(false)
  const [role, setRole] = useState<InstanceRole>('VIEWER')
  const [day, setDay] = useState(() => localDay(clock.now() + 30 * aDay))
  const [uses, setUses] = useState('100')
  const [faults, setFaults] = useState<Fault[]>([])
  const [create, { loading }] = useMutation(CreateLink, { refetchQueries, awaitRefetchQueries: true })
  const count = Number(uses)
  const isCountValid = Number.isInteger(count) && count >= 1 && count <= 10_000

  async function submit(event: FormEvent) {
    event.preventDefault()
    setFaults([])
    // The link is open until the end of the day.
    const expiresAt = new Date(`${day}T23:59:59`).toISOString()
    try {
      await create({ variables: { input: { instanceId, role, expiresAt, maxUses: count } } })
      onMade()
    } catch (error) {
      setFaults(faultsOf(error))
    }
  }

  if (!isOpen)
    return (
      <Group>
        <Button variant="default" onClick={() => setIsOpen(true)}>
          {t('link.make')}
        </Button>
      </Group>
    )
  return (
    <form noValidate onSubmit={(event) => void submit(event)}>
      <Stack>
        <Radio.Group label={t('invite.role')} value={role} onChange={(value) => setRole(value as InstanceRole)}>
          <Group mt="xs" gap="lg">
            {instanceRoles.map((each) => (
              <Radio key={each} value={each} label={t(`role.${each}`)} autoFocus={each === role} />
            ))}
          </Group>
        </Radio.Group>
        <Group align="flex-start" gap="lg">
          <TextInput
            type="date"
            label={t('link.lastDay')}
            value={day}
            min={localDay(clock.now())}
            max={localDay(clock.now() + 365 * aDay)}
            onChange={(event) => setDay(event.currentTarget.value)}
          />
          <TextInput
            inputMode="numeric"
            label={t('link.maxUses')}
            description={t('link.maxUsesHint')}
            inputWrapperOrder={['label', 'input', 'description', 'error']}
            value={uses}
            error={!isCountValid && t('link.maxUsesBounds')}
            onChange={(event) => setUses(event.currentTarget.value.trim())}
            maw={320}
          />
        </Group>
        <FaultList faults={faults} compact />
        <Group>
          <Button type="submit" loading={loading} disabled={!isCountValid || !day}>
            {t('link.make')}
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** Returns the day of a time where the browser is, as a date field has it. */
function localDay(at: number) {
  const date = new Date(at)
  const two = (n: number) => String(n).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}
