// One TrainQL server a PostgreSQL database: a session that holds an advisory lock as long as its process lives. It is taken
// anew when the connection breaks; until then this server uses the database no more, for another one may.
import pg from 'pg'
import { TrainqlError } from '../../shared/errors.ts'
import type { Log } from '../log.ts'
import { pause } from './outage.ts'

export interface ServerGuard {
  isHeld(): boolean
  /** Resolves when the lock is held; rejects where it cannot be had just now. */
  ensure(): Promise<void>
  close(): Promise<void>
}

export interface ServerGuardOptions {
  url: string
  /** The session broke. */
  onLost: (error: Error) => void
  log: Log
}

/** Any number of our own; the session that holds it is the one server of this database. */
const serverLock = 8_127_433_001n

/** @throws TrainqlError `DATABASE_LOCKED`, `NETWORK` */
export async function guardServerDatabase({ url, onLost, log }: ServerGuardOptions): Promise<ServerGuard> {
  let client: pg.Client | null = null
  let taking: Promise<void> | null = null
  let closed = false

  async function take(): Promise<void> {
    const next = new pg.Client({ connectionString: url, keepAlive: true, connectionTimeoutMillis: connectMs })
    const lose = (error: Error): void => {
      if (client !== next) return
      client = null
      if (!closed) onLost(error)
    }
    next.on('error', lose)
    next.on('end', () => lose(new Error('the session that guards the database ended')))
    try {
      await next.connect()
      const { rows } = await next.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [serverLock])
      if (rows[0]?.locked !== true) throw locked()
    } catch (error) {
      await next.end().catch(() => undefined)
      throw error
    }
    client = next
  }

  try {
    await take()
  } catch (error) {
    throw error instanceof TrainqlError ? error : unreachable(error)
  }
  return {
    isHeld: () => client !== null,
    async ensure() {
      if (client !== null) return
      taking ??= take().finally(() => (taking = null))
      try {
        await taking
      } catch (error) {
        // Most likely our own session of before, which that server does not know to be gone yet.
        if (error instanceof TrainqlError) {
          log.warn('Another session holds the lock of the PostgreSQL database; waiting for it.')
          await pause(lockWaitMs)
        }
        throw error
      }
    },
    async close() {
      closed = true
      await client?.end()
    },
  }
}

export const connectMs = 10_000
const lockWaitMs = 2_000

function locked(): TrainqlError {
  return new TrainqlError({
    code: 'DATABASE_LOCKED',
    message: 'The PostgreSQL database given by DATABASE_URL is in use by another TrainQL server.',
    fix: 'Stop that server, or give another database.',
  })
}

function unreachable(error: unknown): TrainqlError {
  return new TrainqlError(
    {
      code: 'NETWORK',
      message: `PostgreSQL, given by DATABASE_URL, cannot be reached: ${error instanceof Error ? error.message : String(error)}.`,
      fix: 'Start it or correct DATABASE_URL; without DATABASE_URL the embedded database is used.',
    },
    { cause: error },
  )
}
