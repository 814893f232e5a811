import { readFileSync } from 'node:fs'
import { expect, test } from '@playwright/test'
import { idOfHash, repairedPath, reviewedLink, tokenOfHash } from '../src/review/link'

// The gateway's tests read the same file. T stands for the token.
const examples: { token: string; found: string[]; otherToken: string[] } = JSON.parse(
  readFileSync(new URL('../../internal/invitation/testdata/given_tokens.json', import.meta.url), 'utf8'),
)
const { token } = examples

for (const around of examples.found)
  test(`a token is found in ${around}`, () => {
    expect(tokenOfHash(around.replaceAll('T', token))).toBe(token)
  })

for (const around of examples.otherToken)
  test(`another token is in ${around}`, () => {
    expect(tokenOfHash(around.replaceAll('T', token))).not.toBe(token)
  })

test('a lost fragment is no token', () => {
  for (const hash of ['', '#', '#.', '#%20', '#%3E']) expect(tokenOfHash(hash)).toBe('')
})

test('an id is found among marks', () => {
  expect(idOfHash('#request_01a2.')).toBe('request_01a2')
  expect(idOfHash('#request_01a2%3E')).toBe('request_01a2')
})

const refusals: [search: string, hash: string, token: string, isRefusal: boolean][] = [
  ['?refuse', `#${token}`, token, true],
  ['?refuse=', `#${token}.`, token, true],
  ['?refuse.', `#${token}`, token, true],
  [`?refuse%23${token}`, '', token, true],
  [`?refuse%23${token}%3E`, '', token, true],
  ['?refuse', '', '', true],
  ['?refused', `#${token}`, token, false],
  ['?id=1', `#${token}`, token, false],
  ['', `#${token}`, token, false],
]
for (const [search, hash, wanted, isRefusal] of refusals)
  test(`the link ${search}${hash} ${isRefusal ? 'refuses' : 'does not refuse'}`, () => {
    expect(reviewedLink({ search, hash })).toEqual({ token: wanted, isRefusal })
  })

const paths: [pathname: string, hash: string, want: string | undefined][] = [
  ['/invitation.', '', '/invitation'],
  ['/invitation)', '#T', '/invitation#T'],
  ['/invitation/', '#T', '/invitation#T'],
  ['/invitation%23T', '', '/invitation#T'],
  ['/invitation%3E', '', '/invitation'],
  ['/Invitation', '#T', '/invitation#T'],
  ['/invitation%3Frefuse%23T', '', '/invitation?refuse#T'],
  ['/invitation%3Frefuse', '#T', '/invitation?refuse#T'],
  ['/request%23T', '', '/request#T'],
  ['/requests.', '#mine', '/requests#mine'],
  ['/invitations', '', undefined],
  ['/nothing', '#T', undefined],
]
for (const [pathname, hash, want] of paths)
  test(`the path ${pathname}${hash} leads to ${want}`, () => {
    expect(repairedPath({ pathname, search: '', hash })).toBe(want)
  })

test('a mark before the question mark of a link does not lose what follows it', () => {
  expect(repairedPath({ pathname: '/invitation.', search: '?refuse', hash: '#T' })).toBe('/invitation?refuse#T')
})
