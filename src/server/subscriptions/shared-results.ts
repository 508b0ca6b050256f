// Results of subscriptions as text, made once for all who ask the same about the same event: two thousand subscribers of a
// run cost one execution and one serialisation an event, not two thousand.

export interface SharedResults {
  /** What `execute` makes of `item`, or made of it a moment ago for another one with the same key. */
  of(key: string, item: object, execute: () => Promise<string>): string | Promise<string>
}

export interface SharedResultsOptions {
  /** The most that is remembered, about. */
  limitBytes?: number
  nowMs?: () => number
}

/**
 * A result may hold what else the database held when it was made, such as whether a checkpoint is pinned by now: it is
 * shared by those who ask at one time, and made anew for who comes later.
 */
const shareForMs = 1_000

interface Entry {
  key: string
  item: object
  /** The promise until it is there. */
  text: string | Promise<string>
  bytes: number
  madeAtMs: number
}

const entryBytes = 256

export function createSharedResults({
  limitBytes = 16 * 1024 * 1024,
  nowMs = () => performance.now(),
}: SharedResultsOptions = {}): SharedResults {
  const byItem = new WeakMap<object, Map<string, Entry>>()
  /** Oldest first. */
  const entries = new Set<Entry>()
  let bytes = 0

  function drop(entry: Entry): void {
    if (!entries.delete(entry)) return
    bytes -= entry.bytes
    const ofItem = byItem.get(entry.item)
    if (ofItem?.get(entry.key) === entry) ofItem.delete(entry.key)
  }

  function makeRoom(): void {
    const oldest = nowMs() - shareForMs
    for (const entry of entries) {
      if (entry.madeAtMs >= oldest && bytes <= limitBytes) return
      drop(entry)
    }
  }

  async function fill(entry: Entry, execute: () => Promise<string>): Promise<string> {
    try {
      const text = await execute()
      entry.text = text
      if (entries.has(entry)) {
        entry.bytes += 2 * text.length
        bytes += 2 * text.length
        makeRoom()
      }
      return text
    } catch (error) {
      drop(entry)
      throw error
    }
  }

  return {
    of(key, item, execute) {
      const known = byItem.get(item)?.get(key)
      if (known !== undefined && nowMs() - known.madeAtMs <= shareForMs) return known.text
      if (known !== undefined) drop(known)
      const entry: Entry = { key, item, text: '', bytes: entryBytes, madeAtMs: nowMs() }
      const ofItem = byItem.get(item) ?? new Map<string, Entry>()
      byItem.set(item, ofItem)
      ofItem.set(key, entry)
      entries.add(entry)
      bytes += entryBytes
      makeRoom()
      entry.text = fill(entry, execute)
      return entry.text
    },
  }
}
