// JSON columns that never change once they are written, as they were last parsed: lists are read far more often than rows
// are new, and the queue looks at every waiting run after each event that may let one start.

/** Enough for a long queue. */
const mostKept = 8_192

export interface KnownJson<T> {
  /** The row's value, shared by all who read it. */
  of(id: string, value: unknown): T
  /** Undefined where it is not remembered. */
  find(id: string): T | undefined
  forget(id: string): void
}

/** Remembers, by the row's id, what has been used last. */
export function createKnownJson<T>(parse: (value: unknown) => T): KnownJson<T> {
  const known = new Map<string, T>()

  function keep(id: string, parsed: T): T {
    known.delete(id)
    known.set(id, parsed)
    const [oldest] = known.keys()
    if (known.size > mostKept && oldest !== undefined) known.delete(oldest)
    return parsed
  }

  function find(id: string): T | undefined {
    const parsed = known.get(id)
    return parsed === undefined ? undefined : keep(id, parsed)
  }

  return {
    of: (id, value) => find(id) ?? keep(id, parse(value)),
    find,
    forget: (id) => void known.delete(id),
  }
}
