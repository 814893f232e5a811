import Papa from 'papaparse'
import { linesOf, looksLikeAddress, splitAddresses } from './addresses'

/** The cells of a sheet, by row. */
export type Rows = string[][]

/** What was read from one column of a table. */
export type TableReading = {
  addresses: string[]
  column: Column
  /** The rows below the head, without empty rows. */
  rows: number
  /** The other cells of the rows without anything in the column. */
  incompleteRows: string[]
}

/** The column that was read. */
export type Column = {
  /** The text of the column's head, if it has one. */
  head?: string
  /** The position of the column, from 1. */
  number: number
}

/** The heads of columns with addresses, as spreadsheets in the languages of our users have them. */
const addressHead = /mail|courriel|correo|^(adresse ?)?(mel|epost|posta elettronica)$/

/** How many rows a table's title and remarks may take above its head. */
const maxRowsAboveHead = 10

const delimiters = ['\t', ';', ',', '|']

/** Reads a text as a table with delimiters. Returns undefined if it is rather a list of addresses. */
export function readTable(text: string): TableReading | undefined {
  const lines = linesOf(text).filter((line) => line.trim())
  const [, declared] = /^"?sep=(.)"?$/i.exec(lines[0]?.trim() ?? '') ?? []
  const body = declared ? lines.slice(1) : lines
  const candidates = (declared ? [declared] : delimiters).flatMap((delimiter) => {
    if (!body.some((line) => line.includes(delimiter))) return []
    const rows = parseRows(text, body, delimiter)
    const choice = chooseColumn(rows)
    return choice && isTable(rows, choice, delimiter) ? [{ rows, choice }] : []
  })
  const best = candidates.toSorted(
    (a, b) => Number(b.choice.named) - Number(a.choice.named) || b.choice.found - a.choice.found,
  )[0]
  if (best) return readColumn(best.rows, best.choice)
  const single = lines.map((line) => [line])
  const choice = chooseColumn(single)
  return choice?.named && choice.firstRow === 1 ? readColumn(single, choice) : undefined
}

/** Reads a sheet. Returns undefined if no cell contains an address. */
export function readRows(rows: Rows): TableReading | undefined {
  const filled = rows.filter((row) => row.some((cell) => cell.trim()))
  const choice = chooseColumn(filled)
  return choice && readColumn(filled, choice)
}

/**
 * Parses a text with quoted cells, which may contain line ends. If a quotation mark is
 * not part of a pair, each line is parsed alone, so that it affects no other line.
 */
function parseRows(text: string, lines: string[], delimiter: string): Rows {
  const whole = Papa.parse<string[]>(linesOf(text).join('\n'), { delimiter, newline: '\n', skipEmptyLines: 'greedy' })
  const swallows = (cell: string) => cell.includes('\n') && cell.includes('@') && cell.includes(delimiter)
  if (whole.errors.length === 0 && !whole.data.some((row) => row.some(swallows)))
    return whole.data.filter((row, i) => i > 0 || !/^sep=$/i.test(row[0]))
  return lines.map((line) => {
    const { data, errors } = Papa.parse<string[]>(line, { delimiter, newline: '\n' })
    return errors.length ? line.split(delimiter) : data[0]
  })
}

type Choice = {
  column: number
  /** The index of the first row below the head. */
  firstRow: number
  /** Reports whether the head names the column as one of addresses. */
  named: boolean
  /** How many cells of the column have an address. */
  found: number
}

const hasAddress = (cell = '') => cell.includes('@') && splitAddresses(cell).some(looksLikeAddress)

/** Chooses the column by its head, else by the share of its cells that have an address. */
function chooseColumn(rows: Rows): Choice | undefined {
  const headRow = rows
    .slice(0, maxRowsAboveHead)
    .findIndex((row) => row.every((cell) => !cell.includes('@')) && row.some((cell) => addressHead.test(plain(cell))))
  if (headRow >= 0) {
    const named = rows[headRow].flatMap((cell, i) => (addressHead.test(plain(cell)) ? [i] : []))
    const choice = bestColumn(rows, headRow + 1, named)
    if (choice) return { ...choice, named: true }
  }
  const width = rows.reduce((widest, row) => Math.max(widest, row.length), 0)
  const columns = [...Array(width).keys()]
  const mayHaveHead = rows.length > 1 && !rows[0].some((cell) => cell.includes('@'))
  const choice = bestColumn(rows, mayHaveHead ? 1 : 0, columns)
  if (!choice || !mayHaveHead || looksLikeHead(rows[0][choice.column])) return choice
  return { ...choice, firstRow: 0 }
}

/** A first row with nothing, or with a mistyped address such as `ada.uni.example` or `ada(at)x.org`, is not a head. */
const looksLikeHead = (cell = ''): boolean => /\p{L}/u.test(cell) && !/\p{L}\.\p{L}|[([{] ?at ?[)\]}]/iu.test(cell)

/** Of columns with as many addresses, the one with the most different ones: a supervisor stands in many rows. */
function bestColumn(rows: Rows, firstRow: number, columns: number[]): Choice | undefined {
  const body = rows.slice(firstRow)
  const counted = columns.map((column) => {
    const cells = body.map((row) => row[column]).filter(hasAddress)
    return { column, found: cells.length, distinct: new Set(cells).size }
  })
  const [best] = counted.toSorted((a, b) => b.found - a.found || b.distinct - a.distinct || a.column - b.column)
  return best?.found ? { column: best.column, found: best.found, firstRow, named: false } : undefined
}

/** Reports whether rows are those of a table, and not lines of a list with commas, semicolons or tabs. */
function isTable(rows: Rows, { named, firstRow }: Choice, delimiter: string): boolean {
  if (named) return rows[firstRow - 1].length > 1
  const body = rows.slice(firstRow)
  const width = body[0].length
  const isAllAddresses = body.every((row) => row.every((cell) => !cell.trim() || hasAddress(cell)))
  if (isAllAddresses || width < 2) return false
  if (delimiter === '\t') return true // people do not type tabs
  const isRectangular = rows.length > 1 && body.every((row) => row.length === width)
  const hasBrackets = body.some((row) => row.some((cell) => /<[^<>]*@/.test(cell)))
  return isRectangular && !hasBrackets
}

function readColumn(rows: Rows, { column, firstRow }: Choice): TableReading {
  const body = rows.slice(firstRow)
  const cells = body.map((row) => row[column]?.trim() ?? '')
  return {
    addresses: cells.flatMap((cell) => splitAddresses(cell)),
    column: { head: (firstRow > 0 && rows[firstRow - 1][column]?.trim()) || undefined, number: column + 1 },
    rows: cells.length,
    incompleteRows: body.filter((_, i) => !cells[i]).map(textOf),
  }
}

const textOf = (row: string[]) =>
  row
    .map((cell) => cell.trim())
    .filter(Boolean)
    .join(' ')

/** Returns a head in lower case, without accents, hyphens and other marks. */
const plain = (head: string) =>
  head
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L} ]/gu, '')
    .trim()
