/** So many can be invited at once. */
export const most = 1_000

const separator = /[,;\n\r\t]/

/**
 * The addresses of what somebody has typed or pasted: between commas, semicolons,
 * tabs and line breaks, but for those in quotes and angle brackets. Whether they
 * are any good, the gateway says.
 */
export function split(text: string): string[] {
  const parts: string[] = []
  let part = ''
  let quoted = false
  let bracketed = false
  for (const character of text) {
    if (character === '"') quoted = !quoted
    if (character === '<') bracketed = true
    if (character === '>') bracketed = false
    const breaks = character === '\n' || (!quoted && !bracketed && separator.test(character))
    if (!breaks) part += character
    else {
      parts.push(part)
      part = ''
      quoted = bracketed = false
    }
  }
  return [...parts, part].flatMap(words).reduce<string[]>(withName, [])
}

/** `a@x.org b@x.org` are two. */
function words(part: string): string[] {
  const trimmed = part.trim()
  const each = trimmed.split(/\s+/)
  if (each.length > 1 && each.every((word) => word.includes('@') && !/[<>"]/.test(word))) return each
  return trimmed ? [trimmed] : []
}

/** `Lovelace, Ada <ada@x.org>` is one: what stands before a comma without an @ belongs to the name. */
function withName(list: string[], part: string): string[] {
  const before = list.at(-1)
  if (before && !before.includes('@') && /^[^@<]+<[^>]*@[^>]*>$/.test(part))
    return [...list.slice(0, -1), `${before}, ${part}`]
  return [...list, part]
}

/** The addresses in the cells of a CSV file, whatever else stands there. */
export const inCells = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .flatMap((line) => line.match(/"(?:[^"]|"")*"|[^,;\t]+/g) ?? [])
    .map((cell) => cell.trim().replace(/^"|"$/g, '').replaceAll('""', '"').trim())
    .filter((cell) => cell.includes('@'))

/** The text of a file as spreadsheets write it: UTF-8, UTF-16 with a mark, or Windows-1252. */
export async function read(file: File): Promise<string> {
  const octets = new Uint8Array(await file.arrayBuffer())
  if (octets[0] === 0xff && octets[1] === 0xfe) return new TextDecoder('utf-16le').decode(octets)
  if (octets[0] === 0xfe && octets[1] === 0xff) return new TextDecoder('utf-16be').decode(octets)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets)
  } catch {
    return new TextDecoder('windows-1252').decode(octets)
  }
}
