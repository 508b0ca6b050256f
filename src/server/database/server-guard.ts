// One TrainQL server a PostgreSQL database: a session that holds an advisory lock as long as its process lives. It is taken
// anew when the connection breaks; until then this server uses the database no more, for another one may.
import pg from 'pg'
import { TrainqlError } from '../../shared/errors.ts'
import type { Log } from '../log.ts'
import { type Holder, holderOf, holderWords } from './holder.ts'
import { pause } from './outage.ts'

export interface ServerGuard {
  isHeld(): boolean
  /** Resolves when the lock is held; rejects where it cannot be had just now. */
  ensure(): Promise<void>
  close(): Promise<void>
}

export interface ServerGuardOptions {
  url: string
  holder: Holder
  /** The session broke. */
  onLost: (error: Error) => void
  log: Log
}

/** Any number of our own; the session that holds it is the one server of this database. */
const serverLock = 8_127_433_001n

/** @throws TrainqlError `DATABASE_LOCKED`, `NETWORK` */
export async function guardServerDatabase({ url, holder, onLost, log }: ServerGuardOptions): Promise<ServerGuard> {
  let client: pg.Client | null = null
  let taking: Promise<void> | null = null
  let closed = false

  async function take(): Promise<void> {
    const next = new pg.Client({
      ...{ connectionString: url, keepAlive: true, connectionTimeoutMillis: connectMs },
      application_name: holderWords[holder].application,
    })
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
      if (rows[0]?.locked !== true) throw locked(await findHolder(next))
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

/** Null where it has gone meanwhile, or does not say. */
async function findHolder(client: pg.Client): Promise<Holder | null> {
  // Of a lock of 64 bits the two halves are told apart.
  const { rows } = await client.query<{ name: string }>(
    `SELECT application_name AS name FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) + objid::bigint = $1 AND objsubid = 1
       AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [serverLock],
  )
  return holderOf(rows[0]?.name)
}

function locked(holder: Holder | null): TrainqlError {
  const { name, untilFree } = holderWords[holder ?? 'SERVER']
  return new TrainqlError({
    code: 'DATABASE_LOCKED',
    message: `The PostgreSQL database given by DATABASE_URL is in use by ${holder === 'REBUILD' ? name : 'another TrainQL server'}.`,
    fix: `${untilFree}, or give another database.`,
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
