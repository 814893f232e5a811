import type { ApolloLink } from '@apollo/client'
import { ServerError, ServerParseError } from '@apollo/client/errors'

/** The codes of statuses that proxies before the gateway answer with. */
const codes: Record<number, string> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  429: 'RATE_LIMITED',
  503: 'UNAVAILABLE',
}

/**
 * Returns the GraphQL result that an HTTP error stands for: the errors in its body
 * or, where a proxy wrote it, an error with the code of its status. Returns
 * undefined for any other error.
 */
export function resultOfHTTPError(error: unknown): ApolloLink.Result | undefined {
  if (!ServerError.is(error) && !ServerParseError.is(error)) return undefined
  try {
    const { errors } = JSON.parse(error.bodyText) as ApolloLink.Result
    if (errors?.[0]?.extensions?.code) return { errors }
  } catch {
    // It is not the gateway's answer.
  }
  const code = codes[error.statusCode]
  if (!code) return undefined
  const retryAfter = secondsOf(error.response.headers.get('Retry-After'))
  return { errors: [{ message: error.message, extensions: { code, retryAfter } }] }
}

/** Returns the seconds of a header Retry-After, which is a number or a date (RFC 9110, section 10.2.3). */
function secondsOf(header: string | null): number | undefined {
  if (!header) return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000
  return seconds > 0 ? Math.ceil(seconds) : undefined
}
