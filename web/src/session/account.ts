/** The account of the person who is signed in. */
export type Account = {
  email: string
  name: string
  /** Resolves to a valid token, renewed if necessary. */
  token: () => Promise<string | undefined>
}

/** Returns whom a JWT names. The page only shows it; the gateway verifies the token. */
export function personOfToken(token: string): { email: string; name: string } | undefined {
  try {
    const payload = token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0))
    const { email, name } = JSON.parse(new TextDecoder().decode(bytes)) as { email?: string; name?: string }
    return email ? { email, name: name ?? email } : undefined
  } catch {
    return undefined
  }
}
