// Whether the database is there: told away by whoever meets it so, and looked for from then on until it is back.
import type { Log } from '../log.ts'
import { DatabaseUnavailable, growingPauses } from './outage.ts'

export interface Availability {
  /** Somebody has met the database away. */
  lost(cause: unknown): void
  /** Called each time that the database is back, in the order in which listeners came. */
  onBack(listener: () => void): void
  stop(): Promise<void>
}

export interface AvailabilityOptions {
  /** Rejects while the database is away. */
  probe: () => Promise<unknown>
  log: Log
}

export function createAvailability({ probe, log }: AvailabilityOptions): Availability {
  const listeners: (() => void)[] = []
  const closing = new AbortController()
  let search: Promise<void> | null = null

  async function look(): Promise<void> {
    const since = performance.now()
    const rest = growingPauses(closing.signal)
    while (!closing.signal.aborted) {
      await rest()
      try {
        await probe()
      } catch {
        continue
      }
      search = null
      log.info(`The database is back after ${Math.round((performance.now() - since) / 100) / 10} s.`)
      for (const listener of listeners) listener()
      return
    }
  }

  return {
    lost(cause) {
      if (search !== null || closing.signal.aborted) return
      const why = cause instanceof DatabaseUnavailable ? cause.cause : cause
      log.warn(
        `The database is away (${why instanceof Error ? why.message : String(why)}); looking for it. Runs train on.`,
      )
      search = look()
    },
    onBack(listener) {
      listeners.push(listener)
    },
    async stop() {
      closing.abort()
      await search
    },
  }
}
