// The live end of every run's event stream: the newest events in memory, and who waits for the next.
import type { StoredEvent } from './run.record.ts'

/** Enough that a subscriber a moment behind needs no query; older events are read from the database. */
const keptEvents = 512

export interface RunFeed {
  /** Called after the transaction that stored them; events of a run in order and without gaps. */
  publish(runId: string, events: readonly StoredEvent[]): void
  /** The events behind a position, where memory holds all of them; null where the database must be asked. */
  recent(runId: string, after: number): StoredEvent[] | null
  /** Resolves once an event behind the position is stored, or on abort. Never misses one published in between. */
  waitBeyond(runId: string, position: number, signal: AbortSignal): Promise<void>
  /** Frees the memory of a run that has ended. */
  forget(runId: string): void
  /** Waiting subscribers, over all runs. */
  readonly waiting: number
}

interface Live {
  events: StoredEvent[]
  waiting: Set<() => void>
}

export function createRunFeed(): RunFeed {
  const lives = new Map<string, Live>()

  function liveOf(runId: string): Live {
    const known = lives.get(runId)
    if (known !== undefined) return known
    const live: Live = { events: [], waiting: new Set() }
    lives.set(runId, live)
    return live
  }

  return {
    publish(runId, events) {
      const live = liveOf(runId)
      live.events.push(...events)
      if (live.events.length > 2 * keptEvents) live.events.splice(0, live.events.length - keptEvents)
      const waiting = [...live.waiting]
      live.waiting.clear()
      for (const wake of waiting) wake()
    },
    recent(runId, after) {
      const events = lives.get(runId)?.events
      const first = events?.[0]
      if (events === undefined || first === undefined || after < first.cursor - 1) return null
      return events.slice(after - first.cursor + 1)
    },
    async waitBeyond(runId, position, signal) {
      const live = liveOf(runId)
      if (signal.aborted || (live.events.at(-1)?.cursor ?? 0) > position) return
      await new Promise<void>((resolve) => {
        live.waiting.add(resolve)
        signal.addEventListener(
          'abort',
          () => {
            live.waiting.delete(resolve)
            resolve()
          },
          { once: true },
        )
      })
    },
    forget(runId) {
      const live = lives.get(runId)
      // Those who wait have been woken by the last event; a late one finds the run ended in the database.
      if (live !== undefined && live.waiting.size === 0) lives.delete(runId)
    },
    get waiting() {
      return [...lives.values()].reduce((sum, { waiting }) => sum + waiting.size, 0)
    },
  }
}
