/** How many addresses can be invited at once. */
export const maxAddresses = 1_000

/** Characters that end a line: those of Unicode (UAX 14, class BK and CR, LF, NL). */
const lineEnd = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/

/** Splits a text into lines, whatever program ended them. */
export const linesOf = (text: string): string[] => text.split(lineEnd)

/** Characters that are not part of an address in a text are space, quotation marks, brackets and separators. */
const addressPattern = /[^\s<>()[\]{}"“”„«»,;:|]+@[^\s<>()[\]{}"“”„«»,;:|]+/g

/** A name in quotation marks before an address in angle brackets. An unpaired mark does not match. */
const quotedName = /["“”„«][^"“”„«»<>\n]*["“”»]\s*(?=<)/g

/** An address in angle brackets. The closing bracket may be missing. */
const bracketed = /<\s*[^\s<>]+@[^\s<>]+/

/**
 * Returns the addresses in a list that was typed or pasted, in order, without the
 * names around them. A part of the list without an address is returned as it is, so
 * that the person sees it. Does not check the addresses; the gateway does.
 */
export const splitAddresses = (text: string): string[] => linesOf(text).flatMap(splitLine)

function splitLine(line: string): string[] {
  return line
    .replace(quotedName, '')
    .split(/[;\t]/)
    .flatMap((group) => withoutNames(group.split(',')))
    .flatMap(addressesOfPart)
}

/** `Lovelace, Ada <ada@x.org>`: parts without an @ before a part with brackets are the name. */
function withoutNames(parts: string[]): string[] {
  let name: string[] = []
  return parts
    .flatMap((part) => {
      if (!part.includes('@')) {
        name.push(part)
        return []
      }
      const before = bracketed.test(part) ? [] : name
      name = []
      return [...before, part]
    })
    .concat(name)
}

function addressesOfPart(part: string): string[] {
  const found = (part.match(addressPattern) ?? []).map(trimMarks)
  // An address before the same address in brackets is the name that a mail program wrote.
  const addresses = bracketed.test(part) ? [...new Set(found)] : found
  const trimmed = part.trim()
  return addresses.length || !trimmed ? addresses : [trimmed]
}

/** Removes the marks of the text around an address: what ends a sentence, and paired apostrophes. */
const trimMarks = (address: string) =>
  address.replace(/(?<=[\p{L}\p{N}'’`*])[.!?]+$/u, '').replace(/^(['‘’`*])(.*)['’`*]$/, '$2')

/** Reports whether a text looks like one address. The gateway decides whether it is. */
export const looksLikeAddress = (text: string): boolean => /^[^\s@]+@[^\s@]+\.[^\s@.]{2,}$/.test(text)
