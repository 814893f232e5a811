/** What marks divide a text into: a letter or a digit beside a token makes it another word. */
const words = /[\p{L}\p{N}_-]+/gu

/** A token of an invitation: 256 random bits in base64url (RFC 4648, section 5). */
const tokenPattern = /^[A-Za-z0-9_-]{43}$/

/** Marks that mail programs and people leave around a link. */
const marks = /^[^\p{L}\p{N}_-]+|[^\p{L}\p{N}_-]+$/gu

/**
 * Returns the token in the fragment of a link, without the marks around it; '' if the fragment was lost. The gateway
 * has the same rule (internal/invitation/given_token.go).
 */
export function tokenOfHash(hash: string): string {
  const text = decoded(hash)
  return text.match(words)?.find((word) => tokenPattern.test(word)) ?? text.replace(marks, '')
}

/**
 * Returns the token of a mail's link, and whether it is the link "Never invite me
 * again": `?refuse#<token>`.
 */
export function reviewedLink({ search, hash }: { search: string; hash: string }) {
  return { token: linkToken({ search, hash }), isRefusal: /^\?refuse(\W|$)/i.test(decoded(search)) }
}

/** Returns the token of a link. A mail program may have written its # as %23. */
export function linkToken({ search, hash }: { search: string; hash: string }): string {
  const query = decoded(search)
  return tokenOfHash(query.includes('#') ? query.slice(query.indexOf('#')) : hash)
}

/** Returns the id in the fragment of a link, without the marks around it. */
export const idOfHash = (hash: string): string => decoded(hash).replace(marks, '')

/**
 * Returns where a link leads whose path a mail program has changed: with marks after
 * the path, or with the ? or the # written as %3F or %23. Returns undefined for any other path.
 */
export function repairedPath({
  pathname,
  search,
  hash,
}: {
  pathname: string
  search: string
  hash: string
}): string | undefined {
  const [, page, rest] = /^\/(invitation|join|requests?)(\W.*)?$/i.exec(decoded(pathname + search)) ?? []
  if (!page) return undefined
  const fragment = rest?.includes('#') ? rest.slice(rest.indexOf('#')) : hash
  const query = rest && /\?refuse\b/i.test(rest) ? '?refuse' : ''
  return `/${page.toLowerCase()}${query}${fragment}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
