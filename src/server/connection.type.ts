// Relay connections: the GraphQL classes, the arguments and the arithmetic of a page, whatever is listed.
import { GraphQLError } from 'graphql'
import { ArgsType, type ClassType, Field, Int, ObjectType } from 'type-graphql'
import type { PageRequest } from './page.ts'

/** Rows in a page where neither `first` nor `last` is given. */
export const defaultPageSize = 50
export const largestPageSize = 1000

@ArgsType()
export class ConnectionArgs {
  @Field(() => Int, { nullable: true })
  first?: number | null

  @Field(() => String, { nullable: true })
  after?: string | null

  @Field(() => Int, { nullable: true })
  last?: number | null

  @Field(() => String, { nullable: true })
  before?: string | null
}

@ObjectType('PageInfo')
export class PageInfo {
  @Field(() => Boolean)
  hasNextPage!: boolean

  @Field(() => Boolean)
  hasPreviousPage!: boolean

  @Field(() => String, { nullable: true })
  startCursor!: string | null

  @Field(() => String, { nullable: true })
  endCursor!: string | null
}

export interface Edge<T> {
  cursor: string
  node: T
}

export interface Connection<T> {
  edges: Edge<T>[]
  nodes: T[]
  pageInfo: PageInfo
}

/** Counts only when the field is asked for. */
export interface CountedConnection<T> extends Connection<T> {
  countAll: () => Promise<number>
}

/** Makes `<name>Edge` and `<name>Connection`, the latter without `totalCount`. */
export function connectionType<T>(name: string, nodeType: () => object): ClassType<Connection<T>> {
  const EdgeType = edgeType<T>(name, nodeType)

  @ObjectType(`${name}Connection`)
  class ConnectionType implements Connection<T> {
    @Field(() => [EdgeType])
    edges!: Edge<T>[]

    @Field(() => [nodeType()])
    nodes!: T[]

    @Field(() => PageInfo)
    pageInfo!: PageInfo
  }
  return ConnectionType
}

/** As `connectionType`, with `totalCount`. */
export function countedConnectionType<T>(name: string, nodeType: () => object): ClassType<CountedConnection<T>> {
  const EdgeType = edgeType<T>(name, nodeType)

  @ObjectType(`${name}Connection`)
  class ConnectionType implements CountedConnection<T> {
    countAll!: () => Promise<number>

    @Field(() => [EdgeType])
    edges!: Edge<T>[]

    @Field(() => [nodeType()])
    nodes!: T[]

    @Field(() => PageInfo)
    pageInfo!: PageInfo

    @Field(() => Int)
    totalCount(): Promise<number> {
      return this.countAll()
    }
  }
  return ConnectionType
}

function edgeType<T>(name: string, nodeType: () => object): ClassType<Edge<T>> {
  @ObjectType(`${name}Edge`)
  class EdgeType implements Edge<T> {
    @Field(() => String)
    cursor!: string

    @Field(() => nodeType() as ClassType)
    node!: T
  }
  return EdgeType
}

/**
 * Turns a client's arguments into a page request; `parseKey` reads the text behind a cursor.
 * @throws GraphQLError `BAD_USER_INPUT`
 */
export function parsePage<K>(args: ConnectionArgs, parseKey: (text: string) => K | null): PageRequest<K> {
  const first = args.first ?? null
  const last = args.last ?? null
  if (first !== null && last !== null) throw badArgument('Give `first` or `last`, not both.')
  for (const [name, value] of Object.entries({ first, last })) {
    if (value === null || (value >= 0 && value <= largestPageSize)) continue
    throw badArgument(`\`${name}\` must be between 0 and ${largestPageSize}; got ${value}.`)
  }
  const key = (name: 'after' | 'before'): K | null => {
    const cursor = args[name] ?? null
    if (cursor === null) return null
    const text = parseCursor(cursor)
    const parsed = text === null ? null : parseKey(text)
    if (parsed === null) throw badArgument(`\`${name}\` is no cursor of this list; got ${JSON.stringify(cursor)}.`)
    return parsed
  }
  return {
    limit: first ?? last ?? defaultPageSize,
    from: last === null ? 'front' : 'back',
    after: key('after'),
    before: key('before'),
  }
}

function badArgument(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT' } })
}

const cursorPrefix = 'cursor:'

/** A position in a list, opaque to clients. */
export function toCursor(key: string): string {
  return Buffer.from(cursorPrefix + key, 'utf8').toString('base64url')
}

/** The text behind a cursor; null where it is none. */
export function parseCursor(cursor: string): string | null {
  const text = Buffer.from(cursor, 'base64url').toString('utf8')
  if (!text.startsWith(cursorPrefix)) return null
  const key = text.slice(cursorPrefix.length)
  return toCursor(key) === cursor ? key : null
}

/**
 * Builds a connection from the rows that answer a page request: `limit + 1` of them where there are more, in list
 * order whatever end the page was read from.
 */
export function toConnection<R, T, K>(
  page: PageRequest<K>,
  rows: readonly R[],
  show: { key: (row: R) => string; node: (row: R) => T },
): Connection<T> {
  const more = rows.length > page.limit
  const kept = page.from === 'front' ? rows.slice(0, page.limit) : rows.slice(more ? 1 : 0)
  const edges = kept.map((row) => ({ cursor: toCursor(show.key(row)), node: show.node(row) }))
  return {
    edges,
    nodes: edges.map(({ node }) => node),
    pageInfo: {
      // The row a bound names exists, so that there is something on its far side.
      hasNextPage: page.from === 'front' ? more : page.before !== null,
      hasPreviousPage: page.from === 'back' ? more : page.after !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}
