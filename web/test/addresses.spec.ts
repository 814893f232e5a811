import { expect, test } from '@playwright/test'
import { decode, readFile, readText } from '../src/invitations/address-reader'
import { splitAddresses } from '../src/invitations/addresses'

const ada = 'ada@uni.example'
const grace = 'grace@uni.example'
const mary = 'mary@uni.example'

const lists: { name: string; text: string; want: string[] }[] = [
  { name: 'separators', text: `${ada}, ${grace};${mary}`, want: [ada, grace, mary] },
  {
    name: 'every line end and space',
    text: `${ada}\u00a0${grace}\u2028${mary}\rkim@x.org\u0085lee@x.org`,
    want: [ada, grace, mary, 'kim@x.org', 'lee@x.org'],
  },
  {
    name: 'names with a comma',
    text: `Lovelace, Ada <${ada}>; "Hopper, Grace" <${grace}>, “Shelley, Mary” <${mary}>`,
    want: [ada, grace, mary],
  },
  {
    name: 'names with two commas',
    text: `Lovelace, Ada, PhD <${ada}>; Hopper, Jr., Grace <${grace}>`,
    want: [ada, grace],
  },
  {
    name: 'a name with a semicolon in quotation marks',
    text: `"Lovelace; Ada" <${ada}>; ${grace}`,
    want: [ada, grace],
  },
  { name: 'an address as name', text: `"${ada}" <${ada}>; '${grace}' <${grace}>`, want: [ada, grace] },
  { name: 'names without brackets', text: `Ada Lovelace ${ada}\nGrace Hopper: ${grace}`, want: [ada, grace] },
  { name: 'links and sentences', text: `mailto:${ada}\nAsk (${grace}) or '${mary}'.`, want: [ada, grace, mary] },
  {
    name: 'an unpaired quotation mark',
    text: `Room 5" Ada <${ada}>, Grace <${grace}>, ${mary}`,
    want: [ada, grace, mary],
  },
  {
    name: 'a quotation mark at the beginning',
    text: `"Ada <${ada}>, Grace <${grace}>\n${mary}`,
    want: [ada, grace, mary],
  },
  { name: 'an unpaired bracket', text: `Ada <${ada}, Grace <${grace}>, ${mary}`, want: [ada, grace, mary] },
  { name: 'a closing bracket alone', text: `Ada ${ada}>, ${grace}`, want: [ada, grace] },
  {
    name: 'mistakes stay visible',
    text: 'foo, kim@@x.org; ada@.x.org, ada @x.org, ada[at]x.org',
    want: ['foo', 'kim@@x.org', 'ada@.x.org', 'ada @x.org', 'ada[at]x.org'],
  },
  {
    name: 'a list in many lines with commas',
    text: `${ada}, ${grace}\n${mary}, kim@x.org`,
    want: [ada, grace, mary, 'kim@x.org'],
  },
  {
    name: 'names with a comma in many lines',
    text: `Lovelace, Ada <${ada}>\nHopper, Grace <${grace}>\n${mary}`,
    want: [ada, grace, mary],
  },
  { name: 'nothing', text: ' \n,; \n', want: [] },
]

for (const { name, text, want } of lists)
  test(`a list is read: ${name}`, () => {
    expect(readText(text)).toEqual({ addresses: want })
  })

