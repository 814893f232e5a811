/**
 * What a person has typed and not sent yet. It is kept in sessionStorage: a reload
 * or a sign-in at the identity provider does not lose it, and another tab or a
 * later visitor of this computer does not see it. It is removed at sign-out.
 */
const prefix = 'datahub:draft:'

const keyOf = (ownerId: string, name: string) => `${prefix}${ownerId}:${name}`

export const drafts = {
  /** Returns a draft of the person, or undefined if there is none. */
  load<T>(ownerId: string, name: string): Partial<T> | undefined {
    try {
      return JSON.parse(sessionStorage.getItem(keyOf(ownerId, name)) ?? 'null') ?? undefined
    } catch {
      return undefined
    }
  },
  /** Saves a draft of the person; undefined removes it. */
  save(ownerId: string, name: string, draft: unknown) {
    if (draft === undefined) sessionStorage.removeItem(keyOf(ownerId, name))
    else sessionStorage.setItem(keyOf(ownerId, name), JSON.stringify(draft))
  },
  /** Removes the drafts of all people or, with an id, of all others. */
  forget(exceptOwnerId?: string) {
    for (const key of Object.keys(sessionStorage))
      if (key.startsWith(prefix) && !(exceptOwnerId && key.startsWith(keyOf(exceptOwnerId, ''))))
        sessionStorage.removeItem(key)
    // Earlier versions of the page kept drafts in localStorage.
    for (const key of Object.keys(localStorage)) if (/^datahub:.*:draft:/.test(key)) localStorage.removeItem(key)
  },
}
