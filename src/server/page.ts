// One page of a list, as the rooms ask for it below GraphQL.

/** Up to `limit` rows strictly between two keys, read from the front or from the back. */
export interface PageRequest<K> {
  limit: number
  from: 'front' | 'back'
  after: K | null
  before: K | null
}

/**
 * The rows that answer a page request of a list short enough to be held whole, in list order; up to `limit + 1`, so
 * that one sees whether there are more. Keys that the list lacks bound nothing.
 */
export function pageOfList<R>(rows: readonly R[], page: PageRequest<string>, keyOf: (row: R) => string): R[] {
  const indexOf = (key: string | null): number => (key === null ? -1 : rows.findIndex((row) => keyOf(row) === key))
  const after = indexOf(page.after)
  const before = indexOf(page.before)
  const between = rows.slice(after + 1, before === -1 ? undefined : before)
  return page.from === 'front' ? between.slice(0, page.limit + 1) : between.slice(-(page.limit + 1))
}
