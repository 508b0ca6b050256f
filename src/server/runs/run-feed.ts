// The live end of every run's event stream: the newest events in memory, and who waits for the next.
import type { StoredEvent } from './run.record.ts'

/** Enough that a subscriber a moment behind needs no query; older events are read from the database. */
const keptEvents = 512

export interface RunFeed {
  /** Called after the transaction that stored them; events of a run in order and without gaps. */
  publish(runId: string, events: readonly StoredEvent[]): void
  /** The events behind a position, where memory holds all of them; null where the database must be asked. */
  recent(runId: string, after: number): StoredEvent[] | null
  /** Another one whenever something has changed. Take it before reading the database, which may be old by the answer. */
  version(runId: string): string
  /** Resolves once the version is another one than this, at once where it is already, or on abort. */
  waitForChange(runId: string, version: string, signal: AbortSignal): Promise<void>
  /** Frees the memory of a run that has ended; who still waits is woken to find so in the database. */
  forget(runId: string): void
  /** How many wait now, over all runs. */
  readonly waiting: number
}

interface Live {
  events: StoredEvent[]
  published: number
  waiting: Set<() => void>
}

export function createRunFeed(): RunFeed {
  const lives = new Map<string, Live>()
  /** Part of every version, so that a run forgotten meanwhile is not taken for one that never was. */
  let forgotten = 0

  const version = (runId: string): string => `${lives.get(runId)?.published ?? 0}.${forgotten}`

  function liveOf(runId: string): Live {
    const known = lives.get(runId)
    if (known !== undefined) return known
    const live: Live = { events: [], published: 0, waiting: new Set() }
    lives.set(runId, live)
    return live
  }

  return {
    publish(runId, events) {
      const live = liveOf(runId)
      live.events.push(...events)
      if (live.events.length > 2 * keptEvents) live.events.splice(0, live.events.length - keptEvents)
      live.published += 1
      wakeAll(live)
    },
    version,
    recent(runId, after) {
      const events = lives.get(runId)?.events
      const first = events?.[0]
      if (events === undefined || first === undefined || after < first.cursor - 1) return null
      return events.slice(after - first.cursor + 1)
    },
    async waitForChange(runId, since, signal) {
      if (signal.aborted || version(runId) !== since) return
      const { waiting } = liveOf(runId)
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        waiting.add(wake)
        signal.addEventListener('abort', wake)
      })
    },
    forget(runId) {
      const live = lives.get(runId)
      if (live === undefined) return
      lives.delete(runId)
      forgotten += 1
      wakeAll(live)
    },
    get waiting() {
      return [...lives.values()].reduce((sum, { waiting }) => sum + waiting.size, 0)
    },
  }
}

function wakeAll({ waiting }: Live): void {
  for (const wake of [...waiting]) wake()
}
