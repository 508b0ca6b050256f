// Relay's object identification: every node has one opaque id, `base64(Type:key)`, good for `node(id)`.
import { fromGlobalId, toGlobalId } from 'graphql-relay'
import { Field, ID, InterfaceType } from 'type-graphql'

export const nodeTypes = ['Device', 'Dataset', 'Run', 'EpochMetrics', 'Checkpoint'] as const
export type NodeType = (typeof nodeTypes)[number]

@InterfaceType('Node', {
  autoRegisterImplementations: true,
  resolveType: (value: { __typename: NodeType }) => value.__typename,
})
export abstract class Node {
  @Field(() => ID)
  id!: string
}

/** The id of a node as clients see it. */
export function globalId(type: NodeType, key: string): string {
  return toGlobalId(type, key)
}

/** Type and key behind a global id; null where it is none of ours. */
export function findNodeKey(id: string): { type: NodeType; key: string } | null {
  const { type, id: key } = fromGlobalId(id)
  const known = nodeTypes.find((name) => name === type)
  // Base64 decoding forgives anything; only what encodes back to the very same id was made here.
  if (known === undefined || key === '' || toGlobalId(known, key) !== id) return null
  return { type: known, key }
}

/** The key behind an id of this type, which may be given as a global id or as the bare key; null for another type's id. */
export function findKeyOf(type: NodeType, id: string): string | null {
  const node = findNodeKey(id)
  if (node === null) return id
  return node.type === type ? node.key : null
}

/** For whoever says what is not there: an id of something else is taken as it is, and found nowhere. */
export function keyOf(type: NodeType, id: string): string {
  return findKeyOf(type, id) ?? id
}
