import { strFromU8, unzipSync } from 'fflate'
import type { Rows } from './address-table'

/** The parts of a workbook are unpacked up to this size each, so that a small file cannot fill the memory. Bytes. */
const maxPartSize = 100_000_000

/** Returns the sheets of an Excel workbook (.xlsx: ECMA-376, part 1, section 18) in their order. Throws an Error. */
export function sheetsOf(bytes: Uint8Array): Rows[] {
  const parts = unzipSync(bytes, {
    filter: ({ name, originalSize }) => originalSize <= maxPartSize && /^xl\/.*\.(xml|rels)$/.test(name),
  })
  const documentOf = (name: string) => {
    const part = parts[name]
    if (!part) throw new Error(`The workbook has no ${name}.`)
    return new DOMParser().parseFromString(strFromU8(part), 'application/xml')
  }
  const targets = new Map(
    elements(documentOf('xl/_rels/workbook.xml.rels'), 'Relationship').map((element) => [
      element.getAttribute('Id'),
      element.getAttribute('Target') ?? '',
    ]),
  )
  const strings = parts['xl/sharedStrings.xml'] ? elements(documentOf('xl/sharedStrings.xml'), 'si').map(textOf) : []
  return elements(documentOf('xl/workbook.xml'), 'sheet').flatMap((sheet) => {
    const target = targets.get(sheet.getAttributeNS(relationships, 'id') ?? sheet.getAttribute('r:id')) ?? ''
    const name = target.startsWith('/') ? target.slice(1) : `xl/${target}`
    return parts[name] ? [rowsOf(documentOf(name), strings)] : []
  })
}

const relationships = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'

function rowsOf(sheet: Document, strings: string[]): Rows {
  return elements(sheet, 'row').map((row) => {
    const cells: string[] = []
    for (const cell of elements(row, 'c')) cells[columnOf(cell) ?? cells.length] = cellText(cell, strings)
    return Array.from(cells, (cell) => cell ?? '')
  })
}

/** Returns the column of a cell, from 0: the letters of its reference, as in AB12. */
function columnOf(cell: Element): number | undefined {
  const letters = /^[A-Z]{1,3}/.exec(cell.getAttribute('r') ?? '')?.[0]
  if (!letters) return undefined
  return [...letters].reduce((number, letter) => number * 26 + letter.charCodeAt(0) - 64, 0) - 1
}

function cellText(cell: Element, strings: string[]): string {
  const value = elements(cell, 'v')[0]?.textContent ?? ''
  switch (cell.getAttribute('t')) {
    case 's':
      return strings[Number(value)] ?? ''
    case 'inlineStr':
      return textOf(cell)
    default:
      return value
  }
}

/** Returns the text of a string, which formats may divide, without its phonetic help. */
const textOf = (element: Element): string =>
  elements(element, 't')
    .filter(({ parentElement }) => parentElement?.localName !== 'rPh')
    .map(({ textContent }) => textContent)
    .join('')

const elements = (parent: Document | Element, name: string) => [...parent.getElementsByTagNameNS('*', name)]
