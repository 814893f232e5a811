import { Button, FileButton, Group, Input, Stack, Text } from '@mantine/core'
import {
  type ClipboardEvent,
  type DragEvent,
  type KeyboardEvent,
  memo,
  useCallback,
  useId,
  useRef,
  useState,
} from 'react'
import { useTranslation } from 'react-i18next'
import { announce } from '../focus/announcer'
import { CrossIcon, FileIcon } from '../theme/icons'
import classes from './address-field.module.css'
import { isMultiline, type Reading, readFile, readText, UnreadableFile } from './address-reader'
import type { AddressStatus } from './address-status'
import { splitAddresses } from './addresses'

type Props = {
  addresses: string[]
  /** The status of each address, in the same order. */
  statuses: AddressStatus[]
  /** The text after the addresses, still being typed. */
  typing: string
  /** What is wrong with the text being typed. */
  hint?: string
  disabled: boolean
  onTyping: (text: string) => void
  onAdd: (addresses: string[]) => void
  onEdit: (index: number) => void
  onRemove: (index: number) => void
  /** Rows of tables without an address. */
  incompleteRows: string[]
  onIncompleteRows: (rows: string[]) => void
}

const fileTypes =
  '.csv,.tsv,.txt,.xlsx,text/csv,text/plain,application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'

/** What ends an address that is being typed. A comma without an address before it is part of a name. */
const endsAddress = /;\s*$|@.*,\s*$/

/** A field for many addresses, which can be typed, pasted, dropped or read from a file. Each is shown as a chip. */
export function AddressField(props: Props) {
  const { addresses, statuses, typing, hint, disabled, onTyping, onAdd, onEdit, onRemove } = props
  const { incompleteRows, onIncompleteRows } = props
  const { t } = useTranslation()
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  const [dropping, setDropping] = useState(false)
  const [note, setNote] = useState('')
  const editInField = useCallback(
    (index: number) => {
      onEdit(index)
      input.current?.focus()
    },
    [onEdit],
  )

  function add(added: string[]) {
    if (added.length) onAdd(added)
    onTyping('')
    setNote('')
  }

  function addRows({ incompleteRows: added = [] }: Reading) {
    if (added.length) onIncompleteRows([...incompleteRows, ...added])
  }

  /** Puts the text of a row into the field, where its address can be added. */
  function completeRow(index: number) {
    onIncompleteRows(incompleteRows.filter((_, i) => i !== index))
    onTyping(`${incompleteRows[index]} `)
    input.current?.focus()
  }

  function addText(text: string) {
    const reading = readText(text)
    add(reading.addresses)
    addRows(reading)
    setNote(reading.column ? describe(reading) : '')
  }

  async function addFile(file: File | null | undefined) {
    if (!file) return
    try {
      const reading = await readFile(file)
      if (reading.addresses.length) onAdd(reading.addresses)
      addRows(reading)
      setNote(`${t('address.fromFile', { count: reading.addresses.length, name: file.name })} ${describe(reading)}`)
    } catch (error) {
      if (!(error instanceof UnreadableFile)) throw error
      setNote(t(`address.refusal.${error.refusal}`, { name: file.name }))
    }
  }

  /** Says which column of a table was read and how many rows. */
  function describe({ addresses, column, rows = 0 }: Reading): string {
    if (!column || !addresses.length) return ''
    const name = column.head ?? t('address.columnNumber', { number: column.number })
    return t('address.fromColumn', { count: rows, column: name })
  }

  function onKeyDown(event: KeyboardEvent<HTMLInputElement>) {
    if (event.nativeEvent.isComposing) return
    if (event.key === 'Enter' && typing.trim()) {
      event.preventDefault()
      add(splitAddresses(typing))
    } else if (event.key === 'Backspace' && !typing && addresses.length) {
      event.preventDefault()
      onEdit(addresses.length - 1)
    }
  }

  function onPaste(event: ClipboardEvent<HTMLInputElement>) {
    const text = event.clipboardData.getData('text')
    if (!/[,;@]/.test(text) && !isMultiline(text)) return
    event.preventDefault()
    if (typing && isMultiline(text)) add(splitAddresses(typing))
    addText(isMultiline(text) ? text : typing + text)
  }

  function onDrop(event: DragEvent) {
    event.preventDefault()
    setDropping(false)
    const [file] = event.dataTransfer.files
    if (file) void addFile(file)
    else addText(event.dataTransfer.getData('text'))
  }

  return (
    <Input.Wrapper
      label={t('address.label')}
      description={t('address.description')}
      labelProps={{ htmlFor: id }}
      size="sm"
    >
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the input inside takes the keyboard */}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the input inside takes the keyboard */}
      <div
        className={`${classes.field} ${dropping ? classes.dropping : ''}`}
        onClick={(event) => event.target === event.currentTarget && input.current?.focus()}
        onDragOver={(event) => {
          event.preventDefault()
          setDropping(true)
        }}
        onDragLeave={() => setDropping(false)}
        onDrop={onDrop}
      >
        <Chips {...{ addresses, statuses, disabled, onEdit: editInField, onRemove }} />
        <div className={classes.input}>
          <input
            id={id}
            ref={input}
            value={typing}
            disabled={disabled}
            data-focus-home
            placeholder={addresses.length ? t('address.more') : t('address.placeholder')}
            aria-describedby={`${id}-hint`}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            inputMode="email"
            onKeyDown={onKeyDown}
            onPaste={onPaste}
            onBlur={() => typing.includes('@') && add(splitAddresses(typing))}
            onChange={({ currentTarget: { value } }) =>
              endsAddress.test(value) ? add(splitAddresses(value)) : onTyping(value)
            }
          />
        </div>
      </div>
      <Group justify="space-between" mt={6} gap="xs">
        <Text id={`${id}-hint`} size="sm" c={hint ? undefined : 'dimmed'} role="status">
          {hint || note || t('address.count', { count: addresses.length })}
        </Text>
        <FileButton onChange={(file) => void addFile(file)} accept={fileTypes} disabled={disabled}>
          {(buttonProps) => (
            <Button {...buttonProps} variant="subtle" size="compact-sm" leftSection={<FileIcon />}>
              {t('address.file')}
            </Button>
          )}
        </FileButton>
      </Group>
      {incompleteRows.length > 0 && (
        <IncompleteRows
          rows={incompleteRows}
          disabled={disabled}
          onComplete={completeRow}
          onLeaveOut={() => {
            onIncompleteRows([])
            input.current?.focus()
          }}
        />
      )}
    </Input.Wrapper>
  )
}

