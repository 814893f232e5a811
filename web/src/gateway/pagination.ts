import type { FieldPolicy } from '@apollo/client'

type Page = { nodes: unknown[] } | null

/**
 * How the cache merges pages of a Relay connection: a page that was requested
 * with `after` is appended, any other replaces what is there. Connections that
 * differ in one of `keyArgs` are cached separately.
 */
export const paginated = (keyArgs: string[] = []): FieldPolicy<Page> => ({
  keyArgs,
  merge: (existing, incoming, { args }) =>
    incoming && existing && args?.after ? { ...incoming, nodes: [...existing.nodes, ...incoming.nodes] } : incoming,
})
