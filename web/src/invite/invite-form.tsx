import { Alert, Button, Group, Loader, Radio, Stack, Text, Textarea } from '@mantine/core'
import { useCallback, useEffect, useMemo } from 'react'
import { useTranslation } from 'react-i18next'
import type { Fault } from '../gateway/faults'
import { useLine } from '../gateway/line'
import { FaultView } from '../obstacle/obstacle'
import { useSession } from '../session/session'
import { AddressField } from './address-field'
import { most, split } from './addresses'
import { useDraft } from './draft'
import { useJudgements } from './judging'
import { Outcome } from './outcome'
import { Problems, useWording } from './problems'
import { type Mode, type Progress, useSending } from './sendings'
import { verdicts } from './verdicts'

const longest = 2_000

/** Whom to invite, as what, with which words: sent by oneself, or handed to an administrator. */
export function InviteForm({ instanceId, mode }: { instanceId: string; mode: Mode }) {
  const { t } = useTranslation()
  const { account } = useSession()
  const [draft, change] = useDraft(account?.email ?? '', instanceId)
  const { progress, begin, forget } = useSending(instanceId)
  const wording = useWording()
  const silent = useLine() !== 'up'

  const { addresses, typing, role, message } = draft
  const refusals = useMemo(() => refused(progress), [progress])
  const texts = useMemo(() => (typing.includes('@') ? [...addresses, typing.trim()] : addresses), [addresses, typing])
  const judged = useJudgements(texts)
  const said = useMemo(() => verdicts(addresses, judged, refusals), [addresses, judged, refusals])
  const hint = texts === addresses ? undefined : verdicts(texts, judged, refusals).at(-1)
  const all = hint ? [...said, hint] : said

  const busy = progress?.phase === 'under way'
  const bad = all.filter(({ kind }) => kind === 'bad').length
  const people = texts.length - all.filter(({ kind }) => kind === 'twice').length
  const tooMany = texts.length > most
  const tooLong = [...message].length > longest
  const general = progress?.phase === 'refused' ? progress.faults.filter(({ index }) => index === undefined) : []

  // What was sent is no draft any more.
  const sent = progress?.phase === 'done' || progress?.phase === 'asked'
  useEffect(() => {
    if (sent) change({ addresses: [], typing: '', message: '' })
  }, [sent, change])

  const correct = useCallback(
    (corrections: Map<number, string>) =>
      change(({ addresses, typing }) => ({
        addresses: addresses.map((text, place) => corrections.get(place) ?? text),
        typing: corrections.get(addresses.length) ?? typing,
      })),
    [change],
  )
  const remove = useCallback(
    (places: number[]) =>
      change(({ addresses }) => ({ addresses: addresses.filter((_, place) => !places.includes(place)) })),
    [change],
  )
  const removeOne = useCallback((place: number) => remove([place]), [remove])
  const edit = useCallback(
    (place: number) =>
      change(({ addresses, typing }) => ({
        addresses: [...addresses.filter((_, at) => at !== place), ...split(typing)],
        typing: addresses[place],
      })),
    [change],
  )
  const add = useCallback(
    (more: string[]) => change(({ addresses }) => ({ addresses: [...addresses, ...more] })),
    [change],
  )
  const onTyping = useCallback((text: string) => change({ typing: text }), [change])

  function send() {
    const emails = [...addresses, ...split(typing)]
    change({ addresses: emails, typing: '' })
    begin(mode, { instanceId, role, emails, message: message.trim() || undefined })
  }

  return (
    <Stack gap="lg">
      {sent && <Outcome progress={progress} onClose={forget} />}
      {general.map((fault, at) => (
        <FaultView key={at} fault={fault} />
      ))}
      <form
        onSubmit={(event) => {
          event.preventDefault()
          send()
        }}
      >
        <Stack gap="lg">
          <AddressField
            {...{ addresses, typing, onTyping }}
            verdicts={said}
            hint={hint && (hint.kind === 'bad' || hint.kind === 'doubtful') ? wording(hint) : undefined}
            disabled={busy}
            onAdd={add}
            onEdit={edit}
            onRemove={removeOne}
          />
          <Problems addresses={addresses} verdicts={said} onCorrect={correct} onRemove={remove} />
          {tooMany && <Alert color="red" title={t('invite.tooMany', { count: texts.length - most, most })} />}
          <Radio.Group
            label={t('invite.role')}
            value={role}
            onChange={(value) => change({ role: value as typeof role })}
          >
            <Group mt="xs" gap="lg" align="flex-start">
              {(['VIEWER', 'EDITOR'] as const).map((each) => (
                <Radio
                  key={each}
                  value={each}
                  label={t(`role.${each}`)}
                  description={t(`invite.may.${each}`)}
                  disabled={busy}
                  maw={280}
                />
              ))}
            </Group>
          </Radio.Group>
          <Textarea
            label={t('invite.message')}
            description={t(mode === 'ask' ? 'invite.messageAsk' : 'invite.messageFor')}
            value={message}
            onChange={(event) => change({ message: event.currentTarget.value })}
            autosize
            minRows={2}
            maxRows={10}
            disabled={busy}
            error={tooLong && t('invite.messageTooLong')}
            inputWrapperOrder={['label', 'description', 'input', 'error']}
          />
          <Group justify="space-between" gap="xs">
            <Button type="submit" size="md" disabled={busy || people === 0 || bad > 0 || tooMany || tooLong}>
              {t(mode === 'ask' ? 'invite.ask' : 'invite.send', { count: people })}
            </Button>
            <Text size="sm" c="dimmed">
              {t('invite.characters', { count: [...message].length, most: longest })}
            </Text>
          </Group>
          {busy && (
            <Group gap="xs" role="status">
              <Loader size="xs" />
              <Text size="sm">{t(silent ? 'invite.waiting' : 'invite.sending')}</Text>
            </Group>
          )}
        </Stack>
      </form>
    </Stack>
  )
}

/** The refusals that are about an address, by its text. */
function refused(progress: Progress | undefined): Map<string, Fault> {
  if (progress?.phase !== 'refused') return new Map()
  return new Map(
    progress.faults.flatMap((fault) =>
      fault.index === undefined ? [] : [[progress.sending.input.emails[fault.index], fault] as const],
    ),
  )
}