const tables: {
  name: string
  text: string
  want: string[]
  head?: string
  number?: number
  incompleteRows?: string[]
}[] = [
  {
    name: 'from a sheet',
    text: `Name\tE-mail\tRole\nAda\t${ada}\tStudent\nGrace\t${grace}\tStudent\n`,
    want: [ada, grace],
    head: 'E-mail',
    number: 2,
  },
  { name: 'one row of a sheet', text: `Ada Lovelace\t${ada}\tStudent`, want: [ada], number: 2 },
  {
    name: 'supervisors beside students',
    text: `user;email;supervisor\nada;${ada};prof@x.org\ngrace;${grace};prof@x.org`,
    want: [ada, grace],
    head: 'email',
    number: 2,
  },
  {
    name: 'two named columns',
    text: `Supervisor e-mail,Student e-mail\nprof@x.org,${ada}\nprof@x.org,${grace}`,
    want: [ada, grace],
    head: 'Student e-mail',
    number: 2,
  },
  { name: 'no head', text: `1,Ada,${ada},prof@x.org\n2,Grace,${grace},prof@x.org`, want: [ada, grace], number: 3 },
  {
    name: 'a head that names no address',
    text: `Name;Contact\nAda;${ada}\nGrace;${grace}`,
    want: [ada, grace],
    head: 'Contact',
    number: 2,
  },
  {
    name: 'a named column without addresses',
    text: `Mail sent;Contact\nyes;${ada}\nno;${grace}`,
    want: [ada, grace],
    head: 'Contact',
    number: 2,
  },
  {
    name: 'a title above the head',
    text: `Econometrics\n\nName;Adresse électronique (mél);E-Mail\nAda;;${ada}\nGrace;;${grace}`,
    want: [ada, grace],
    head: 'E-Mail',
    number: 3,
  },
  {
    name: 'rows without an address',
    text: `Name,Email\nAda,${ada}\nMary,\nGrace,${grace}`,
    want: [ada, grace],
    head: 'Email',
    number: 2,
    incompleteRows: ['Mary'],
  },
  {
    name: 'rows that are cut off',
    text: `Name;Group;Email\nAda;1;${ada}\nMary Shelley; 2\nGrace;1;${grace}\n;3;`,
    want: [ada, grace],
    head: 'Email',
    number: 3,
    incompleteRows: ['Mary Shelley 2', '3'],
  },
  {
    name: 'a mistake in the first row, without a head',
    text: `Mary;mary.uni.example\nAda;${ada}\nGrace;${grace}`,
    want: ['mary.uni.example', ada, grace],
    number: 2,
  },
  {
    name: 'nothing in the first row, without a head',
    text: `Mary;\nAda;${ada}\nGrace;${grace}`,
    want: [ada, grace],
    number: 2,
    incompleteRows: ['Mary'],
  },
  {
    name: 'mistakes in the column stay visible',
    text: `Name,Email\nAda,${ada}\nMary,unknown`,
    want: [ada, 'unknown'],
    head: 'Email',
    number: 2,
  },
  {
    name: 'many addresses in a cell',
    text: `Name,Emails\nAda,"${ada}; ${grace}\n${mary}"\n`,
    want: [ada, grace, mary],
    head: 'Emails',
    number: 2,
  },
  {
    name: 'names in the cells',
    text: `Name,Email\n"Lovelace, Ada","Lovelace, Ada <${ada}>"`,
    want: [ada],
    head: 'Email',
    number: 2,
  },
  {
    name: 'old line ends',
    text: `Name,Email\rAda,${ada}\rGrace,${grace}\r`,
    want: [ada, grace],
    head: 'Email',
    number: 2,
  },
  {
    name: 'an unpaired quotation mark',
    text: `Name,Email\n"Ada,${ada}\nGrace,${grace}\n"Mary,${mary}`,
    want: [ada, grace, mary],
    head: 'Email',
    number: 2,
  },
  {
    name: 'a line that names the delimiter',
    text: `sep=|\nName|Email\nAda|${ada}`,
    want: [ada],
    head: 'Email',
    number: 2,
  },
  { name: 'one column', text: `E-mail\n${ada}\n${grace}`, want: [ada, grace], head: 'E-mail', number: 1 },
]

for (const { name, text, want, head, number, incompleteRows = [] } of tables)
  test(`a table is read: ${name}`, () => {
    const { rows, ...reading } = readText(text)
    expect(reading).toEqual({ addresses: want, column: { head, number }, incompleteRows })
  })

const text = `Näme\tE-mail\r\nAda\t${ada}\r\n`
const utf16be = Buffer.from(text, 'utf16le').swap16()
const encodings: { name: string; bytes: Uint8Array }[] = [
  { name: 'UTF-8', bytes: Buffer.from(text) },
  { name: 'UTF-8 with a mark', bytes: Buffer.from(`\ufeff${text}`) },
  { name: 'UTF-16 LE with a mark', bytes: Buffer.from(`\ufeff${text}`, 'utf16le') },
  { name: 'UTF-16 LE', bytes: Buffer.from(text, 'utf16le') },
  { name: 'UTF-16 BE with a mark', bytes: Buffer.concat([Buffer.from([0xfe, 0xff]), utf16be]) },
  { name: 'UTF-16 BE', bytes: utf16be },
  { name: 'Windows-1252', bytes: Buffer.from(text, 'latin1') },
]

for (const { name, bytes } of encodings)
  test(`a text is decoded: ${name}`, () => {
    expect(decode(bytes)).toBe(text)
  })

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const refused: { name: string; content: Uint8Array<ArrayBuffer>; want: string }[] = [
  { name: 'a picture', content: png, want: 'notText' },
  { name: 'a PDF', content: Buffer.from('%PDF-1.7\n'), want: 'notText' },
  { name: 'an archive that is no workbook', content: Buffer.from('PK\x03\x04 and more'), want: 'badWorkbook' },
  { name: 'a file above the limit', content: Buffer.alloc(10_000_001, 'a'), want: 'tooLarge' },
]

for (const { name, content, want } of refused)
  test(`a file is refused: ${name}`, async () => {
    await expect(readFile(new File([content], 'x.csv'))).rejects.toMatchObject({ refusal: want })
  })

test('a file without an @ has no addresses', async () => {
  expect(await readFile(new File(['Name,Room\nAda,5'], 'x.csv'))).toEqual({ addresses: [] })
})

test('words without an address are kept as they were typed', () => {
  expect(splitAddresses('ada lovelace; foo')).toEqual(['ada lovelace', 'foo'])
})
