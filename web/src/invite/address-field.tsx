import { Button, FileButton, Group, Input, Text } from '@mantine/core'
import { type ClipboardEvent, type KeyboardEvent, memo, useId, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { CrossIcon, FileIcon } from '../look/icons'
import classes from './address-field.module.css'
import { inCells, read, split } from './addresses'
import type { Verdict } from './verdicts'

type Props = {
  addresses: string[]
  verdicts: Verdict[]
  typing: string
  hint?: string
  disabled: boolean
  onTyping: (text: string) => void
  onAdd: (texts: string[]) => void
  onEdit: (place: number) => void
  onRemove: (place: number) => void
}

/** Where addresses are typed, pasted and dropped; each becomes a chip. */
export function AddressField({
  addresses,
  verdicts,
  typing,
  hint,
  disabled,
  onTyping,
  onAdd,
  onEdit,
  onRemove,
}: Props) {
  const { t } = useTranslation()
  const id = useId()
  const input = useRef<HTMLInputElement>(null)
  const [dropping, setDropping] = useState(false)
  const [note, setNote] = useState('')

  function add(texts: string[]) {
    if (texts.length) onAdd(texts)
    onTyping('')
  }

  async function take(file: File | null | undefined) {
    if (!file) return
    const found = inCells(await read(file))
    setNote(t('address.fromFile', { count: found.length, name: file.name }))
    if (found.length) onAdd(found)
  }

  function onKeyDown(event: KeyboardEvent<HTMLInputElement>) {
    if (event.nativeEvent.isComposing) return
    if (event.key === 'Enter' && typing.trim()) {
      event.preventDefault()
      add(split(typing))
    } else if (event.key === 'Backspace' && !typing && addresses.length) {
      event.preventDefault()
      onEdit(addresses.length - 1)
    }
  }

  function onPaste(event: ClipboardEvent<HTMLInputElement>) {
    const text = event.clipboardData.getData('text')
    if (!/[,;\n@]/.test(text)) return
    event.preventDefault()
    add(split(typing + text))
  }

  return (
    <Input.Wrapper
      label={t('address.label')}
      description={t('address.description')}
      labelProps={{ htmlFor: id }}
      size="sm"
    >
      <div
        className={`${classes.field} ${dropping ? classes.dropping : ''}`}
        onClick={(event) => event.target === event.currentTarget && input.current?.focus()}
        onDragOver={(event) => {
          event.preventDefault()
          setDropping(true)
        }}
        onDragLeave={() => setDropping(false)}
        onDrop={(event) => {
          event.preventDefault()
          setDropping(false)
          const [file] = event.dataTransfer.files
          if (file) void take(file)
          else add(split(event.dataTransfer.getData('text')))
        }}
      >
        <Chips {...{ addresses, verdicts, disabled, onEdit, onRemove }} />
        <div className={classes.input}>
          <input
            id={id}
            ref={input}
            value={typing}
            disabled={disabled}
            placeholder={addresses.length ? t('address.more') : t('address.placeholder')}
            aria-describedby={`${id}-hint`}
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            inputMode="email"
            onKeyDown={onKeyDown}
            onPaste={onPaste}
            onBlur={() => typing.includes('@') && add(split(typing))}
            onChange={({ currentTarget: { value } }) =>
              /[,;\n]\s*$/.test(value) ? add(split(value)) : onTyping(value)
            }
          />
        </div>
      </div>
      <Group justify="space-between" mt={6} gap="xs">
        <Text id={`${id}-hint`} size="sm" c={hint ? undefined : 'dimmed'} role="status">
          {hint || note || t('address.count', { count: addresses.length })}
        </Text>
        <FileButton onChange={(file) => void take(file)} accept=".csv,.txt,text/csv,text/plain" disabled={disabled}>
          {(props) => (
            <Button {...props} variant="subtle" size="compact-sm" leftSection={<FileIcon />}>
              {t('address.file')}
            </Button>
          )}
        </FileButton>
      </Group>
    </Input.Wrapper>
  )
}

/** Untouched by what is typed: a thousand chips are not drawn again at each key. */
const Chips = memo(function Chips({
  addresses,
  verdicts,
  ...chip
}: Pick<Props, 'addresses' | 'verdicts' | 'disabled' | 'onEdit' | 'onRemove'>) {
  const { t } = useTranslation()
  return (
    <ul className={classes.chips} aria-label={t('address.list')} tabIndex={addresses.length > 40 ? 0 : undefined}>
      {addresses.map((text, place) => (
        <Chip key={place} text={text} place={place} kind={verdicts[place].kind} {...chip} />
      ))}
    </ul>
  )
})

type ChipProps = Pick<Props, 'disabled' | 'onEdit' | 'onRemove'> & {
  text: string
  place: number
  kind: Verdict['kind']
}

const Chip = memo(function Chip({ text, place, kind, disabled, onEdit, onRemove }: ChipProps) {
  const { t } = useTranslation()
  return (
    <li className={`${classes.chip} ${classes[kind] ?? ''}`} data-kind={kind}>
      <button
        type="button"
        className={classes.text}
        disabled={disabled}
        title={text}
        aria-label={t(`address.edit.${kind}`, { address: text })}
        onClick={() => onEdit(place)}
      >
        {text}
      </button>
      <button
        type="button"
        className={classes.remove}
        disabled={disabled}
        aria-label={t('address.remove', { address: text })}
        onClick={() => onRemove(place)}
      >
        <CrossIcon size={12} />
      </button>
    </li>
  )
})
