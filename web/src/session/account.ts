/** The account of the person who is signed in. */
export type Account = {
  /** Tells accounts apart in this browser: the address or, without one, the subject of the token. */
  id: string
  /** The address that the token names; '' if it names none. */
  email: string
  name: string
  /** Resolves to the token, renewed if necessary. */
  token: () => Promise<string | undefined>
  /** Replaces a token that the gateway refused. Resolves to false if the person has to sign in again. */
  renew: (refused: string) => Promise<boolean>
}

/** Whom a JWT names. The page only shows it; the gateway verifies the token. */
export type TokenPerson = { id: string; email: string; name: string }

/** Returns whom a JWT names, or undefined if the text is no JWT. */
export function personOfToken(token: string): TokenPerson | undefined {
  try {
    const payload = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0))
    const { sub, email, name } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    const address = typeof email === 'string' ? email : ''
    const id = address || String(sub ?? '')
    return id ? { id, email: address, name: typeof name === 'string' ? name : id } : undefined
  } catch {
    return undefined
  }
}
