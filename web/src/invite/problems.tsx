import { Button, Group, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import classes from './address-field.module.css'
import type { Verdict } from './verdicts'

type Props = {
  addresses: string[]
  verdicts: Verdict[]
  onCorrect: (corrections: Map<number, string>) => void
  onRemove: (places: number[]) => void
}

/** What is wrong with the addresses, each with its way out. Nothing is corrected by itself. */
export function Problems({ addresses, verdicts, onCorrect, onRemove }: Props) {
  const { t } = useTranslation()
  const places = verdicts.flatMap(({ kind }, place) => (kind === 'bad' || kind === 'doubtful' ? [place] : []))
  const bad = places.filter((place) => verdicts[place].kind === 'bad')
  const twice = verdicts.flatMap(({ kind }, place) => (kind === 'twice' ? [place] : []))
  const corrections = new Map(
    bad.flatMap((place) => {
      const { suggestion } = verdicts[place]
      return suggestion ? [[place, suggestion] as const] : []
    }),
  )
  if (places.length + twice.length === 0) return null
  return (
    <Stack gap="xs">
      <Group justify="space-between" gap="xs">
        <Text fw={600} size="sm" role="status">
          {bad.length > 0
            ? t('problems.bad', { count: bad.length })
            : places.length > 0
              ? t('problems.doubtful', { count: places.length })
              : ''}
        </Text>
        <Group gap="xs">
          {corrections.size > 1 && (
            <Button size="compact-sm" variant="light" onClick={() => onCorrect(corrections)}>
              {t('problems.correctAll', { count: corrections.size })}
            </Button>
          )}
          {twice.length > 0 && (
            <Button size="compact-sm" variant="subtle" onClick={() => onRemove(twice)}>
              {t('problems.removeTwice', { count: twice.length })}
            </Button>
          )}
        </Group>
      </Group>
      {places.length > 0 && (
        <ul className={classes.problems} tabIndex={places.length > 6 ? 0 : undefined}>
          {places.map((place) => (
            <Problem
              key={place}
              address={addresses[place]}
              verdict={verdicts[place]}
              onCorrect={(to) => onCorrect(new Map([[place, to]]))}
              onRemove={() => onRemove([place])}
            />
          ))}
        </ul>
      )}
    </Stack>
  )
}

type ProblemProps = { address: string; verdict: Verdict; onCorrect: (to: string) => void; onRemove: () => void }

function Problem({ address, verdict, onCorrect, onRemove }: ProblemProps) {
  const { t } = useTranslation()
  const { kind, suggestion } = verdict
  return (
    <li className={`${classes.problem} ${kind === 'doubtful' ? classes.warns : ''}`}>
      <div>
        <Text size="sm" fw={600}>
          {address}
        </Text>
        <Text size="sm">{useWording()(verdict)}</Text>
      </div>
      <Group gap={6} maw="100%">
        {suggestion && (
          <Button size="compact-sm" variant="light" maw="100%" onClick={() => onCorrect(suggestion)}>
            {t('problems.use', { suggestion })}
          </Button>
        )}
        <Button
          size="compact-sm"
          variant="subtle"
          color="gray"
          aria-label={t('address.remove', { address })}
          onClick={onRemove}
        >
          {t('problems.remove')}
        </Button>
      </Group>
    </li>
  )
}

/** A verdict in words. */
export function useWording() {
  const { t } = useTranslation()
  return ({ kind, reason, suggestion, retryAfter, message }: Verdict): string => {
    if (kind === 'doubtful') return suggestion ? t('problems.meant', { suggestion }) : (message ?? '')
    if (reason === 'RATE_LIMITED') return t('problems.RATE_LIMITED', { count: Math.ceil((retryAfter ?? 60) / 60) })
    return reason ? t(`reason.${reason}`, { defaultValue: message ?? reason }) : (message ?? '')
  }
}
