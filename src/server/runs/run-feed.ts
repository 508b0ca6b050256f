// The live end of every run's event stream: the newest events in memory, and who waits for the next.
import type { StoredEvent } from './run.record.ts'

/** Enough that a subscriber a moment behind needs no query; older events are read from the database. */
const keptEvents = 512

export interface RunFeed {
  /** Called after the transaction that stored them; events of a run in order and without gaps. */
  publish(runId: string, news: News): void
  /** What is behind a position, where memory holds all of it; null where the database must be asked. */
  recent(runId: string, after: number): News | null
  /** Another one whenever something has changed. Take it before reading the database, which may be old by the answer. */
  version(runId: string): string
  /** Resolves once the version is another one than this, at once where it is already, or on abort. */
  waitForChange(runId: string, version: string, signal: AbortSignal): Promise<void>
  /** Frees the memory of a run that has ended; who still waits is woken to find so in the database. */
  forget(runId: string): void
  /** How many wait now, over all runs. */
  readonly waiting: number
}

export interface News {
  /** In order, the next ones; `recent` gives some of them at a time. */
  events: readonly StoredEvent[]
  /** Behind these events the run has ended, and there is none more. */
  ended: boolean
}

/** As many as a reader who then has to wait may hold on to. */
const mostAtOnce = 64

interface Live {
  events: StoredEvent[]
  ended: boolean
  published: number
  waiting: Set<() => void>
}

/** `onPublish` hears of every run's news, before who waits for them. */
export function createRunFeed(onPublish: (runId: string, news: News) => void = () => undefined): RunFeed {
  const lives = new Map<string, Live>()
  /** Part of every version, so that a run forgotten meanwhile is not taken for one that never was. */
  let forgotten = 0

  const version = (runId: string): string => `${lives.get(runId)?.published ?? 0}.${forgotten}`

  function liveOf(runId: string): Live {
    const known = lives.get(runId)
    if (known !== undefined) return known
    const live: Live = { events: [], ended: false, published: 0, waiting: new Set() }
    lives.set(runId, live)
    return live
  }

  return {
    publish(runId, { events, ended }) {
      onPublish(runId, { events, ended })
      const live = liveOf(runId)
      live.events.push(...events)
      live.ended = ended
      if (live.events.length > 2 * keptEvents) live.events.splice(0, live.events.length - keptEvents)
      live.published += 1
      wakeAll(live)
    },
    version,
    recent(runId, after) {
      const live = lives.get(runId)
      const first = live?.events[0]
      if (live === undefined || first === undefined || after < first.cursor - 1) return null
      const from = after - first.cursor + 1
      if (from > live.events.length) return null
      const events = live.events.slice(from, from + mostAtOnce)
      return { events, ended: live.ended && from + events.length === live.events.length }
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
