// What a PostgreSQL server does by itself in the background and the embedded one does not: checkpoints and vacuum.
import type { Pool } from 'pg'
import type { Log } from '../log.ts'

const checkpointEveryMs = 60_000
const vacuumEveryMs = 30 * 60_000

export interface Maintenance {
  stop(): Promise<void>
}

/** Runs `CHECKPOINT` every minute, so that the write-ahead log stays small, and `VACUUM ANALYZE` every half hour. */
export function startMaintenance(pool: Pool, log: Log): Maintenance {
  let running = Promise.resolve()
  const schedule = (statement: string, everyMs: number): NodeJS.Timeout => {
    const timer = setInterval(() => {
      running = running.then(async () => {
        try {
          await pool.query(statement)
        } catch (error) {
          log.error(`${statement} of the embedded database failed.`, error)
        }
      })
    }, everyMs)
    return timer.unref()
  }
  const timers = [schedule('CHECKPOINT', checkpointEveryMs), schedule('VACUUM ANALYZE', vacuumEveryMs)]
  return {
    async stop() {
      for (const timer of timers) clearInterval(timer)
      await running
    },
  }
}
