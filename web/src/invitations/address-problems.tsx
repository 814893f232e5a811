import { Button, Group, Stack, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { announce } from '../focus/announcer'
import classes from './address-field.module.css'
import type { AddressStatus } from './address-status'

type Props = {
  addresses: string[]
  statuses: AddressStatus[]
  /** Replaces the addresses at the given indexes. */
  onCorrect: (corrections: Map<number, string>) => void
  onRemove: (indexes: number[]) => void
}

/** Lists the addresses that are not valid or doubtful, with buttons to correct or remove them. */
export function AddressProblems({ addresses, statuses, onCorrect, onRemove }: Props) {
  const { t } = useTranslation()
  const indexesOf = (...kinds: AddressStatus['kind'][]) =>
    statuses.flatMap(({ kind }, i) => (kinds.includes(kind) ? [i] : []))
  const problems = indexesOf('bad', 'doubtful')
  const bad = indexesOf('bad')
  const twice = indexesOf('twice')
  const corrections = new Map(
    bad.flatMap((i) => {
      const { suggestion } = statuses[i]
      return suggestion ? [[i, suggestion] as const] : []
    }),
  )
  if (problems.length + twice.length === 0) return null
  return (
    <Stack gap="xs">
      <Group justify="space-between" gap="xs">
        <Text fw={600} size="sm" role="status">
          {bad.length > 0 && t('problems.bad', { count: bad.length })}
          {bad.length === 0 && problems.length > 0 && t('problems.doubtful', { count: problems.length })}
        </Text>
        <Group gap="xs">
          {corrections.size > 1 && (
            <Button size="compact-sm" variant="light" onClick={() => onCorrect(corrections)}>
              {t('problems.correctAll', { count: corrections.size })}
            </Button>
          )}
          {bad.length > 1 && (
            <Button size="compact-sm" variant="subtle" onClick={() => onRemove(bad)}>
              {t('problems.removeBad', { count: bad.length })}
            </Button>
          )}
          {twice.length > 0 && (
            <Button size="compact-sm" variant="subtle" onClick={() => onRemove(twice)}>
              {t('problems.removeTwice', { count: twice.length })}
            </Button>
          )}
        </Group>
      </Group>
      {problems.length > 0 && (
        <ul className={classes.problems} tabIndex={problems.length > 6 ? 0 : undefined}>
          {problems.map((i) => (
            <AddressProblem
              key={i}
              address={addresses[i]}
              status={statuses[i]}
              onCorrect={(correction) => {
                onCorrect(new Map([[i, correction]]))
                announce(t('address.corrected', { address: correction }))
              }}
              onRemove={() => {
                onRemove([i])
                announce(t('address.removed', { address: addresses[i] }))
              }}
            />
          ))}
        </ul>
      )}
    </Stack>
  )
}

type AddressProblemProps = {
  address: string
  status: AddressStatus
  onCorrect: (correction: string) => void
  onRemove: () => void
}

function AddressProblem({ address, status, onCorrect, onRemove }: AddressProblemProps) {
  const { t } = useTranslation()
  const explain = useAddressExplanation()
  const { kind, suggestion } = status
  return (
    <li className={`${classes.problem} ${kind === 'doubtful' ? classes.warning : ''}`}>
      <div>
        <Text size="sm" fw={600}>
          {address}
        </Text>
        <Text size="sm">{explain(status)}</Text>
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

/** Returns a function that says what is wrong with an address. */
export function useAddressExplanation() {
  const { t } = useTranslation()
  return ({ kind, reason, suggestion, retryAfter, message = '' }: AddressStatus): string => {
    if (kind === 'doubtful') return suggestion ? t('problems.suggestion', { suggestion }) : message
    if (reason === 'RATE_LIMITED') return t('problems.RATE_LIMITED', { count: Math.ceil((retryAfter ?? 60) / 60) })
    return reason ? t(`reason.${reason}`, { defaultValue: message || reason }) : message
  }
}
