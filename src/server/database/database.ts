// Opens the database: the embedded one in a worker thread by default, a PostgreSQL server where a URL is given.
import { PrismaPg } from '@prisma/adapter-pg'
import type pg from 'pg'
import type { Log } from '../log.ts'
import { PrismaClient } from '../prisma-client/client.ts'
import { createAvailability } from './availability.ts'
import { startMaintenance } from './maintenance.ts'
import type { PgliteOptions } from './pglite.ts'
import { openEmbeddedSession, openServerSession } from './session.ts'
import { type Watch, watchAdapter } from './watched-adapter.ts'

/** The database as the stores see it. */
export interface Database {
  prisma: PrismaClient
}

export interface OpenDatabase extends Database {
  /** Called each time that the database is back after it was away. */
  onBack(listener: () => void): void
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** Folder of the embedded database; its lock is the caller's. */
  folder: string
  /** A PostgreSQL server to use instead. */
  url: string | null
  /** How long the embedded database may take to open. */
  openSeconds?: number | undefined
  log: Log
}

/**
 * Opens the database and applies the migrations it lacks.
 * @throws TrainqlError `DATABASE_UNAVAILABLE` where the embedded database does not open, `DATABASE_LOCKED` where another
 * server uses the PostgreSQL database, `NETWORK` where it cannot be reached, `CONFLICT` where its migrations are not ours.
 */
export async function openDatabase({ folder, url, log, openSeconds }: DatabaseOptions): Promise<OpenDatabase> {
  return url === null ? openEmbedded(folder, { log, openSeconds }) : openServer(url, log)
}

async function openEmbedded(folder: string, options: PgliteOptions): Promise<OpenDatabase> {
  const { log } = options
  const { pool, close } = await openEmbeddedSession(folder, options)
  const availability = createAvailability({ probe: () => pool.query('SELECT 1'), log })
  pool.on('error', (error) => availability.lost(error))
  const prisma = createPrisma(pool, { refusal: () => null, lost: (cause) => availability.lost(cause) })
  const maintenance = startMaintenance(pool, log)
  return {
    prisma,
    onBack: (listener) => availability.onBack(listener),
    async close() {
      await availability.stop()
      await maintenance.stop()
      await prisma.$disconnect()
      await close()
    },
  }
}

async function openServer(url: string, log: Log): Promise<OpenDatabase> {
  const unguarded = new Error('its lock is to be taken again')
  let lost: (cause: unknown) => void = () => undefined
  const onLost = (error: Error): void => lost(error)
  const { guard, pool, close } = await openServerSession({
    ...{ url, holder: 'SERVER' as const, log, onLost },
    connections: { max: 10 },
  })
  const availability = createAvailability({
    async probe() {
      await guard.ensure()
      await pool.query('SELECT 1')
    },
    log,
  })
  lost = (cause) => availability.lost(cause)
  // It may have been lost while nobody listened.
  if (!guard.isHeld()) lost(unguarded)
  pool.on('error', onLost)
  const prisma = createPrisma(pool, { refusal: () => (guard.isHeld() ? null : unguarded), lost })
  return {
    prisma,
    onBack: (listener) => availability.onBack(listener),
    async close() {
      await availability.stop()
      await prisma.$disconnect()
      await close()
    },
  }
}

function createPrisma(pool: pg.Pool, watch: Watch): PrismaClient {
  return new PrismaClient({
    adapter: watchAdapter(new PrismaPg(pool), watch),
    // With one connection, a transaction waits for those before it; that is no failure.
    transactionOptions: { maxWait: 60_000, timeout: 60_000 },
  })
}
