// Opens the database: the embedded one in a worker thread by default, a PostgreSQL server where a URL is given.
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { TrainqlError } from '../../shared/errors.ts'
import type { Log } from '../log.ts'
import { PrismaClient } from '../prisma-client/client.ts'
import { startMaintenance } from './maintenance.ts'
import { migrate, readMigrations } from './migrate.ts'
import { startPglite } from './pglite.ts'

/** The database as the stores see it. */
export interface Database {
  prisma: PrismaClient
}

export interface OpenDatabase extends Database {
  close(): Promise<void>
}

export interface DatabaseOptions {
  /** Folder of the embedded database; its lock is the caller's. */
  folder: string
  /** A PostgreSQL server to use instead. */
  url: string | null
  log: Log
}

/**
 * Opens the database and applies the migrations it lacks.
 * @throws TrainqlError `DATABASE_LOCKED` where another server uses the PostgreSQL database, `NETWORK` where it cannot
 * be reached, `CONFLICT` where its migrations are not ours.
 */
export async function openDatabase({ folder, url, log }: DatabaseOptions): Promise<OpenDatabase> {
  return url === null ? openEmbedded(folder, log) : openServer(url, log)
}

async function openEmbedded(folder: string, log: Log): Promise<OpenDatabase> {
  const pglite = await startPglite(folder)
  // One session: one connection, and never dropped for being idle.
  const pool = new pg.Pool({
    user: 'postgres',
    database: 'postgres',
    max: 1,
    idleTimeoutMillis: 0,
    stream: () => pglite.connect(),
  })
  pool.on('error', (error) => log.error('The connection to the embedded database broke.', error))
  try {
    await migratePool(pool)
  } catch (error) {
    await pool.end()
    await pglite.close()
    throw error
  }
  const prisma = createPrisma(pool)
  const maintenance = startMaintenance(pool, log)
  return {
    prisma,
    async close() {
      await maintenance.stop()
      await prisma.$disconnect()
      await pool.end()
      await pglite.close()
    },
  }
}

async function openServer(url: string, log: Log): Promise<OpenDatabase> {
  const guard = await lockServerDatabase(url, log)
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  pool.on('error', (error) => log.error('An idle connection to PostgreSQL broke.', error))
  try {
    await migratePool(pool)
  } catch (error) {
    await pool.end()
    await guard.end()
    throw error
  }
  const prisma = createPrisma(pool)
  return {
    prisma,
    async close() {
      await prisma.$disconnect()
      await pool.end()
      await guard.end()
    },
  }
}

function createPrisma(pool: pg.Pool): PrismaClient {
  return new PrismaClient({
    adapter: new PrismaPg(pool),
    // With one connection, a transaction waits for those before it; that is no failure.
    transactionOptions: { maxWait: 60_000, timeout: 60_000 },
  })
}

async function migratePool(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  try {
    await migrate(client, await readMigrations())
  } finally {
    client.release()
  }
}

/** Any number of our own; the session that holds it is the one server of this database. */
const serverLock = 8_127_433_001n

/** A session of its own holds an advisory lock: it goes when the process does. */
async function lockServerDatabase(url: string, log: Log): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, keepAlive: true })
  try {
    await client.connect()
  } catch (error) {
    throw new TrainqlError(
      {
        code: 'NETWORK',
        message: `PostgreSQL, given by DATABASE_URL, cannot be reached: ${error instanceof Error ? error.message : String(error)}.`,
        fix: 'Start it or correct DATABASE_URL; without DATABASE_URL the embedded database is used.',
      },
      { cause: error },
    )
  }
  client.on('error', (error) => log.error('The session that guards the PostgreSQL database broke.', error))
  const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [serverLock])
  if (rows[0]?.locked === true) return client
  await client.end()
  throw new TrainqlError({
    code: 'DATABASE_LOCKED',
    message: 'The PostgreSQL database given by DATABASE_URL is in use by another TrainQL server.',
    fix: 'Stop that server, or give another database.',
  })
}
