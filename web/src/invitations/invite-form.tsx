import { Alert, Button, Group, Loader, Radio, Stack, Text, Textarea } from '@mantine/core'
import { useCallback, useEffect, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { Fault } from '../fault/fault'
import { FaultList } from '../fault/fault-view'
import { useConnection } from '../gateway/connection'
import { instanceRoles } from '../roles'
import { useSession } from '../session/session'
import { AddressField } from './address-field'
import { AddressProblems, useAddressExplanation } from './address-problems'
import { addressStatuses } from './address-status'
import { maxAddresses, splitAddresses } from './addresses'
import { useDraft } from './draft'
import { useEmailChecks } from './email-checks'
import { InviteResult } from './invite-result'
import { type Mode, type Progress, useSubmission } from './submissions'

/** Characters. */
const maxMessageLength = 2_000

/** The form to invite people to an instance or, with mode `ask`, to ask the administrators to invite them. */
export function InviteForm({ instanceId, mode }: { instanceId: string; mode: Mode }) {
  const { t } = useTranslation()
  const { account, refusal } = useSession()
  const [draft, change] = useDraft(account?.id ?? '', instanceId)
  const { progress, submit, dismiss } = useSubmission(instanceId)
  const explain = useAddressExplanation()
  const { state } = useConnection()
  const online = state === 'online' || state === 'busy'

  const { addresses, typing, incompleteRows, role, message } = draft
  const isTypingAddress = typing.includes('@')
  const allAddresses = useMemo(
    () => (isTypingAddress ? [...addresses, typing.trim()] : addresses),
    [addresses, typing, isTypingAddress],
  )
  const checks = useEmailChecks(allAddresses)
  const refusals = useMemo(() => refusalsByAddress(progress), [progress])
  const statuses = useMemo(() => addressStatuses(addresses, checks, refusals), [addresses, checks, refusals])
  const typingStatus = isTypingAddress ? addressStatuses(allAddresses, checks, refusals).at(-1) : undefined
  const allStatuses = typingStatus ? [...statuses, typingStatus] : statuses

  const pending = progress?.phase === 'pending'
  const badCount = allStatuses.filter(({ kind }) => kind === 'bad').length
  const peopleCount = allStatuses.filter(({ kind }) => kind !== 'twice').length
  const messageLength = [...message].length
  const tooManyAddresses = allAddresses.length > maxAddresses
  const messageTooLong = messageLength > maxMessageLength
  const canSubmit = !pending && peopleCount > 0 && badCount === 0 && !tooManyAddresses && !messageTooLong

  const submitted = progress?.phase === 'invited' || progress?.phase === 'asked'
  useEffect(() => {
    if (submitted) change({ addresses: [], typing: '', incompleteRows: [], message: '' })
  }, [submitted, change])

  // The callbacks below are stable, so that typing does not render the addresses again.
  const correct = useCallback(
    (corrections: Map<number, string>) =>
      change(({ addresses, typing }) => ({
        addresses: addresses.map((address, i) => corrections.get(i) ?? address),
        typing: corrections.get(addresses.length) ?? typing,
      })),
    [change],
  )
  const remove = useCallback(
    (indexes: number[]) => change(({ addresses }) => ({ addresses: addresses.filter((_, i) => !indexes.includes(i)) })),
    [change],
  )
  const removeOne = useCallback((index: number) => remove([index]), [remove])
  const edit = useCallback(
    (index: number) =>
      change(({ addresses, typing }) => ({
        addresses: [...addresses.filter((_, i) => i !== index), ...splitAddresses(typing)],
        typing: addresses[index],
      })),
    [change],
  )
  const add = useCallback(
    (added: string[]) => change(({ addresses }) => ({ addresses: [...addresses, ...added] })),
    [change],
  )
  const setTyping = useCallback((typing: string) => change({ typing }), [change])

  function onSubmit() {
    const emails = [...addresses, ...splitAddresses(typing)]
    change({ addresses: emails, typing: '' })
    submit(mode, { instanceId, role, emails, message: message.trim() || undefined })
  }

  return (
    <Stack gap="lg">
      {submitted && <InviteResult progress={progress} onClose={dismiss} />}
      <FaultList faults={generalFaults(progress)} />
      <form
        onSubmit={(event) => {
          event.preventDefault()
          onSubmit()
        }}
      >
        <Stack gap="lg">
          <AddressField
            addresses={addresses}
            statuses={statuses}
            typing={typing}
            hint={typingStatus && isProblem(typingStatus) ? explain(typingStatus) : undefined}
            disabled={pending}
            onTyping={setTyping}
            onAdd={add}
            onEdit={edit}
            onRemove={removeOne}
            incompleteRows={incompleteRows}
            onIncompleteRows={(rows) => change({ incompleteRows: rows })}
          />
          <AddressProblems addresses={addresses} statuses={statuses} onCorrect={correct} onRemove={remove} />
          {tooManyAddresses && (
            <Alert
              color="red"
              title={t('invite.tooMany', { count: allAddresses.length - maxAddresses, max: maxAddresses })}
            />
          )}
          <Radio.Group
            label={t('invite.role')}
            value={role}
            onChange={(value) => change({ role: value as typeof role })}
          >
            <Group mt="xs" gap="lg" align="flex-start">
              {instanceRoles.map((each) => (
                <Radio
                  key={each}
                  value={each}
                  label={t(`role.${each}`)}
                  description={t(`invite.roleDescription.${each}`)}
                  disabled={pending}
                  maw={280}
                />
              ))}
            </Group>
          </Radio.Group>
          <Textarea
            label={t('invite.message')}
            description={t(mode === 'ask' ? 'invite.messageAsk' : 'invite.messageInvite')}
            value={message}
            onChange={(event) => change({ message: event.currentTarget.value })}
            autosize
            minRows={2}
            maxRows={10}
            disabled={pending}
            error={messageTooLong && t('invite.messageTooLong', { max: maxMessageLength })}
            inputWrapperOrder={['label', 'description', 'input', 'error']}
          />
          <Group justify="space-between" gap="xs">
            <Button type="submit" size="md" disabled={!canSubmit}>
              {t(mode === 'ask' ? 'invite.ask' : 'invite.send', { count: peopleCount })}
            </Button>
            <Text size="sm" c="dimmed">
              {t('invite.characters', { count: messageLength, max: maxMessageLength })}
            </Text>
          </Group>
          {pending && (
            <Group gap="xs" role="status">
              <Loader size="xs" />
              <Text size="sm">
                {t(refusal ? 'invite.waitingForSignIn' : online ? 'invite.sending' : 'invite.waiting')}
              </Text>
            </Group>
          )}
        </Stack>
      </form>
    </Stack>
  )
}

const isProblem = ({ kind }: { kind: string }) => kind === 'bad' || kind === 'doubtful'

/** Returns the faults that are not about one address. */
function generalFaults(progress: Progress | undefined): Fault[] {
  return progress?.phase === 'refused' ? progress.faults.filter(({ index }) => index === undefined) : []
}

/** Returns the faults that are about one address, by that address. */
function refusalsByAddress(progress: Progress | undefined): Map<string, Fault> {
  if (progress?.phase !== 'refused') return new Map()
  const { emails } = progress.submission.input
  return new Map(
    progress.faults.flatMap((fault) => (fault.index === undefined ? [] : [[emails[fault.index], fault] as const])),
  )
}