type IncompleteRowsProps = {
  rows: string[]
  disabled: boolean
  onComplete: (index: number) => void
  onLeaveOut: () => void
}

/** Shows the rows of a table that have no address, so that it can be added. */
function IncompleteRows({ rows, disabled, onComplete, onLeaveOut }: IncompleteRowsProps) {
  const { t } = useTranslation()
  return (
    <Stack gap={6} mt="xs">
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={600} role="status">
          {t('address.incomplete', { count: rows.length })}
        </Text>
        <Button variant="subtle" size="compact-sm" disabled={disabled} onClick={onLeaveOut}>
          {t('address.leaveOut', { count: rows.length })}
        </Button>
      </Group>
      <ul className={classes.chips} aria-label={t('address.incompleteList')}>
        {rows.map((row, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a row can be there twice, and a button has no state
          <li key={i}>
            <Button variant="default" size="compact-sm" disabled={disabled} onClick={() => onComplete(i)}>
              {row || t('address.emptyRow')}
            </Button>
          </li>
        ))}
      </ul>
    </Stack>
  )
}

type ChipsProps = Pick<Props, 'addresses' | 'statuses' | 'disabled' | 'onEdit' | 'onRemove'>

/** Memoized: a thousand chips must not render again at each keystroke. */
const Chips = memo(function Chips({ addresses, statuses, ...chipProps }: ChipsProps) {
  const { t } = useTranslation()
  return (
    <ul className={classes.chips} aria-label={t('address.list')} tabIndex={addresses.length > 40 ? 0 : undefined}>
      {addresses.map((address, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: an address can be there twice, and a chip has no state
        <Chip key={i} address={address} index={i} kind={statuses[i].kind} {...chipProps} />
      ))}
    </ul>
  )
})

type ChipProps = Pick<Props, 'disabled' | 'onEdit' | 'onRemove'> & {
  address: string
  index: number
  kind: AddressStatus['kind']
}

const Chip = memo(function Chip({ address, index, kind, disabled, onEdit, onRemove }: ChipProps) {
  const { t } = useTranslation()
  return (
    <li className={`${classes.chip} ${classes[kind] ?? ''}`} data-kind={kind}>
      <button
        type="button"
        className={classes.text}
        disabled={disabled}
        title={address}
        aria-label={t(`address.edit.${kind}`, { address })}
        onClick={() => onEdit(index)}
      >
        {address}
      </button>
      <button
        type="button"
        className={classes.remove}
        disabled={disabled}
        aria-label={t('address.remove', { address })}
        onClick={() => {
          onRemove(index)
          announce(t('address.removed', { address }))
        }}
      >
        <CrossIcon size={12} />
      </button>
    </li>
  )
})
