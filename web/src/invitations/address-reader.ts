import { type Column, readRows, readTable, type TableReading } from './address-table'
import { linesOf, splitAddresses } from './addresses'

/** What was read from a text or a file: a column of a table, or a list of addresses. */
export type Reading = Pick<TableReading, 'addresses'> & Partial<Omit<TableReading, 'addresses'>>

export type { Column }

/** Why a file cannot be read. */
export type Refusal = 'notText' | 'badWorkbook' | 'tooLarge' | 'unreadable'

/** A file that cannot be read. */
export class UnreadableFile extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal)
  }
}

/** Far above any list of people; reading more would freeze the page. Bytes. */
const maxFileSize = 10_000_000

/** Reads text that was typed, pasted, dropped or stood in a file. */
export function readText(text: string): Reading {
  return readTable(text) ?? { addresses: splitAddresses(text) }
}

/** Reads a text file or an Excel workbook. Throws UnreadableFile. */
export async function readFile(file: File): Promise<Reading> {
  if (file.size > maxFileSize) throw new UnreadableFile('tooLarge')
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(await file.arrayBuffer())
  } catch {
    throw new UnreadableFile('unreadable') // a folder, or a file that has been moved
  }
  if (isZip(bytes)) return readWorkbook(bytes)
  const text = decode(bytes)
  if (text === undefined) throw new UnreadableFile('notText')
  const reading = readText(text)
  // Without any address, the lines are not a list with mistakes but something else.
  return reading.addresses.some((address) => address.includes('@')) ? reading : { addresses: [] }
}

const isZip = (bytes: Uint8Array) => bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4

/** Reads the first sheet of a workbook that contains an address. */
async function readWorkbook(bytes: Uint8Array): Promise<Reading> {
  try {
    const { sheetsOf } = await import('./workbook')
    for (const sheet of sheetsOf(bytes)) {
      const reading = readRows(sheet)
      if (reading) return reading
    }
  } catch {
    throw new UnreadableFile('badWorkbook')
  }
  return { addresses: [] }
}

/**
 * Decodes a text in the encodings of spreadsheet programs: UTF-8, UTF-16 with or
 * without a byte order mark, and Windows-1252. Returns undefined for what is no text.
 */
export function decode(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder(utf16Of(bytes) ?? (isUTF8(bytes) ? 'utf-8' : 'windows-1252')).decode(bytes)
  return isText(text) ? text : undefined
}

/** Returns the UTF-16 encoding that the byte order mark names or, without a mark, that the zero bytes show. */
function utf16Of(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le'
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be'
  const sample = bytes.subarray(0, 4_096)
  const zeros = [0, 0]
  sample.forEach((byte, i) => {
    if (byte === 0) zeros[i % 2]++
  })
  // An address has ASCII characters only, or nearly so: every other byte is zero.
  const [few, many] = zeros[0] < zeros[1] ? zeros : zeros.toReversed()
  if (many < sample.length / 8 || few > sample.length / 100) return undefined
  return zeros[0] < zeros[1] ? 'utf-16le' : 'utf-16be'
}

function isUTF8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/** Reports whether a decoded file is text: it has no control characters besides those that end lines and cells. */
function isText(text: string): boolean {
  const sample = text.slice(0, 100_000)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a picture has and a text has not
  const controls = sample.match(/[\0-\x08\x0e-\x1f\x7f\ufffd]/g)?.length ?? 0
  return !sample.includes('\0') && !sample.startsWith('%PDF-') && controls <= 1 + sample.length / 500
}

/** Reports whether a text has more than one line or cell, so that it does not continue what is being typed. */
export const isMultiline = (text: string): boolean => /\t/.test(text) || linesOf(text.trim()).length > 1
