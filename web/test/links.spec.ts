import { expect, test } from '@playwright/test'
import { idOfHash, repairedPath, tokenOfHash } from '../src/review/link'

const token = 'aB3_-'.repeat(9).slice(0, 43)

for (const around of [
  '#T',
  '#T.',
  '#T)',
  '#T>',
  '#T,',
  '#T;',
  '#T"',
  '#T”.',
  '#T%3E',
  '#T%3e.',
  '#T%20',
  '#T%0A',
  '#T%22',
  '#%22T%22',
  '#<T>',
  '##T',
  '#T%',
  '#T?utm=x',
  '#T&x=1',
])
  test(`a token is found in ${around}`, () => {
    expect(tokenOfHash(around.replace('T', token))).toBe(token)
  })

test('a lost fragment is no token', () => {
  for (const hash of ['', '#', '#.', '#%20', '#%3E']) expect(tokenOfHash(hash)).toBe('')
})

test('an id is found among marks', () => {
  expect(idOfHash('#request_01a2.')).toBe('request_01a2')
  expect(idOfHash('#request_01a2%3E')).toBe('request_01a2')
})

const paths: [pathname: string, hash: string, want: string | undefined][] = [
  ['/invitation.', '', '/invitation'],
  ['/invitation)', '#T', '/invitation#T'],
  ['/invitation/', '#T', '/invitation#T'],
  ['/invitation%23T', '', '/invitation#T'],
  ['/invitation%3E', '', '/invitation'],
  ['/Invitation', '#T', '/invitation#T'],
  ['/request%23T', '', '/request#T'],
  ['/requests.', '#mine', '/requests#mine'],
  ['/invitations', '', undefined],
  ['/nothing', '#T', undefined],
]
for (const [pathname, hash, want] of paths)
  test(`the path ${pathname}${hash} leads to ${want}`, () => {
    expect(repairedPath(pathname, hash)).toBe(want)
  })
