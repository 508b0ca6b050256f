// Pages of lists short enough to be held whole, such as devices and datasets.
import type { PageRequest } from './connection.type.ts'

/** The rows that answer a page request, in list order; keys that the list lacks bound nothing. */
export function pageOfList<R>(rows: readonly R[], page: PageRequest<string>, keyOf: (row: R) => string): R[] {
  const indexOf = (key: string | null): number => (key === null ? -1 : rows.findIndex((row) => keyOf(row) === key))
  const after = indexOf(page.after)
  const before = indexOf(page.before)
  const between = rows.slice(after + 1, before === -1 ? undefined : before)
  return page.from === 'front' ? between.slice(0, page.limit + 1) : between.slice(-(page.limit + 1))
}
