/** A person of the demo world, with a token. */
export type DemoPerson = { name: string; email: string; description: string; token: string }

export type SignInMethod =
  | { kind: 'development'; people: DemoPerson[] }
  | { kind: 'oidc'; issuer: string; clientId: string; resource?: string; scope: string }
  | { kind: 'none' }

/** Asks the gateway how people sign in. */
export async function fetchSignInMethod(): Promise<SignInMethod> {
  const response = await fetch(`${import.meta.env.BASE_URL}configuration.json`)
  if (!response.ok) throw new Error(`configuration.json: ${response.status}`)
  return ((await response.json()) as { signIn: SignInMethod }).signIn
}
