/** One of development's people, with a token that is ready. */
export type Demonstrator = { name: string; email: string; description: string; token: string }

export type SignIn =
  | { kind: 'development'; people: Demonstrator[] }
  | { kind: 'oidc'; issuer: string; clientId: string; resource?: string; scope: string }
  | { kind: 'none' }

/** How people sign in here, as the gateway says. */
export async function configuration(): Promise<SignIn> {
  const response = await fetch(`${import.meta.env.BASE_URL}configuration.json`)
  if (!response.ok) throw new Error(`configuration.json: ${response.status}`)
  return ((await response.json()) as { signIn: SignIn }).signIn
}
