import type { FieldPolicy } from '@apollo/client'

type Page = { nodes: unknown[] } | null

/** Pages of a Relay connection's `nodes`: what `after` asks for follows what is there, anything else begins anew. */
export const pages = (keyArgs: string[] = []): FieldPolicy<Page> => ({
  keyArgs,
  merge: (existing, incoming, { args }) =>
    incoming && existing && args?.after ? { ...incoming, nodes: [...existing.nodes, ...incoming.nodes] } : incoming,
})
