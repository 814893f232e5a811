/** How many addresses can be invited at once. */
export const maxAddresses = 1_000

const separator = /[,;\n\r\t]/

/**
 * Splits what was typed or pasted into addresses: at commas, semicolons, tabs and
 * line breaks, except in quotation marks and angle brackets. Does not check the
 * addresses; the gateway does.
 */
export function splitAddresses(text: string): string[] {
  const parts: string[] = []
  let part = ''
  let quoted = false
  let bracketed = false
  for (const character of text) {
    if (character === '"') quoted = !quoted
    if (character === '<') bracketed = true
    if (character === '>') bracketed = false
    const separates = character === '\n' || (!quoted && !bracketed && separator.test(character))
    if (!separates) part += character
    else {
      parts.push(part)
      part = ''
      quoted = bracketed = false
    }
  }
  return [...parts, part].flatMap(splitAtSpaces).reduce<string[]>(joinNameWithComma, [])
}

/** `a@x.org b@x.org` are two addresses; `Ada Lovelace <a@x.org>` is one. */
function splitAtSpaces(part: string): string[] {
  const trimmed = part.trim()
  const words = trimmed.split(/\s+/)
  if (words.length > 1 && words.every((word) => word.includes('@') && !/[<>"]/.test(word))) return words
  return trimmed ? [trimmed] : []
}

/** `Lovelace, Ada <ada@x.org>` is one address: a part without an @ before a part with brackets belongs to the name. */
function joinNameWithComma(parts: string[], part: string): string[] {
  const previous = parts.at(-1)
  if (previous && !previous.includes('@') && /^[^@<]+<[^>]*@[^>]*>$/.test(part))
    return [...parts.slice(0, -1), `${previous}, ${part}`]
  return [...parts, part]
}

/** Returns the cells of a CSV file that contain an @. */
export const addressesOfCsv = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .flatMap((line) => line.match(/"(?:[^"]|"")*"|[^,;\t]+/g) ?? [])
    .map((cell) => cell.trim().replace(/^"|"$/g, '').replaceAll('""', '"').trim())
    .filter((cell) => cell.includes('@'))

/** Decodes a file in the encodings of spreadsheet programs: UTF-8, UTF-16 with a byte order mark, or Windows-1252. */
export async function readText(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes)
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('windows-1252').decode(bytes)
  }
}
