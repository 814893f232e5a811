/** Whom a JWT names. The gateway verifies it; the page only shows it. */
export function personOf(token: string): { email: string; name: string } | undefined {
  try {
    const octets = Uint8Array.from(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (c) =>
      c.charCodeAt(0),
    )
    const { email, name } = JSON.parse(new TextDecoder().decode(octets)) as { email?: string; name?: string }
    return email ? { email, name: name ?? email } : undefined
  } catch {
    return undefined
  }
}
